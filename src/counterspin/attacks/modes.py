"""A model as an attack needs it, see `counterspin.models.modes`."""

from counterspin.models.modes import frozen

__all__ = ["frozen"]

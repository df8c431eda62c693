"""Models users bring: read out of other libraries, or wrapped, and checked either way."""

from counterspin.models.integrations.accelerate import accelerate
from counterspin.models.integrations.adopt import Adopted, adopt, wrap
from counterspin.models.integrations.route import GradientCheck, Route

__all__ = ["Adopted", "GradientCheck", "Route", "accelerate", "adopt", "wrap"]

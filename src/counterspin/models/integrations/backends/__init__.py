"""Classifiers whose circuits run on a device the user holds."""

from counterspin.models.integrations.backends.on_device import OnDevice

__all__ = ["OnDevice"]

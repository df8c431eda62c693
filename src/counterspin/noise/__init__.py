"""Noise: channels and models of them."""

from counterspin.noise.model import NoiseModel

__all__ = ["NoiseModel"]

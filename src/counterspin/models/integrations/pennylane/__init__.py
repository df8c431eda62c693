"""Models written in PennyLane: QNodes of any interface and TorchLayers."""

from counterspin.models.integrations.pennylane.reading import claims, read

__all__ = ["claims", "read"]

"""Models of Qiskit and Qiskit Machine Learning."""

from counterspin.models.integrations.qiskit.reading import claims, read

__all__ = ["claims", "read"]

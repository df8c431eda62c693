"""Which objects are Qiskit's, and that telling so imports nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from counterspin.errors import ModelError
from counterspin.models.integrations.qiskit import claims, read
from counterspin.models.integrations.reading import Options


def test_models_are_told_by_where_their_classes_come_from():
    network = type("EstimatorQNN", (), {"__module__": "qiskit_machine_learning.neural_networks.estimator_qnn"})
    machine = type("SVC", (), {"__module__": "sklearn.svm", "kernel": None})()
    assert claims(network())
    assert claims(type("Own", (network,), {"__module__": "mine"})())
    assert not claims(machine)
    machine.kernel = type("Kernel", (), {"__module__": "qiskit_machine_learning.kernels", "evaluate": print})().__init__
    assert claims(machine)
    assert not claims(type("Model", (), {"__module__": "qiskitlike.models"})())
    assert not claims(torch.nn.Linear(2, 2))


@pytest.mark.slow
def test_recognising_a_model_imports_no_qiskit():
    program = (
        "import sys; from counterspin.models.integrations.qiskit import claims; claims(print); "
        "print([name for name in sys.modules if name.split('.')[0] in ('qiskit', 'qiskit_machine_learning', 'sympy')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.slow
def test_objects_that_are_no_models_are_refused():
    from qiskit.quantum_info import SparsePauliOp

    options = Options(x=torch.zeros(2, 2, dtype=torch.float64))
    with pytest.raises(
        ModelError, match="SparsePauliOp of qiskit is no classifier; give a QuantumCircuit with a readout"
    ):
        read(SparsePauliOp("Z"), options)

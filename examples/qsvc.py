"""A quantum support vector machine that tells two species of iris apart: ZZ feature map, fidelity kernel."""

from qiskit.circuit.library import zz_feature_map
from qiskit_machine_learning.algorithms import QSVC
from qiskit_machine_learning.kernels import FidelityQuantumKernel
from sklearn.datasets import load_iris
from sklearn.preprocessing import minmax_scale

data = load_iris()
x, y, bounds = minmax_scale(data.data)[50:], data.target[50:] - 1, (0, 1)
clf = QSVC(quantum_kernel=FidelityQuantumKernel(feature_map=zz_feature_map(4, reps=1)), C=10)
clf.fit(x[::8], y[::8])

"""A Qiskit EstimatorQNN that tells benign from malignant tumours: ZZ feature map, trained real amplitudes."""

from qiskit.circuit.library import real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.neural_networks import EstimatorQNN
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import minmax_scale

data = load_breast_cancer()
x, y, bounds = minmax_scale(data.data)[:, [7, 20, 22, 27]], data.target, (0, 1)
weights = [0.28, 0.61, 0.01, 0.09, -1.81, 1.68, -2.93, 0.38, -0.52, -0.9, -0.56, 0.69]

features, ansatz = zz_feature_map(4, reps=1), real_amplitudes(4, reps=2)
qnn = EstimatorQNN(
    circuit=features.compose(ansatz),
    observables=SparsePauliOp("IIIZ"),  # positive for benign, class 1
    input_params=features.parameters,
    weight_params=ansatz.parameters,
)

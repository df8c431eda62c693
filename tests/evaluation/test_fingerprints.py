import pytest
import torch
from torch import nn

from counterspin.circuits import PauliExpectations, reuploading
from counterspin.evaluation.fingerprints import model_digest, run_key, tensors_digest
from counterspin.models import QuantumClassifier, SampledModel
from counterspin.noise import NoiseModel
from counterspin.types import Box


class Linear(nn.Module):
    def __init__(self, weight: torch.Tensor, power: int = 1, stochastic: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.power, self.stochastic = power, stochastic
        self.bounds, self.classes, self.outputs = Box.uniform(0.0, 1.0, weight.shape[1]), weight.shape[0], "logits"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = (x @ self.weight.to(x.dtype).T) ** self.power
        return scores + torch.rand_like(scores) if self.stochastic else scores


def test_key_ignores_order_and_sees_every_value():
    config = {"threat": {"eps": (0.1, 0.2), "norm": "l2"}, "seed": 0}
    key = run_key(config)
    assert key == run_key({"seed": 0, "threat": {"norm": "l2", "eps": [0.1, 0.2]}})
    assert key != run_key({"threat": {"eps": (0.1, 0.2000000001), "norm": "l2"}, "seed": 0})
    assert len(key) == 64
    assert int(key, 16) > 0


def test_key_refuses_what_json_cannot_say():
    with pytest.raises(ValueError, match="JSON"):
        run_key({"eps": float("nan")})


def test_tensor_digest_sees_name_shape_dtype_and_value():
    x = torch.arange(6.0)
    variants = [{"x": x}, {"y": x}, {"x": x.reshape(2, 3)}, {"x": x.double()}, {"x": x + 1}, {"x": x, "y": x}, {}]
    assert len({tensors_digest(v) for v in variants}) == len(variants)
    assert tensors_digest({"x": x.reshape(2, 3).T}) == tensors_digest({"x": x.reshape(2, 3).T.contiguous()})
    assert tensors_digest({"flag": torch.tensor(True)}) != tensors_digest({"flag": torch.tensor(False)})


def test_model_digest_sees_weights_and_behaviour():
    x = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    weight = torch.rand(2, 3, generator=torch.Generator().manual_seed(1))
    digest = model_digest(Linear(weight), x)
    assert digest == model_digest(Linear(weight.clone()), x)
    assert digest != model_digest(Linear(weight + 0.01), x)
    assert digest != model_digest(Linear(weight, power=2), x)


def test_model_digest_of_a_stochastic_model_repeats():
    x = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    model = Linear(torch.eye(3), stochastic=True)
    assert model_digest(model, x) == model_digest(model, x)


def test_model_digest_sees_the_box():
    x = torch.rand(5, 3, generator=torch.Generator().manual_seed(0))
    narrow, wide = Linear(torch.eye(3)), Linear(torch.eye(3))
    wide.bounds = Box.uniform(0.0, 2.0, 3)
    assert model_digest(narrow, x) != model_digest(wide, x)


def test_model_digest_sees_shots_noise_and_circuit_of_a_sampled_model():
    def sampled(shots=100, scale=1.0, noise=None):
        box = Box.uniform(0.0, 1.0, 2)
        circuit = reuploading(2, 1, scale=scale, trainable_scale=False)
        exact = QuantumClassifier(circuit, PauliExpectations.of("Z0", "Z1"), box, weights=torch.zeros(circuit.weights))
        return SampledModel(exact, shots=shots, noise=noise)

    x = torch.rand(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kinds = [sampled(), sampled(shots=10), sampled(scale=2.0), sampled(noise=NoiseModel(readout_flips=(0.1, 0.1)))]
    digests = [model_digest(model, x) for model in kinds]
    assert len(set(digests)) == len(kinds)
    assert digests == [model_digest(model, x) for model in kinds]

"""The check of `counterspin doctor`: it names the engine and the reason, and sees an engine that is wrong."""

import pytest
import torch
from compiled_engine import needs_kernel

from counterspin.cli import engine_check
from counterspin.cli.engine_check import engine_facts
from counterspin.simulation import engine_name, run
from counterspin.simulation.kernels import Kernel


def test_the_engine_that_runs_here() -> None:
    facts = engine_facts()
    name = facts["name"] if facts["variant"] is None else f"{facts['name']} ({facts['variant']})"
    assert name == engine_name()
    assert facts["threads"] == torch.get_num_threads()
    assert facts["correct"]
    assert facts["error"] <= 1e-5
    assert facts["advice"] is None


@needs_kernel
@pytest.mark.parametrize(
    ("variant", "reason"), [("v4", "has AVX-512"), ("v3", "has AVX2 but no AVX-512"), ("default", "no wider registers")]
)
def test_why_it_is_compiled(monkeypatch, variant, reason) -> None:
    monkeypatch.setattr(engine_check, "kernel", lambda: Kernel(engine_check.load_library(), variant))
    facts = engine_facts()
    assert facts["variant"] == variant
    assert reason in facts["why"]


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (FileNotFoundError("not there"), "was not built: install a C compiler such as gcc, then run pip install"),
        (OSError("not an ELF file"), "cannot be loaded (not an ELF file): run pip install"),
    ],
)
def test_why_it_is_torch(monkeypatch, failure, reason) -> None:
    def load() -> None:
        raise failure

    monkeypatch.setattr(engine_check, "load_library", load)
    facts = engine_facts()
    assert (facts["name"], facts["variant"], facts["correct"]) == ("torch", None, True)
    assert reason in facts["why"]
    assert "--force-reinstall" in facts["why"]


def shifted(engines: tuple[str, ...], dtype: torch.dtype, by: float, entangled: bool):
    """`run` with an error in one precision of some engines, of all circuits or only of the entangled one."""

    def wrong(circuit, inputs, *arguments, engine):
        values = run(circuit, inputs, *arguments, engine=engine)
        return values + by if engine in engines and inputs.dtype == dtype and circuit.qubits > entangled else values

    return wrong


@needs_kernel
@pytest.mark.parametrize(
    ("engines", "dtype", "by", "entangled", "advice"),
    [
        (("compiled",), torch.float32, 1e-4, False, "reinstall counterspin"),
        (("compiled",), torch.float64, 1e-8, True, "reinstall counterspin"),
        (("torch", "compiled"), torch.float64, 1e-8, False, "reinstall torch"),
    ],
)
def test_an_error_is_seen(monkeypatch, engines, dtype, by, entangled, advice) -> None:
    monkeypatch.setattr(engine_check, "run", shifted(engines, dtype, by, entangled))
    facts = engine_facts()
    assert not facts["correct"]
    assert facts["error"] == pytest.approx(by, rel=0.1)
    assert facts["advice"] == advice


@needs_kernel
def test_a_wrong_gradient_is_seen(monkeypatch) -> None:
    def wrong(circuit, inputs, weights, readout, *, engine):
        scaled = inputs if engine == "torch" else inputs.detach() + 1.001 * (inputs - inputs.detach())
        return run(circuit, scaled, weights, readout, engine=engine)

    monkeypatch.setattr(engine_check, "run", wrong)
    assert engine_facts()["advice"] == "reinstall counterspin"

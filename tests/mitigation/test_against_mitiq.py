"""The same circuits mitigated by mitiq 1.1, whose executor calls this simulator."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch

from counterspin.circuits import Circuit, PauliExpectations, Readout
from counterspin.mitigation.decoupling import SEQUENCES, gaps
from counterspin.mitigation.extrapolation import Exponential, Extrapolation, Polynomial, Richardson
from counterspin.mitigation.folding import fold_global, fold_local
from counterspin.mitigation.pec import PEC
from counterspin.mitigation.twirling import Twirling, word_behind
from counterspin.mitigation.values import mitigated_values
from counterspin.mitigation.zne import ZNE
from counterspin.noise import GateRule, NoiseModel, depolarizing, overrotation, zz_crosstalk
from counterspin.simulation import run

pytestmark = pytest.mark.slow

FIRST = PauliExpectations.of("Z0 Z1")
NOTHING = torch.zeros(1, 0, dtype=torch.float64), torch.zeros(0, dtype=torch.float64)
LETTERS = "IXYZ"


def small_circuit() -> Circuit:
    return (
        Circuit(2)
        .add("H", 0)
        .add("CNOT", (0, 1))
        .add("RX", 1, 0.7)
        .add("RX", 0, -0.4)
        .add("CNOT", (1, 0))
        .add("H", 1)
        .add("RX", 1, 0.3)
    )


def to_cirq(circuit: Circuit) -> Any:
    import cirq

    kinds = {"H": cirq.H, "CNOT": cirq.CNOT, "X": cirq.X, "Y": cirq.Y, "Z": cirq.Z}
    lines = cirq.LineQubit.range(circuit.qubits)
    moments = []
    for gate in circuit.gates:
        made = cirq.rx(gate.angles[0].constant) if gate.kind == "RX" else kinds[gate.kind]  # type: ignore[union-attr]
        moments.append(cirq.Moment(made(*(lines[q] for q in gate.qubits))))
    return cirq.Circuit(moments)


def from_cirq(circuit: Any) -> Circuit:
    import cirq

    made = Circuit(2)
    for operation in circuit.all_operations():
        wires = tuple(qubit.x for qubit in operation.qubits)
        if isinstance(operation.gate, cirq.Rx):
            made = made.add("RX", wires, float(operation.gate._rads))
            continue
        for kind, gate in (("H", cirq.H), ("CNOT", cirq.CNOT), ("X", cirq.X), ("Y", cirq.Y), ("Z", cirq.Z)):
            same = cirq.num_qubits(gate) == len(wires)
            if same and cirq.equal_up_to_global_phase(cirq.unitary(operation), cirq.unitary(gate)):
                made = made.add(kind, wires)
                break
        else:
            raise AssertionError(f"{operation} is not known to this test")
    return made


def value(circuit: Circuit, noise: NoiseModel) -> float:
    return float(run(circuit, *NOTHING, Readout(FIRST), noise=noise))


@pytest.mark.parametrize("factor", [1.0, 1.4, 2.0, 2.6, 3.0, 3.7, 5.0, 6.1])
def test_folding_gives_as_many_gates(factor: float) -> None:
    from mitiq.zne import scaling

    circuit, theirs = small_circuit(), to_cirq(small_circuit())
    counts = [
        len(list(scaling.fold_global(theirs, factor).all_operations())),
        len(list(scaling.fold_gates_at_random(theirs, factor, seed=1).all_operations())),
    ]
    local = fold_local(circuit, factor, generator=torch.Generator().manual_seed(0)).circuit
    assert [len(fold_global(circuit, factor).circuit.gates), len(local.gates)] == counts


@pytest.mark.parametrize("factors", [(1.0, 3.0, 5.0), (1.0, 3.0, 5.0, 7.0)])
@pytest.mark.parametrize("fit", [Richardson(), Polynomial(), Polynomial(order=2), Exponential(asymptote=0.0)])
def test_zero_noise_values_agree(fit: Extrapolation, factors: tuple[float, ...]) -> None:
    from mitiq import zne
    from mitiq.zne import inference, scaling

    noise = NoiseModel(rules=(GateRule(channel=depolarizing(0.02), targets="each"),))
    factory = {
        "richardson": lambda: inference.RichardsonFactory(list(factors)),
        "linear": lambda: inference.LinearFactory(list(factors)),
        "polynomial of order 2": lambda: inference.PolyFactory(list(factors), order=2),
        "exponential": lambda: inference.ExpFactory(list(factors), asymptote=0.0),
    }[fit.name]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mitiq warns of fits without spare points
        for scale, amplification in ((scaling.fold_global, "global"), (scaling.fold_gates_at_random, "local")):
            theirs = zne.execute_with_zne(
                to_cirq(small_circuit()), lambda c: value(from_cirq(c), noise), factory=factory, scale_noise=scale
            )
            technique = ZNE(scale_factors=factors, extrapolation=fit, amplification=amplification)
            ours = mitigated_values(technique, small_circuit(), *NOTHING, FIRST, noise)
            assert float(ours) == pytest.approx(theirs, abs=1e-10)


def test_error_cancellation_agrees_in_one_norm_and_value() -> None:
    from mitiq import pec

    p, circuit = 0.03, small_circuit()
    representations = pec.represent_operations_in_circuit_with_local_depolarizing_noise(to_cirq(circuit), p)
    # mitiq counts the probability of an error word; the strength here is 4/3 of it. Paulis are ideal on both sides.
    rule = GateRule(channel=depolarizing(4 / 3 * p), kinds=("H", "CNOT", "RX"), targets="each")
    noise = NoiseModel(rules=(rule,))
    norms = [next(r.norm for r in representations if r.ideal == to_cirq(Circuit(2, (gate,)))) for gate in circuit.gates]
    assert PEC().one_norm(circuit, noise) == pytest.approx(math.prod(norms), abs=1e-12)
    ideal = value(circuit, NoiseModel())
    outcome: Any = pec.execute_with_pec(
        to_cirq(circuit),
        lambda c: value(from_cirq(c), noise),
        representations=representations,
        num_samples=250,
        random_state=1,
        full_output=True,
    )
    theirs, data = outcome
    assert abs(theirs - ideal) < 5 * data["pec_error"]
    ours = mitigated_values(PEC(samples=250), circuit, *NOTHING, FIRST, noise)
    assert abs(float(ours) - ideal) < 5 * data["pec_error"]
    assert abs(value(circuit, noise) - ideal) > 5 * data["pec_error"]
    assert float(mitigated_values(PEC(), circuit, *NOTHING, FIRST, noise)) == pytest.approx(ideal, abs=1e-10)


@pytest.mark.parametrize("kind", ["CNOT", "CZ"])
def test_twirled_words_agree(kind: str) -> None:
    from mitiq.pt import pt

    table = pt.CNOT_twirling_gates if kind == "CNOT" else pt.CZ_twirling_gates
    theirs = {tuple(LETTERS.index(str(gate)) for gate in row) for row in table}
    ours = {(a, b, *word_behind(kind, (a, b))) for a in range(4) for b in range(4)}
    assert theirs == ours


def test_twirled_values_agree_in_distribution() -> None:
    from mitiq.pt import pt

    circuit = small_circuit()
    rules = (
        GateRule(channel=zz_crosstalk(0.4), kinds=("CNOT",)),
        GateRule(channel=overrotation("X", 0.2), kinds=("H",)),
    )
    noise = NoiseModel(rules=rules)
    # The words are drawn from Python's global source, which mitiq offers no other way to seed.
    twirled = pt.twirl_CNOT_gates(to_cirq(circuit), 300)
    theirs = np.array([value(from_cirq(_without_identities(c)), noise) for c in twirled])
    variants = Twirling(samples=300).construct(circuit, noise)
    ours = np.array([float(run(v.circuit, *NOTHING, Readout(FIRST), noise=v.noise)) for v in variants])
    assert theirs.std() == pytest.approx(ours.std(), rel=0.3)
    assert abs(theirs.mean() - ours.mean()) < 5 * theirs.std() * math.sqrt(2 / 300)
    distinct = {round(v, 9) for v in theirs} | {round(v, 9) for v in ours}
    assert len(distinct) == len({round(v, 9) for v in ours})


@pytest.mark.parametrize(("sequence", "slack"), [("XX", 8), ("XX", 14), ("XY4", 9), ("XY4", 24)])
def test_even_gaps_are_those_of_mitiq(sequence: str, slack: int) -> None:
    from mitiq.ddd import rules

    made = {"XX": rules.xx, "XY4": rules.xyxy}[sequence](slack)
    letters = [str(operation.gate) for operation in made.all_operations()]
    pulses = SEQUENCES[sequence]
    waits = [len(part) for part in "".join(letters).replace("X", "|").replace("Y", "|").split("|")]
    assert "".join(letter for letter in letters if letter != "I") == pulses
    assert waits == [round(gap) for gap in gaps(float(slack - len(pulses)), len(pulses), "even")]


def _without_identities(circuit: Any) -> Any:
    import cirq

    return cirq.Circuit(op for op in circuit.all_operations() if not isinstance(op.gate, cirq.IdentityGate))

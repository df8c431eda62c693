import pytest

from counterspin.report import attacker
from counterspin.threats import L0, L1, L2, Group, Linf, QueryBudget, ThreatModel


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u202f", " ")


ONE_HOT = Group(features=(3, 4), values=((1, 0), (0, 1)))


@pytest.mark.parametrize(
    ("threat", "axis", "start"),
    [
        (L2(0.1, units="relative"), "ε (share of ‖x‖, L2)", "At ε = 0.1 (share of ‖x‖, L2)"),
        (Linf(0.1), "ε (feature units, L∞)", "At ε = 0.1 (feature units, L∞)"),
        (L1(0.1), "ε (feature units, L1)", "At ε = 0.1 (feature units, L1)"),
        (L0(1), "ε (changed features, L0)", "With at most 1 changed feature (L0)"),
        (L0(2), "ε (changed features, L0)", "With at most 2 changed features (L0)"),
        (
            L0(2, groups=(ONE_HOT,)),
            "ε (changed features or groups, L0)",
            "With at most 2 changed features or groups (L0)",
        ),
    ],
)
def test_units_fit_the_norm(threat: ThreatModel, axis: str, start: str) -> None:
    said = threat.to_json()
    assert attacker.eps_axis(said) == axis
    assert plain(attacker.budget_words(said, threat.eps[0])) == start


def test_distances_fit_the_norm() -> None:
    assert attacker.distance_words(L2(0.1).to_json(), 0.31) == "L2 distance 0.31 in feature units"
    assert attacker.distance_words(L0(3).to_json(), 1.0) == "1 changed feature"


def test_every_limit_is_said() -> None:
    threat = L0(
        2,
        mask=(True, False, True, True, True, True, True),
        groups=(Group(features=(0,), values=((0,), (1,))), ONE_HOT),
        tied=((5, 6),),
        budget=QueryBudget(queries=1500, shots=20),
        target=3,
    )
    assert [plain(s) for s in attacker.attacker_sentences(threat.to_json(), ("url", "ip"))] == [
        "6 of 7 features may change: url, x2, x3, x4, x5, x6.",
        "Discrete values: 1 feature takes listed values only (url).",
        "Only listed combinations of values within 1 group (x3, x4).",
        "Moved by the same amount: x5, x6.",
        "At most 1 500 queries and 20 shots per sample and ε.",
        "Only a change to class 3 counts.",
        "Adversarial inputs stay in the range of the data.",
    ]


def test_an_old_record_has_no_limits_to_tell() -> None:
    old = {"norm": "l2", "eps": [0.1], "units": "feature", "box": "none", "target": None}
    assert attacker.attacker_sentences(old) == ["Adversarial inputs may leave the range of the data."]


def test_long_lists_are_cut() -> None:
    groups = tuple(Group(features=(2 * i, 2 * i + 1), values=((0, 1), (1, 0))) for i in range(20))
    said = attacker.attacker_sentences(Linf(0.1, mask=(True,) * 40, groups=groups).to_json())
    assert said[0].endswith("x10, x11 and 28 more.")
    assert said[1].endswith("x6, x7; 16 more).")

"""The sequential verdict: its error rate at and near the boundary, its bounds, its price."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom
from small_models import Votes, one_qubit

from counterspin.attacks.sequential import Status, sequential_verdict
from counterspin.errors import InputError, UsageError
from counterspin.models.sampled import SampledModel
from counterspin.types import Cost

SAMPLES = 2000
# Rate of errors in SAMPLES verdicts that a true rate of 5 % exceeds with probability 1e-4.
WORST = binom.isf(1e-4, SAMPLES, 0.05) / SAMPLES


def verdict(p, y=0, **settings):
    """Verdicts on SAMPLES samples with the same class probabilities."""
    votes = Votes([p] * SAMPLES, seed=settings.pop("seed", 0))
    labels = torch.full((SAMPLES,), y)
    target = settings.pop("target", None)
    target = None if target is None else torch.full((SAMPLES,), target)
    return sequential_verdict(votes, votes.x, labels, target, **settings)


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("p", "wrong"),
    [
        ([0.5, 0.5], (Status.ROBUST, Status.ADVERSARIAL)),
        ([0.2] * 5, (Status.ROBUST, Status.ADVERSARIAL)),
        ([0.45, 0.45, 0.1], (Status.ROBUST, Status.ADVERSARIAL)),
        ([0.505, 0.495], (Status.ADVERSARIAL,)),
        ([0.495, 0.505], (Status.ROBUST,)),
        ([0.21, 0.2, 0.2, 0.2, 0.19], (Status.ADVERSARIAL,)),
    ],
    ids=["tie of 2", "tie of 5", "tie of 2 in 3", "just robust", "just adversarial", "just robust of 5"],
)
def test_errors_at_the_boundary_stay_below_their_bound(p, wrong):
    found = verdict(p, max_calls=128)
    errors = sum((found.status == status).double().mean().item() for status in wrong)
    assert errors <= WORST


def test_the_bound_is_used_and_not_only_kept():
    # A tie of two classes: at 80 % confidence 20 % of the verdicts may err; a test that hardly ever does is too shy.
    rate = (verdict([0.5, 0.5], confidence=0.8, max_calls=128).status != Status.UNDECIDED).double().mean()
    assert 0.04 < rate <= binom.isf(1e-4, SAMPLES, 0.2) / SAMPLES


@pytest.mark.one_fast
@pytest.mark.parametrize("p", [[0.5, 0.5], [0.35, 0.3, 0.2, 0.15], [0.3, 0.35, 0.2, 0.15]])
def test_intervals_hold_the_truth_in_the_round_where_they_stop(p):
    found = verdict(p, max_calls=128)
    theta = p[0] / (p[0] + max(p[1:]))
    missed = ((found.lower > theta) | (found.upper < theta)).double().mean()
    assert missed <= WORST


@pytest.mark.one_fast(3)
@pytest.mark.parametrize(
    ("p", "status"),
    [
        ([0.7, 0.3], "ROBUST"),
        ([0.3, 0.7], "ADVERSARIAL"),
        ([0.4, 0.2, 0.2, 0.2], "ROBUST"),
        ([0.0, 1.0], "ADVERSARIAL"),
    ],
)
def test_clear_cases_are_decided(p, status):
    found = verdict(p, max_calls=1024)
    assert (found.status == Status[status]).double().mean() > 0.95
    assert {"ROBUST": found.robust, "ADVERSARIAL": found.adversarial}[status].equal(found.status == Status[status])


@pytest.mark.slow
def test_a_plurality_below_one_half_is_robust():
    assert verdict([0.4, 0.15, 0.15, 0.15, 0.15]).robust.double().mean() > 0.95


@pytest.mark.one_fast
@pytest.mark.parametrize(
    ("p", "status"),
    [([0.3, 0.6, 0.1], Status.ADVERSARIAL), ([0.6, 0.3, 0.1], Status.ROBUST), ([0.1, 0.3, 0.6], Status.ROBUST)],
    ids=["target leads", "true class leads", "a third class leads"],
)
def test_a_target_is_reached_only_if_it_beats_every_class(p, status):
    found = verdict(p, target=1)
    assert (found.status == status).double().mean() > 0.95


def test_errors_with_a_target_stay_below_their_bound():
    found = verdict([0.45, 0.45, 0.1], target=1, max_calls=128)
    assert (found.status != Status.UNDECIDED).double().mean() <= WORST


def test_sampling_stops_where_it_is_decided_and_counts_what_it_spent():
    votes = Votes([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    found = sequential_verdict(votes, votes.x, torch.zeros(3).long(), max_calls=100, confidence=0.999)
    assert found.calls.tolist() == [16, 16, 100]
    assert votes.rows == 132
    assert torch.equal(found.counts.sum(dim=1), found.calls)
    assert found.cost == Cost(forwards=132, circuits=132, shots=3 * 132)
    assert found.status.tolist() == [Status.ROBUST, Status.ADVERSARIAL, Status.UNDECIDED]
    assert found.undecided.tolist() == [False, False, True]


def test_the_bounds_are_clopper_pearson_against_the_strongest_rival():
    p = [[0.6, 0.3, 0.1]]
    votes = Votes(p, seed=4)
    found = sequential_verdict(votes, votes.x, torch.tensor([0]), max_calls=12, confidence=0.9)
    own, *rivals = found.counts[0].tolist()
    # One round: 5 % for each end, the upper one shared by two rivals.
    low = min(beta.ppf(0.05, own, n + 1) for n in rivals)
    high = min(beta.ppf(1 - 0.025, own + 1, n) for n in rivals if n)
    assert found.lower.item() == pytest.approx(low, abs=1e-12)
    assert found.upper.item() == pytest.approx(high, abs=1e-12)


def test_ties_of_one_call_count_against_the_true_class():
    # Two shots of an even coin: half of the calls end in a tie, which counts as class 1 when the truth is 0.
    model, x = SampledModel(one_qubit(), shots=2), torch.full((1, 1), 0.5)
    found = sequential_verdict(model, x, torch.tensor([0]), max_calls=64)
    assert found.adversarial.all()
    found = sequential_verdict(model, x, torch.tensor([1]), max_calls=64)
    assert found.adversarial.all()
    # ... and for the target.
    found = sequential_verdict(model, x, torch.tensor([0]), torch.tensor([1]), max_calls=64)
    assert found.adversarial.all()


@pytest.mark.parametrize(("x", "status"), [(0.35, Status.ROBUST), (0.65, Status.ADVERSARIAL)])
def test_one_qubit_read_with_shots(x, status):
    shots = 9
    model = SampledModel(one_qubit(), shots=shots)
    found = sequential_verdict(model, torch.full((50, 1), x), torch.zeros(50).long(), max_calls=4096)
    assert (found.status == status).all()
    # The share of class 0 is the binomial tail of a majority of zeros.
    tail = binom.sf(shots // 2, shots, math.cos(math.pi * x / 2) ** 2)
    share, n = (found.counts[:, 0].sum() / found.calls.sum()).item(), int(found.calls.sum())
    assert abs(share - tail) < 5 * math.sqrt(tail * (1 - tail) / n)
    assert found.cost.shots == n * shots


@pytest.mark.slow
def test_a_generator_repeats_the_verdict_and_leaves_the_model_alone(seeded):
    model, x = SampledModel(one_qubit(), shots=3), torch.tensor([[0.45], [0.55]])
    y = torch.tensor([0, 0])
    runs = [sequential_verdict(model, x, y, max_calls=48, generator=seeded(s)).counts for s in (1, 1, 2)]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])
    assert torch.equal(model(x.double()), model.seeded(0)(x.double()))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.05, 1.0), min_size=2, max_size=4), st.integers(1, 80), st.integers(0, 100))
def test_whatever_is_drawn_the_parts_agree(weights, max_calls, seed):
    votes = Votes([weights] * 5, seed=seed)
    y = torch.arange(5) % len(weights)
    found = sequential_verdict(votes, votes.x, y, max_calls=max_calls)
    assert bool((found.lower <= found.upper).all())
    assert torch.equal(found.robust, found.lower > 0.5)
    assert torch.equal(found.adversarial, found.upper < 0.5)
    assert bool((found.calls <= max_calls).all())
    assert found.undecided.logical_not().logical_or(found.calls == max_calls).all()


def test_a_deterministic_model_is_decided_at_once(cosine):
    x = torch.tensor([[0.2], [0.8]])
    found = sequential_verdict(cosine(2), x, torch.tensor([0, 0]))
    assert found.status.tolist() == [Status.ROBUST, Status.ADVERSARIAL]
    assert found.calls.tolist() == [16, 16]


def test_the_worst_of_several_verdicts_is_their_maximum():
    assert Status.ROBUST < Status.UNDECIDED < Status.ADVERSARIAL


def test_bad_arguments_are_refused():
    votes = Votes([[0.5, 0.5]])
    y = torch.tensor([0])
    for confidence in (0.0, 1.0, math.nan):
        with pytest.raises(UsageError, match="confidence"):
            sequential_verdict(votes, votes.x, y, confidence=confidence)
    with pytest.raises(UsageError, match="max_calls"):
        sequential_verdict(votes, votes.x, y, max_calls=0)
    with pytest.raises(InputError, match="label"):
        sequential_verdict(votes, votes.x, torch.tensor([2]))
    assert votes.rows == 0

"""From raw values to class scores: every kind against its definition, and what is refused."""

import pytest
import torch

from counterspin.errors import ModelError, UsageError
from counterspin.models.integrations.scores import ScoreMap, score_map

P = torch.tensor([[0.2], [0.7]], dtype=torch.float64)
V = torch.tensor([[-0.4], [0.9]], dtype=torch.float64)


@pytest.mark.parametrize("above", [0, 1, None])
@pytest.mark.parametrize("threshold", [None, 0.25])
def test_a_single_value_decides_at_its_threshold(above, threshold):
    found = score_map(V, "expectations", above=above, threshold=threshold)
    scores, middle = found(V), threshold or 0.0
    winner = 0 if above == 0 else 1
    torch.testing.assert_close(scores[:, winner] - scores[:, 1 - winner], V[:, 0] - middle, rtol=0, atol=1e-15)
    torch.testing.assert_close(scores.sum(dim=1), torch.zeros(2, dtype=torch.float64), rtol=0, atol=1e-15)
    assert (found.classes, found.outputs) == (2, "logits")


@pytest.mark.parametrize("above", [0, 1])
def test_a_probability_and_its_complement(above):
    found = score_map(P, "probabilities", above=above)
    scores = found(P)
    torch.testing.assert_close(scores[:, above], P[:, 0])
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(2, dtype=torch.float64))
    assert found.outputs == "probabilities"


def test_a_probability_with_another_threshold_is_a_logit():
    found = score_map(P, "probabilities", threshold=0.3)
    assert found.outputs == "logits"
    assert found(torch.tensor([[0.299], [0.301]])).argmax(dim=1).tolist() == [0, 1]


def test_labels_are_one_hot():
    found = score_map(torch.tensor([[0.0], [2.0]]), "labels")
    assert (found.classes, found.differentiable) == (3, False)
    assert found(torch.tensor([[1.0]])).tolist() == [[0.0, 1.0, 0.0]]
    assert score_map(torch.zeros(2, 1), "labels").classes == 2
    for bad in (-1.0, 3.0, 0.5):
        with pytest.raises(ModelError, match=r"label .* labels 0 to 2"):
            found(torch.tensor([[bad]]))


@pytest.mark.parametrize(
    ("rows", "said", "outputs"),
    [
        ([[0.2, 0.8], [0.5, 0.5]], "probabilities", "probabilities"),
        ([[0.2, 0.7], [0.5, 0.5]], "probabilities", "logits"),
        ([[-1.0, 1.0]], "expectations", "expectations"),
        ([[-1.5, 1.0]], "expectations", "logits"),
        ([[0.2, 0.8]], "logits", "logits"),
    ],
)
def test_several_values_stay_and_are_called_what_they_are(rows, said, outputs):
    raw = torch.tensor(rows)
    found = score_map(raw, said)
    assert torch.equal(found(raw), raw)
    assert found.outputs == outputs
    assert found.linear() is None


@pytest.mark.parametrize(
    "options",
    [{"above": 0}, {"threshold": 0.2}, {"outputs": "probabilities"}, {"outputs": "probabilities", "above": 0}],
)
def test_the_linear_head_is_the_map(options):
    found = score_map(P, "expectations", **options)
    head = found.linear()
    torch.testing.assert_close(P @ head.weight.T + head.bias, found(P), rtol=0, atol=1e-15)
    assert found(P.float()).dtype == torch.float32


def test_refusals():
    with pytest.raises(ModelError, match="3 values per sample and classes is 2"):
        score_map(torch.zeros(2, 3), "logits", classes=2)
    with pytest.raises(ModelError, match="decides 2 classes; classes is 3"):
        score_map(V, "logits", classes=3)
    with pytest.raises(ModelError, match="outputs='logits'"):
        score_map(V, "probabilities")
    with pytest.raises(UsageError, match="above is 2"):
        score_map(V, "logits", above=2)
    for raw, values in ((torch.zeros(2, 3), "logits"), (torch.zeros(2, 1), "labels")):
        with pytest.raises(UsageError, match="above and threshold are for a model with a single output"):
            score_map(raw, values, threshold=0.1)
    with pytest.raises(ModelError, match="2 labels per sample"):
        score_map(torch.zeros(2, 2), "labels")
    with pytest.raises(ModelError, match=r"returned \(2, 0\)"):
        score_map(torch.zeros(2, 0), "logits")
    with pytest.raises(ModelError, match="it returned 1 values per sample when it was wrapped"):
        score_map(V, "logits")(torch.zeros(2, 2))
    labels = ScoreMap(values="labels", count=1, classes=2, outputs="logits")
    with pytest.raises(ModelError, match="can be wrapped only"):
        labels.linear()


@pytest.mark.parametrize(
    ("labels", "message"),
    [([1, 2, 3], "labels 1 to 3 .* never 0: .* subtract 1"), ([-1, 1], "labels from -1 to 1; number the classes")],
)
def test_labels_that_are_not_numbered_from_0_are_named(labels, message):
    raw = torch.tensor(labels, dtype=torch.float64)[:, None]
    with pytest.raises(ModelError, match=message):
        score_map(raw, "labels")


def test_class_0_need_not_occur_among_the_samples():
    assert score_map(torch.tensor([[1.0], [2.0]]), "labels", classes=3).classes == 3
    assert score_map(torch.tensor([[1.0], [1.0]]), "labels").classes == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": "scores"}, "outputs is 'scores'; allowed: logits"),
        ({"threshold": float("nan")}, "threshold is nan"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        # Users run without the type checks of these tests, which would come first.
        getattr(score_map, "__wrapped__", score_map)(V, "logits", **options)

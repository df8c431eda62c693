import math

import numpy as np
import pytest
import torch

from counterspin.errors import InputError
from counterspin.evaluation.statistics import bootstrap_interval, clopper_pearson, measured_mean, measured_median


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_mean_interval_is_the_normal_one_for_many_samples():
    values = torch.randn(2000, generator=seeded(1), dtype=torch.float64)
    mean = measured_mean(values, generator=seeded())
    half = 1.96 * float(values.std()) / math.sqrt(2000)
    assert mean.value == pytest.approx(float(values.mean()), abs=1e-12)
    assert mean.low == pytest.approx(mean.value - half, abs=0.1 * half)
    assert mean.high == pytest.approx(mean.value + half, abs=0.1 * half)


@pytest.mark.parametrize("n", [1, 4, 5, 40])
def test_median_equals_numpy(n):
    values = torch.rand(n, generator=seeded(n), dtype=torch.float64)
    median = measured_median(values, generator=seeded())
    assert median is not None
    assert median.value == pytest.approx(np.median(values.numpy()), abs=1e-15)
    assert float(values.min()) <= median.low <= median.value <= median.high <= float(values.max())


@pytest.mark.slow
def test_median_interval_covers_as_often_as_it_says():
    rng, hits, trials = seeded(3), 0, 200
    for _ in range(trials):
        median = measured_median(torch.rand(60, generator=rng, dtype=torch.float64), generator=rng)
        assert median is not None
        hits += median.low <= 0.5 <= median.high
    assert clopper_pearson(hits, trials)[1] >= 0.92
    assert hits / trials < 1.0


def test_median_with_unflippable_samples_is_finite_or_none():
    few = torch.tensor([1.0] * 40 + [math.inf])
    assert measured_median(few, generator=seeded()).high == 1.0
    assert measured_median(torch.tensor([1.0, math.inf, math.inf]), generator=seeded()) is None


def test_bootstrap_is_reproducible_and_independent_of_chunks(monkeypatch):
    values = torch.rand(50, generator=seeded(2), dtype=torch.float64)
    first = bootstrap_interval(values, lambda draws: draws.mean(-1), generator=seeded(7))
    monkeypatch.setattr("counterspin.evaluation.statistics.resampling._CHUNK", 5000)
    assert bootstrap_interval(values, lambda draws: draws.mean(-1), generator=seeded(7)) == first
    assert bootstrap_interval(values, lambda draws: draws.mean(-1), generator=seeded(8)) != first


def test_nothing_or_nan_is_refused():
    for values in (torch.zeros(0), torch.tensor([1.0, math.nan]), torch.zeros(2, 2)):
        with pytest.raises(InputError):
            measured_median(values, generator=seeded())
    with pytest.raises(InputError, match="infinite"):
        measured_mean(torch.tensor([1.0, math.inf]), generator=seeded())

import base64
import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from counterspin.report import images
from counterspin.report.samples import Example, ReportSamples


def pixels(address: str) -> np.ndarray:
    prefix, data = address.split(",", 1)
    assert prefix == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_grey_runs_from_black_to_white() -> None:
    assert pixels(images.grey_png(np.array([[0.0, 0.5], [1.0, 2.0]]), 0.0, 1.0)).tolist() == [[0, 128], [255, 255]]


def test_constant_images_are_drawn() -> None:
    assert pixels(images.grey_png(np.full((2, 3), 4.0), 4.0, 4.0)).tolist() == [[0] * 3] * 2


def test_diverging_ends_and_middle() -> None:
    blue, white, red = pixels(images.diverging_png(np.array([[-0.2, 0.0, 0.2]]), 0.2))[0].tolist()
    assert (blue, white, red) == ([33, 102, 172], [247, 247, 247], [178, 24, 43])


@given(st.floats(-1.0, 1.0))
def test_diverging_sign_and_symmetry(value: float) -> None:
    red, _, blue = pixels(images.diverging_png(np.array([[value]]), 1.0))[0, 0].tolist()
    assert (blue >= red) if value <= 0 else (red >= blue)


def test_no_perturbation_is_white() -> None:
    assert np.unique(pixels(images.diverging_png(np.zeros((2, 2)), 0.0))).tolist() == [247]


def test_gallery_shares_one_grey_scale(gallery_of) -> None:
    samples = gallery_of()
    pictures, (low, high) = images.gallery(samples)
    everything = torch.stack([x for e in samples.examples for x in (e.x, e.x_adv)])
    assert (low, high) == (everything.min().item(), everything.max().item())
    assert len(pictures) == 6
    first = pictures[0]
    assert pixels(first.clean).shape == pixels(first.adversarial).shape == (8, 8)
    assert pixels(first.change).shape == (8, 8, 3)
    change = (first.example.x_adv - first.example.x).abs()
    assert first.scale == change.max().item()
    strongest = np.unravel_index(int(change.argmax()), (8, 8))
    assert pixels(first.change)[strongest].tolist() in ([33, 102, 172], [178, 24, 43])


def test_gallery_of_plain_features_lists_the_largest_changes() -> None:
    x = torch.zeros(12, dtype=torch.float64)
    x_adv = torch.arange(12, dtype=torch.float64) * torch.tensor([1.0, -1.0]).repeat(6)
    example = Example(
        x=x, x_adv=x_adv, label=0, prediction=0, prediction_adv=1, eps=1.0, distance=11.0, attack="pgd", sample=5
    )
    samples = ReportSamples(
        examples=(example,), class_names=("a", "b"), feature_names=tuple(f"f{i}" for i in range(12)), image_shape=None
    )
    (picture,), _ = images.gallery(samples)
    assert [row.name for row in picture.rows] == [f"f{i}" for i in range(11, 1, -1)]
    assert picture.hidden == 2
    assert (picture.rows[0].change, picture.rows[0].share) == (-11.0, 1.0)
    assert picture.rows[-1].share == pytest.approx(2 / 11)
    assert picture.clean == ""


def test_empty_gallery() -> None:
    assert images.gallery(ReportSamples()) == ((), (0.0, 1.0))

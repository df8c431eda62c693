"""The gallery: inputs and perturbations as small pictures, or as tables where the features are no pixels."""

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from counterspin.report.samples import Example, ReportSamples

__all__ = ["FeatureRow", "Picture", "diverging_png", "features_table", "gallery", "grey_png"]

# Blue - white - red, safe for colour-blind readers: negative, zero, positive.
_NEGATIVE, _ZERO, _POSITIVE = (np.array(c, dtype=np.float64) for c in ((33, 102, 172), (247, 247, 247), (178, 24, 43)))
TABLE_ROWS = 10


@dataclass(frozen=True, kw_only=True)
class FeatureRow:
    """One feature of an example: its value before and after, and the change as a share of the largest change."""

    name: str
    clean: float
    adversarial: float
    change: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One entry of the gallery.

    Args:
        example: what is shown.
        scale: largest absolute change of a feature; the ends of the perturbation's colour scale.
        clean: clean input as PNG data address; empty where features are no pixels, as are the next two.
        change: perturbation.
        adversarial: adversarial input.
        rows: the features that changed most, largest first; empty for images.
        hidden: number of features not in `rows`.
    """

    example: Example
    scale: float
    clean: str = ""
    change: str = ""
    adversarial: str = ""
    rows: tuple[FeatureRow, ...] = ()
    hidden: int = 0


def _data_address(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def grey_png(values: np.ndarray, low: float, high: float) -> str:
    """An image `(rows, columns)` in grey, black at `low` and white at `high`, one pixel a feature."""
    span = high - low if high > low else 1.0
    grey = np.clip((values - low) / span, 0.0, 1.0)
    return _data_address(np.rint(255 * grey).astype(np.uint8))


def diverging_png(values: np.ndarray, scale: float) -> str:
    """A perturbation `(rows, columns)` from blue (`-scale`) over white (0) to red (`+scale`), one pixel a feature."""
    part = np.clip(values / scale, -1.0, 1.0)[..., None] if scale > 0 else np.zeros((*values.shape, 1))
    end = np.where(part < 0, _NEGATIVE, _POSITIVE)
    return _data_address(np.rint(_ZERO + np.abs(part) * (end - _ZERO)).astype(np.uint8))


def features_table(example: Example, names: tuple[str, ...]) -> tuple[FeatureRow, ...]:
    """The features an attack changed most, at most 10, largest change first."""
    clean, adversarial = _numpy(example.x), _numpy(example.x_adv)
    change = adversarial - clean
    scale = float(np.abs(change).max(initial=0.0)) or 1.0
    return tuple(
        FeatureRow(
            name=names[i],
            clean=float(clean[i]),
            adversarial=float(adversarial[i]),
            change=float(change[i]),
            share=float(abs(change[i]) / scale),
        )
        for i in np.argsort(-np.abs(change), kind="stable")[:TABLE_ROWS]
    )


def _numpy(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()


def gallery(samples: ReportSamples) -> tuple[tuple[Picture, ...], tuple[float, float]]:
    """The pictures and the values that black and white stand for.

    One grey scale serves clean and adversarial inputs of all examples, so that they can be compared and nothing that
    left the box is cut off.
    """
    values = [_numpy(x) for example in samples.examples for x in (example.x, example.x_adv)]
    low, high = (float(min(v.min() for v in values)), float(max(v.max() for v in values))) if values else (0.0, 1.0)
    pictures = []
    for example in samples.examples:
        change = _numpy(example.x_adv) - _numpy(example.x)
        scale = float(np.abs(change).max(initial=0.0))
        if samples.image_shape is None:
            rows = features_table(example, samples.feature_names)
            pictures.append(Picture(example=example, scale=scale, rows=rows, hidden=len(change) - len(rows)))
            continue
        shape = samples.image_shape
        pictures.append(
            Picture(
                example=example,
                scale=scale,
                clean=grey_png(_numpy(example.x).reshape(shape), low, high),
                change=diverging_png(change.reshape(shape), scale),
                adversarial=grey_png(_numpy(example.x_adv).reshape(shape), low, high),
            )
        )
    return tuple(pictures), (low, high)

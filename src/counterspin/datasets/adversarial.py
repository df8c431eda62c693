"""Adversarial inputs of an audit as a data set: to test another model, or to train a detector.

A set is a directory written by `counterspin export-adversarials`:

    card.json                  where it comes from: model, threat, attacks, run, hashes, licence
    adversarials.safetensors   x (n, d), y (n,), correct (n,), eps (b,), eps_index (b,), x_adv (b, n, d), and
                               success, distance, attack (b, n)
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from torch import Tensor

from counterspin.datasets.dataset import Dataset, Split
from counterspin.datasets.splits import stratified_splits
from counterspin.errors import InputError, UsageError
from counterspin.types import Box

__all__ = ["CARD", "FORMAT", "TENSORS", "load_adversarials", "read_card"]

FORMAT = 1
CARD, TENSORS = "card.json", "adversarials.safetensors"

_WHICH = ("broken", "all", "clean", "detector")

_KEYS = ("format", "name", "classes", "class_names", "feature_names", "image_shape", "bounds", "eps", "tensors_sha256")
_DETECTOR_TEST, _DETECTOR_LEAST = 0.3, 20


def load_adversarials(path: str | Path, which: str = "broken", *, eps: float | None = None, seed: int = 0) -> Dataset:
    """The adversarial inputs of one budget as a `Dataset`.

    `"broken"`: the inputs that broke the attacked model, with their true labels; `"clean"`: the inputs they came from;
    `"all"`: every sample, its adversarial input where there is one and the best attempt elsewhere. These three have a
    test split only, train and validation are empty. `"detector"`: clean (class 0) and adversarial (class 1) versions of
    the broken samples in three splits; both versions of a sample are in the same one.

    Args:
        path: the directory.
        which: what to load.
        eps: one of the exported budgets; None: the largest.
        seed: decides the splits of `"detector"`.

    Raises:
        UsageError: an unknown `which`, or a budget that was not exported.
        InputError: a set that is missing, damaged or of another format, or that holds too few broken samples.
    """
    if which not in _WHICH:
        raise UsageError(f"which is {which!r}; allowed: {', '.join(_WHICH)}.")
    path = Path(path)
    card = read_card(path)
    tensors = _read_tensors(path, card)
    place = _place(card["eps"], eps, path)
    x, x_adv, y = tensors["x"], tensors["x_adv"][place], tensors["y"]
    broken = tensors["success"][place]
    kept = torch.ones_like(broken) if which == "all" else broken
    if not bool(kept.any()):
        raise InputError(
            f"{path} holds no broken sample at eps {card['eps'][place]:g}; load a larger eps, or which='all'."
        )
    if which == "detector":
        return _detector(card, path, x[kept], x_adv[kept], seed)
    points = x if which == "clean" else x_adv
    nothing = Split(x[:0], y[:0])
    test = Split(points[kept], y[kept])
    return _dataset(card, f"{which} {card['eps'][place]:g}", (nothing, nothing, test), tuple(card["class_names"]))


def read_card(path: Path) -> dict[str, Any]:
    """The card of an exported set.

    Raises:
        InputError: no set there, or a card that is damaged or of another format.
    """
    file = path / CARD
    try:
        card = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise InputError(
            f"{path} holds no adversarial set (no {CARD}); write one with: counterspin export-adversarials RUN --out "
            "SET."
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read ({error}); export the set again.") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        found = card.get("format") if isinstance(card, dict) else None
        raise InputError(f"{file} has format {found!r}; this version of counterspin reads format {FORMAT}.")
    missing = [key for key in _KEYS if key not in card]
    if missing:
        raise InputError(f"{file} lacks {', '.join(missing)}; export the set again.")
    return card


def _read_tensors(path: Path, card: dict[str, Any]) -> dict[str, Tensor]:
    file = path / TENSORS
    try:
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != card["tensors_sha256"]:
            raise ValueError(f"truncated or altered: its SHA-256 is not the one in {CARD}")
        tensors = load_tensors(data)
        missing = [name for name in ("x", "y", "x_adv", "success") if name not in tensors]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{file} cannot be read ({error}); export the set again.") from error
    return tensors


def _place(exported: list[float], eps: float | None, path: Path) -> int:
    if eps is None:
        return len(exported) - 1
    if eps not in exported:
        listed = ", ".join(f"{value:g}" for value in exported)
        raise UsageError(f"eps is {eps:g}; {path} holds {listed}.")
    return exported.index(eps)


def _detector(card: dict[str, Any], path: Path, x: Tensor, x_adv: Tensor, seed: int) -> Dataset:
    if len(x) < _DETECTOR_LEAST:
        raise InputError(
            f"{path} holds {len(x)} broken samples at this eps; a detector needs {_DETECTOR_LEAST}, for training, "
            "validation and test: export a run with more samples or a larger eps."
        )
    # All in one class: the splits are of samples, each of which brings one row of either class.
    rows = stratified_splits(torch.zeros(len(x)).numpy(), test=round(_DETECTOR_TEST * len(x)), seed=seed)
    parts = tuple(
        Split(torch.cat([x[part], x_adv[part]]), torch.arange(2).repeat_interleave(len(part)))
        for part in (rows.train, rows.validation, rows.test)
    )
    return _dataset(card, "detector", parts, ("clean", "adversarial"))


def _dataset(card: dict[str, Any], kind: str, splits: tuple[Split, ...], classes: tuple[str, ...]) -> Dataset:
    train, validation, test = splits
    return Dataset(
        name=f"{card['name']}-adversarial {kind}",
        train=train,
        validation=validation,
        test=test,
        bounds=_box(card["bounds"], test.features),
        class_names=classes,
        feature_names=tuple(card["feature_names"]),
        image_shape=None if card["image_shape"] is None else tuple(card["image_shape"]),
        source=f"adversarial inputs against {card.get('model', {}).get('name', 'a model')}; clean inputs: "
        f"{card.get('dataset', {}).get('source', 'unknown')}",
        licence=card.get("dataset", {}).get("licence", "that of the clean inputs, which is not recorded"),
    )


def _box(bounds: dict[str, Any] | None, features: int) -> Box:
    """The box in the card, where `null` is no bound; no bounds at all if the attacks were free to leave it."""
    if bounds is None:
        return Box.unbounded(features)
    lower, upper = (
        torch.tensor([end if value is None else value for value in bounds[name]], dtype=torch.float64)
        for name, end in (("lower", -torch.inf), ("upper", torch.inf))
    )
    return Box(lower, upper, torch.tensor(bounds["periodic"], dtype=torch.bool))

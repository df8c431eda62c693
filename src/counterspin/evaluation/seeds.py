"""Independent random streams from one seed."""

import hashlib

import torch

__all__ = ["derived_generator"]


def derived_generator(seed: int, *labels: object) -> torch.Generator:
    """A CPU generator for one part of an evaluation, the same whatever ran before it.

    The stream is seeded with the first 63 bits of SHA-256 over the seed and the labels, so that parts can be added,
    skipped or resumed without moving the numbers of the others.

    Args:
        seed: the seed of the evaluation.
        labels: names and settings of the part; their `repr` counts.

    Example:
        >>> draws = [torch.rand(1, generator=derived_generator(0, "noise", p)).item() for p in (0.1, 0.2, 0.1)]
        >>> draws[0] == draws[2], draws[0] == draws[1]
        (True, False)
    """
    text = "/".join([str(seed), *map(repr, labels)])
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)

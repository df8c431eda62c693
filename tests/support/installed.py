"""A distribution that is really installed, in a directory of its own on the path."""

from pathlib import Path

import pytest

__all__ = ["install"]


def install(
    monkeypatch: pytest.MonkeyPatch, place: Path, name: str, points: dict[str, dict[str, str]], **modules: str
) -> None:
    """Put a distribution `name` 1.0 with modules (name: source) and entry points (group: name: target) on the path."""
    info = place / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = []
    for group, entries in points.items():
        lines += [f"[{group}]", *(f"{key} = {target}" for key, target in entries.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, source in modules.items():
        (place / f"{module}.py").write_text(source)
    monkeypatch.syspath_prepend(str(place))

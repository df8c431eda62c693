"""PennyLane for the tests of this directory, imported once and only when one of them runs: that takes seconds."""

from typing import Any

import pytest


@pytest.fixture(scope="session")
def qml() -> Any:
    return pytest.importorskip("pennylane")

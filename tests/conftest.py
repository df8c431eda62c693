"""Shared test set-up: run-time shape and type checks (jaxtyping + beartype), and what the fast set leaves out.

`make check` selects the tests that are not slow. Two things make that cheap, and `make test` undoes both: of a test
with the mark `one_fast` the other parameters are slow, and modules that are slow as a whole are not even imported,
since PennyLane, Qiskit and Cirq take seconds to import.
"""

import os
import re
from collections import Counter

import pytest
import torch
from jaxtyping import install_import_hook

torch.set_num_threads(1)

# Before anything of the package is imported; a test-only hook, the package itself does not depend on either library.
# The environment reaches the workers, and is known before pytest has read its options.
if os.environ.get("COUNTERSPIN_TYPE_CHECKS", "on") != "off":
    install_import_hook("counterspin", "strict_types.typechecker")

# `pytestmark` of a whole module, alone or as one of a list.
_SLOW_MODULE = re.compile(r"^pytestmark = (\[[^\]]*)?pytest\.mark\.slow\b", re.MULTILINE)


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "one_fast(place=0): of its parameters `make check` runs the one at this place, `make test` all"
    )


def pytest_ignore_collect(collection_path, config):
    """Leave out unread what a selection without slow tests would deselect as a whole."""
    wanted = config.getoption("markexpr")
    if not re.match(r"not slow\b", wanted) or " or " in wanted or not collection_path.name.startswith("test_"):
        return None
    return bool(_SLOW_MODULE.search(collection_path.read_text(encoding="utf-8"))) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as slow all parameters of a `one_fast` test but one, before anything is selected by its marks."""
    places = Counter()
    for item in items:
        mark = item.get_closest_marker("one_fast")
        if mark is not None:
            test = item.nodeid.partition("[")[0]
            if places[test] != (mark.args[0] if mark.args else 0):
                item.add_marker(pytest.mark.slow)
            places[test] += 1


@pytest.fixture
def without_page(monkeypatch):
    """Audits leave no page: its charts take longer than all the rest of a small audit."""
    monkeypatch.setattr("counterspin.report.write_report", lambda store: None)

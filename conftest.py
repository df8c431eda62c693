"""Code blocks of the README and the documentation run as tests, and examples that run a whole audit are slow."""

import re

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser


@pytest.fixture
def in_temporary_directory(tmp_path, monkeypatch):
    """Examples that write files write them where pytest cleans up."""
    monkeypatch.chdir(tmp_path)


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["*.md"],
    fixtures=["in_temporary_directory"],
).pytest()


# Calls that run every attack and check, in blocks of documentation and in doctests.
_WHOLE_AUDIT = re.compile(r"\b(cs\.(audit|harden)|check_attack|check_certifier|check_defense)\(")


def _source(item) -> str:
    """The code of a block or of a doctest; empty for other tests."""
    if hasattr(item, "dtest"):
        return "".join(example.source for example in item.dtest.examples)
    return str(item.example.parsed) if hasattr(item, "example") else ""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Pages of the gallery import other libraries, which takes seconds and warns of deprecations."""
    slow_pages = set()
    for item in items:
        if _WHOLE_AUDIT.search(_source(item)):
            item.add_marker(pytest.mark.slow)
            if hasattr(item, "example"):
                slow_pages.add(item.path)
        elif item.path in slow_pages:
            # The blocks of a page share their names: what follows cannot run without what is left out.
            item.add_marker(pytest.mark.slow)
        if item.path.parent.name == "gallery":
            item.add_marker(pytest.mark.slow)
            for category in ("DeprecationWarning", "PendingDeprecationWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{category}"))

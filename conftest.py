"""Code blocks of the README and the documentation run as tests."""

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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Pages of the gallery import other libraries, which takes seconds and warns of deprecations."""
    for item in items:
        if item.path.parent.name == "gallery":
            item.add_marker(pytest.mark.slow)
            for category in ("DeprecationWarning", "PendingDeprecationWarning"):
                item.add_marker(pytest.mark.filterwarnings(f"ignore::{category}"))

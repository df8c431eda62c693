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

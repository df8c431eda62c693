"""Discovery by entry points, with distributions that are really installed."""

import sys

import pytest
from installed import install

from counterspin.errors import UsageError
from counterspin.plugins import plugins

GROUP = "counterspin.tests"


def test_nothing_is_imported_before_it_is_loaded(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path, "lazy-one", {GROUP: {"b": "lazy_one:VALUE", "a": "lazy_one"}}, lazy_one="VALUE = 7")
    found = plugins(GROUP)
    assert list(found) == ["a", "b"]
    assert "lazy_one" not in sys.modules
    assert found["b"].distribution == "lazy-one 1.0"
    assert found["b"].target == "lazy_one:VALUE"
    assert found["b"].load() == 7
    assert found["a"].load() is sys.modules["lazy_one"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere_at_all:X", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("broken_mod:missing", "AttributeError"),
        ("broken_raises:X", "ValueError: two lines"),
    ],
)
def test_a_broken_one_is_a_sentence_with_distribution_and_entry_point(tmp_path, monkeypatch, target, reason):
    source = {"broken_mod": "", "broken_raises": "raise ValueError('two\\nlines')"}
    install(monkeypatch, tmp_path, "broken-one", {GROUP: {"x": target}}, **source)
    with pytest.raises(UsageError) as refused:
        plugins(GROUP)["x"].load()
    text = str(refused.value)
    assert text.startswith(f"broken-one 1.0 registers 'x' in {GROUP} as {target}, which cannot be used ({reason}")
    assert text.endswith("; repair, upgrade or uninstall broken-one.")
    assert "\n" not in text


def test_one_name_from_two_distributions_is_refused(tmp_path, monkeypatch):
    install(monkeypatch, tmp_path / "1", "first-one", {GROUP: {"x": "a:b"}})
    assert list(plugins(GROUP)) == ["x"]
    install(monkeypatch, tmp_path / "2", "second-one", {GROUP: {"x": "c:d"}})
    with pytest.raises(UsageError, match=r"(first|second)-one 1\.0 and (first|second)-one 1\.0 both register 'x'"):
        plugins(GROUP)

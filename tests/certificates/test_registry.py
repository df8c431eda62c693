"""The certificates by name, and in the settings of each tier."""

import pytest

from counterspin.certificates.registry import methods, named
from counterspin.errors import UsageError


def test_every_tier_has_the_same_methods_once():
    names = [certificate.name for certificate in methods()]
    assert len(set(names)) == len(names)
    assert names == [certificate.name for certificate in methods("quick")]
    assert names == [certificate.name for certificate in methods("paper")]
    assert {"exact-l2", "boxed-l2", "quadratic-linf", "branch-and-bound", "bernstein", "hybrid"} <= set(names)


def test_only_searches_are_shorter_in_the_quick_tier():
    quick = {certificate.name: certificate for certificate in methods("quick")}
    changed = {certificate.name for certificate in methods() if certificate != quick[certificate.name]}
    assert changed == {"branch-and-bound", "guan-shots", "smoothing"}
    assert quick["branch-and-bound"].nodes < named("branch-and-bound").nodes


def test_names_find_what_they_name():
    for certificate in methods():
        assert named(certificate.name) is certificate
    with pytest.raises(UsageError, match="method is 'gaun'; allowed: auto, exact-l2, "):
        named("gaun")

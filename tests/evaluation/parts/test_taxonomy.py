"""The ids of every part, and of the attacks that are more than one thing."""

import re

import pytest

from counterspin.attacks.quantum.registry import WHERE
from counterspin.evaluation.parts.taxonomy import joined, taxonomy

LINES = {"goal": "a wrong class", "capability": "something", "knowledge": "white"}


@pytest.mark.parametrize("where", ["features", *WHERE])
@pytest.mark.parametrize("knowledge", ["white", "gray", "black", "decision", "transfer"])
def test_every_part_has_ids_of_every_taxonomy(where, knowledge) -> None:
    found = taxonomy(where, "toy", **(LINES | {"knowledge": knowledge}))
    assert all(re.fullmatch(r"AML\.T\d{4}(\.\d{3})?", value) for value in found.atlas)
    assert all(re.fullmatch(r"NISTAML\.\d{3}", value) for value in found.nistaml)
    assert all(re.fullmatch(r"ML(0[1-9]|10)", value) for value in found.owasp)
    assert found.atlas
    assert found.nistaml
    assert found.owasp
    assert found.stage
    for values in (found.atlas, found.nistaml, found.owasp):
        assert len(set(values)) == len(values)


def test_what_is_known_decides_how_an_input_is_crafted() -> None:
    def of(where, knowledge):
        return taxonomy(where, "toy", **(LINES | {"knowledge": knowledge}))

    assert of("state", "white").atlas == ["AML.T0015", "AML.T0043.000"]
    assert of("features", "black").atlas == ["AML.T0015", "AML.T0043.001"]
    assert of("features", "black").nistaml == ["NISTAML.022", "NISTAML.025"]
    assert of("transfer", "transfer").atlas == ["AML.T0015", "AML.T0043.002"]
    assert of("parameters", "black").atlas == ["AML.T0018"]


def test_backdoors_and_extractions_are_more() -> None:
    assert taxonomy("gates", "compilation-backdoor", **LINES).nistaml == ["NISTAML.051", "NISTAML.023"]
    assert taxonomy("gates", "fault", **LINES).nistaml == ["NISTAML.051"]
    found = taxonomy("transfer", "extraction", **(LINES | {"knowledge": "transfer"}))
    assert found.owasp == ["ML01", "ML05"]
    assert "AML.T0024.002" in found.atlas


def test_joined_keeps_each_line_and_id_once() -> None:
    parts = [taxonomy("gates", name, **(LINES | {"goal": goal})) for name, goal in (("fault", "a"), ("trojan", "b"))]
    whole = joined([*parts, parts[0]])
    assert whole.goal == "a; b"
    assert whole.capability == "something"
    assert whole.atlas == ["AML.T0010", "AML.T0010.000", "AML.T0018", "AML.T0043.004"]

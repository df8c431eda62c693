"""Options about noise, refused before a model is loaded."""

import pytest

from counterspin.cli.app import run
from counterspin.cli.noise_options import asked_options
from counterspin.errors import UsageError


def test_options_pass_through():
    asked = asked_options(None, "depolarizing:0.01/gate", 100, "zne")
    assert asked == {"device": None, "noise": "depolarizing:0.01/gate", "shots": 100, "mitigation": "zne"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((None, None, 0, None), "--shots is 0"),
        (("ibm:manila", "depolarizing:0.1", None, None), "cannot go together"),
        ((None, None, 10, "zne"), "something to mitigate"),
        (("ibm:atlantis", None, None, None), "atlantis"),
        ((None, "depolarizing:2", None, None), "2"),
        ((None, "depolarizing:0.1", None, "prayer"), "prayer"),
    ],
)
def test_what_makes_no_sense(options, sentence):
    with pytest.raises(UsageError, match=sentence):
        asked_options(*options)


@pytest.mark.parametrize("verb", ["audit", "certify"])
def test_the_command_line_says_it_in_one_sentence(verb, capsys):
    assert run([verb, "cancer-angle", "--mitigation", "zne"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run([verb, "cancer-angle", "--noise", "fog:0.1"]) == 2
    assert "unknown" in capsys.readouterr().err


def test_a_study_of_something_else_is_refused(capsys):
    assert run(["study", "weather", "cancer-angle"]) == 2
    assert "study knows noise" in capsys.readouterr().err

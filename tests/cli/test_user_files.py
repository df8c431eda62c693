import sys

import pytest

from counterspin.cli.user_files import is_user_file, load_user_model
from counterspin.errors import ModelError, UsageError

FILE = """
import helper
weights = [0.5, 0.25]
bounds = (0, 1)
x, y = [[0.1, 0.2], [0.3, 0.4]], [0, 1]
text = "no model"
def model(x, weights=None, unknown=None):
    return helper.twice(x)
class Nested:
    inner = staticmethod(model)
"""


@pytest.fixture
def path(tmp_path):
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    file = tmp_path / "mine.py"
    file.write_text(FILE)
    yield file
    sys.modules.pop("helper", None)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("a/b.py:model", True),
        ("b.py", True),
        ("C:/b.py:model", True),
        ("digits-amplitude", False),
        ("runs/model:3", False),
        ("circuit.qasm", False),
    ],
)
def test_which_names_mean_a_file(model, expected):
    assert is_user_file(model) is expected


def test_the_object_and_what_stands_beside_it(path):
    before = list(sys.path)
    found = load_user_model(f"{path}:model")
    assert found.model(3) == 6
    assert dict(found.weights) == {"weights": [0.5, 0.25]}  # the samples are no weights
    assert (found.x, found.y, found.bounds) == ([[0.1, 0.2], [0.3, 0.4]], [0, 1], (0, 1))
    assert sys.path == before


def test_a_dotted_name_goes_inside(path):
    assert load_user_model(f"{path}:Nested.inner").model(1) == 2


def test_a_file_is_run_once(path):
    assert load_user_model(f"{path}:model").model is load_user_model(f"{path}:Nested.inner").model


def test_files_of_one_name_do_not_meet(path, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.py").write_text("def model(x):\n    return 'other'\n")
    assert load_user_model(f"{other / 'mine.py'}:model").model(1) == "other"
    assert load_user_model(f"{path}:model").model(1) == 2


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        ("", "may hold several objects; say which one is the model"),
        (":gone", "defines no 'gone'; it defines Nested, bounds, helper, model"),
        (":text", "is a str; name a model"),
        (":helper", "is a module; name a model"),
    ],
)
def test_names_that_mean_no_model(path, suffix, message):
    with pytest.raises(UsageError, match=message):
        load_user_model(f"{path}{suffix}")


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.py is no file; MODEL is file\.py:object"):
        load_user_model(f"{tmp_path / 'gone.py'}:model")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\nraise ValueError('no weights\\nhere')", r"ValueError \(no weights here\) in line 2"),
        ("import no_such_package", r"ModuleNotFoundError \(No module named 'no_such_package'\) in line 1"),
        ("a = 1\n\ndef broken(:", r"SyntaxError .* in line 3"),
        ("import sys\nsys.exit(3)", r"SystemExit \(3\) in line 2"),
    ],
)
def test_a_file_that_raises_is_named_with_its_line(tmp_path, text, message):
    file = tmp_path / "broken.py"
    file.write_text(text)
    for _ in range(2):  # a file that failed is run again
        with pytest.raises(ModelError, match=rf"broken\.py raised {message} when it was run"):
            load_user_model(f"{file}:model")

import numpy as np
import pytest

from counterspin.cli.samples import read_samples
from counterspin.cli.tables import read_table
from counterspin.errors import InputError


def table(tmp_path, text):
    path = tmp_path / "data.csv"
    path.write_text(text)
    return path


def test_named_columns_and_a_label_in_the_middle(tmp_path):
    found = read_table(table(tmp_path, "width,Label,height\n0.5,1,2\n1.5,0,3e-1\n"))
    np.testing.assert_array_equal(found["x"], [[0.5, 2.0], [1.5, 0.3]])
    assert found["y"].tolist() == [1, 0]
    assert found["feature_names"].tolist() == ["width", "height"]
    assert "class_names" not in found


def test_without_a_header_the_last_column_holds_the_labels(tmp_path):
    found = read_table(table(tmp_path, "0.5,2,1\n\n1.5,3,0\n"))
    np.testing.assert_array_equal(found["x"], [[0.5, 2.0], [1.5, 3.0]])
    assert found["y"].tolist() == [1, 0]
    assert "feature_names" not in found


def test_words_are_numbered_in_alphabetical_order(tmp_path):
    found = read_table(table(tmp_path, "a,y\n0,malign\n1,benign\n2,malign\n"))
    assert found["y"].tolist() == [1, 0, 1]
    assert found["class_names"].tolist() == ["benign", "malign"]


def test_a_table_of_words_without_a_header(tmp_path):
    assert read_table(table(tmp_path, "0,setosa\n1,other\n"))["class_names"].tolist() == ["other", "setosa"]


def test_a_byte_order_mark_belongs_to_no_name(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes("﻿first,y\n1,0\n".encode())
    assert read_table(path)["feature_names"].tolist() == ["first"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,b,y\n", "holds no samples"),
        ("1\n2\n", "holds no samples"),
        ("a,b,y\n1,2,0\n1,0\n", "line 3 has 2 columns and the first has 3"),
        ("a,b,y\n1,2,0\n1,?,0\n", r"line 3 holds '\?', which is no number"),
        ("1,2,0\n1,,0\n", "line 2 holds ''"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_table(table(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_table(tmp_path / "gone.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes(b"a,y\n\xff,0\n")
    with pytest.raises(InputError, match="cannot be read"):
        read_table(path)


def test_a_table_serves_as_a_data_file(tmp_path):
    samples = read_samples(table(tmp_path, "a,b,y\n0,1,no\n2,3,yes\n"))
    assert samples.x.tolist() == [[0, 1], [2, 3]]
    assert samples.class_names == ("no", "yes")
    assert samples.feature_names == ("a", "b")

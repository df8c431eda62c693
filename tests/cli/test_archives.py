import numpy as np
import pytest

from counterspin.cli.archives import read_arrays
from counterspin.errors import InputError


def test_every_array_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3.0), y=np.array(["one", "two"]))
    arrays = read_arrays(tmp_path / "a.npz", "give x")
    assert sorted(arrays) == ["x", "y"]
    assert arrays["x"].tolist() == [0.0, 1.0, 2.0]


def _damaged(path):
    np.savez(path, x=np.arange(1000.0))
    path.write_bytes(path.read_bytes()[:-400])


def _single(path):
    np.save(path.with_suffix(".npy"), np.arange(3))
    path.with_suffix(".npy").rename(path)


def _objects(path):
    np.savez(path, x=np.array([{}]))


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b""), "not a .npz archive"),
        (_single, "not a .npz archive"),
        (_damaged, "not a .npz archive"),
        (_objects, "Object arrays cannot be loaded when allow_pickle=False"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path, write, reason):
    write(tmp_path / "a.npz")
    with pytest.raises(InputError) as caught:
        read_arrays(tmp_path / "a.npz", "give x")
    assert str(caught.value) == f"{tmp_path / 'a.npz'} cannot be read ({reason}); give x."

import numpy as np
import pytest
import torch

from counterspin import recipes
from counterspin.cli.samples import read_samples, write_samples
from counterspin.errors import InputError, StorageError

X, Y = np.random.default_rng(0).random((6, 4)), np.arange(6) % 2


def saved(path, **arrays):
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("name", ["cancer-angle", "digits-amplitude-classical"])
def test_round_trip(tmp_path, name) -> None:
    dataset = recipes.get(name).dataset()
    write_samples(dataset, tmp_path / "test.npz")
    samples = read_samples(tmp_path / "test.npz")
    assert torch.equal(samples.x, dataset.test.x)
    assert samples.y.tolist() == dataset.test.y.tolist()
    assert samples.class_names == dataset.class_names
    assert samples.feature_names == dataset.feature_names
    assert samples.image_shape == dataset.image_shape


def test_names_are_optional(tmp_path) -> None:
    samples = read_samples(saved(tmp_path / "plain.npz", x=X, y=Y))
    assert (samples.class_names, samples.feature_names, samples.image_shape) == ((), (), None)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": X}, "lacks y; give a .npz"),
        ({"a": X}, "lacks x and y"),
        ({"x": X, "y": Y[:5]}, r"x of shape \(6, 4\) and y of shape \(5,\)"),
        ({"x": X[:5], "y": Y}, r"x of shape \(5, 4\) and y of shape \(6,\)"),
        ({"x": 3.0, "y": 1}, r"x of shape \(\)"),
        ({"x": X.astype(str), "y": Y}, "cannot be read as an array of numbers"),
        ({"x": np.array([{}] * 6, dtype=object), "y": Y}, "allow_pickle=False"),
        ({"x": X, "y": Y, "image_shape": np.array(["two", "two"])}, "image_shape of the data file"),
    ],
)
def test_unusable_arrays(tmp_path, arrays, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        read_samples(saved(tmp_path / "data.npz", **arrays))


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 truncated"])
def test_no_archive(tmp_path, content) -> None:
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"data.npz cannot be read \(not a .npz archive\); give a .npz file"):
        read_samples(tmp_path / "data.npz")


def test_truncated_and_missing(tmp_path) -> None:
    path = saved(tmp_path / "data.npz", x=X, y=Y)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cannot be read"):
        read_samples(path)
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\)"):
        read_samples(tmp_path / "missing.npz")
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        read_samples(tmp_path)


def test_a_file_in_the_way(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_samples(recipes.get("cancer-angle").dataset(), tmp_path / "file" / "test.npz")


def test_labels_may_be_words(tmp_path) -> None:
    samples = read_samples(saved(tmp_path / "words.npz", x=X[:3], y=np.array(["malign", "benign", "malign"])))
    assert samples.y.tolist() == [1, 0, 1]
    assert samples.class_names == ("benign", "malign")

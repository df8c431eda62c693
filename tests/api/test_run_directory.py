"""Where runs are kept: the directory that was named, one in a folder, or one that goes with its report."""

import gc

import pytest

from counterspin.api.run_directory import kept_run


class Report:
    def __init__(self, directory):
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory


def test_a_named_directory_is_used_as_it_is(tmp_path):
    report = kept_run(Report, name="net", config={}, out=tmp_path / "mine", runs=tmp_path / "runs")
    assert report.directory == tmp_path / "mine"


def test_a_folder_of_runs_gets_one_directory_for_each_configuration(tmp_path):
    first, again, other = (
        kept_run(Report, name="net", config={"seed": seed}, out=None, runs=tmp_path).directory for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first.parent == other.parent == tmp_path


def test_a_temporary_directory_lives_as_long_as_its_report():
    report = kept_run(Report, name="net", config={}, out=None, runs=None)
    directory = report.directory
    assert directory.is_dir()
    del report
    gc.collect()
    assert not directory.parent.exists()


def test_a_temporary_directory_does_not_outlive_a_failure():
    seen = []

    def fails(directory):
        seen.append(directory)
        directory.mkdir(parents=True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_run(fails, name="net", config={}, out=None, runs=None)
    assert not seen[0].parent.exists()


def test_a_named_directory_outlives_a_failure(tmp_path):
    def fails(directory):
        directory.mkdir()
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept_run(fails, name="net", config={}, out=tmp_path / "run", runs=None)
    assert (tmp_path / "run").is_dir()

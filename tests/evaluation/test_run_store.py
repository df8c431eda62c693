import errno
import multiprocessing
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from counterspin.attacks.base import BudgetResult
from counterspin.errors import StorageError, UsageError
from counterspin.evaluation.fingerprints import run_key
from counterspin.evaluation.records import AuditRecord, CostRecord, NoiseRecord, SanityRecord
from counterspin.evaluation.run_store import RunStore, read_record
from counterspin.evaluation.statistics import measured_share
from counterspin.types import Cost

CONFIG = {"model": {"name": "digits", "sha256": "ab"}, "threat": {"norm": "l2", "eps": [0.1, 0.2]}, "seed": 0}
CORRECT = torch.tensor([True, False, True])


def budget(eps: float = 0.1, seed: int = 0) -> BudgetResult:
    x_adv = torch.rand(3, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return BudgetResult(
        eps=eps,
        x_adv=x_adv,
        success=torch.tensor([True, False, False]),
        distance=torch.tensor([1 / 3, torch.inf, torch.inf], dtype=torch.float64),
        best_margin=torch.tensor([-1e-17, -0.5, 0.1 + 0.2], dtype=torch.float64),
        trace_distance=torch.tensor([0.1, torch.nan, torch.nan], dtype=torch.float64),
        history={"broken": [0.0, 0.5], "best_margin": [0.1, 1 / 7], "late_gain": [0.0, 0.0, 1e-300]},
        cost=Cost(forwards=10, backwards=9, circuits=10, shots=0),
        seconds=0.12345678901234567,
    )


def assert_same(a: BudgetResult, b: BudgetResult) -> None:
    for name in ("x_adv", "success", "distance", "best_margin", "trace_distance"):
        first, second = getattr(a, name), getattr(b, name)
        assert first.dtype == second.dtype, name
        assert torch.equal(first.nan_to_num(nan=7.0), second.nan_to_num(nan=7.0)), name
    for name in ("eps", "history", "cost", "seconds"):
        assert getattr(a, name) == getattr(b, name), name


def filled(path: Path) -> None:
    with RunStore(path, CONFIG) as store:
        store.save_budget("pgd", 0, CORRECT, budget(0.1, 0))
        store.save_budget("pgd", 1, CORRECT, budget(0.2, 1))
        store.save_stage("clean", {"radius": [0.1, float("inf")]})
        store.save_tensors("inputs", {"x": torch.ones(2, 2), "y": torch.tensor([0, 1])})


def test_a_run_comes_back_without_loss(tmp_path):
    filled(tmp_path / "run")
    with RunStore(tmp_path / "run", CONFIG) as store:
        assert store.resumed
        first, second = store.budgets("pgd")
        assert_same(first, budget(0.1, 0))
        assert_same(second, budget(0.2, 1))
        assert store.budgets("fgsm") == ()
        assert store.stage("clean") == {"radius": [0.1, float("inf")]}
        assert store.stage("noise") is None
        tensors = store.tensors("inputs") or {}
        assert torch.equal(tensors["x"], torch.ones(2, 2))
        assert tensors["y"].dtype == torch.int64
        assert store.tensors("radii") is None
        assert (store.key, store.config) == (run_key(CONFIG), CONFIG)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, allow_nan=False), st.floats(), st.floats(allow_nan=False), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
def test_any_numbers_survive(tmp_path_factory, rows):
    distance, trace, margin, success = (list(column) for column in zip(*rows, strict=True))
    result = BudgetResult(
        eps=0.1,
        x_adv=torch.tensor(margin, dtype=torch.float64)[:, None].nan_to_num(),
        success=torch.tensor(success),
        distance=torch.tensor(distance, dtype=torch.float64),
        best_margin=torch.tensor(margin, dtype=torch.float64),
        trace_distance=torch.tensor(trace, dtype=torch.float64),
        history={},
        cost=Cost(),
        seconds=0.0,
    )
    with RunStore(tmp_path_factory.mktemp("any") / "run", CONFIG) as store:
        store.save_budget("pgd", 0, torch.ones(len(rows), dtype=torch.bool), result)
        assert_same(store.budgets("pgd")[0], result)


def test_rows_are_readable_by_anyone_with_sqlite(tmp_path):
    filled(tmp_path / "run")
    with sqlite3.connect(tmp_path / "run" / "samples.sqlite") as connection:
        query = "SELECT sum(correct AND NOT success) FROM samples WHERE attack = 'pgd' AND eps_index = 0"
        assert connection.execute(query).fetchone() == (1,)
        columns = [row[1] for row in connection.execute("PRAGMA table_info(samples)")]
    connection.close()
    assert {"sample", "attack", "eps", "correct", "success", "distance", "trace_distance", "margin"} <= set(columns)
    assert sorted(p.name for p in (tmp_path / "run" / "adversarials").iterdir()) == [
        "pgd-0.safetensors",
        "pgd-1.safetensors",
    ]


def test_a_gap_ends_what_is_finished(tmp_path):
    with RunStore(tmp_path / "run", CONFIG) as store:
        store.save_budget("pgd", 1, CORRECT, budget())
        assert store.budgets("pgd") == ()
        store.save_budget("pgd", 0, CORRECT, budget())
        assert len(store.budgets("pgd")) == 2


def test_another_configuration_is_refused_with_the_field(tmp_path):
    filled(tmp_path / "run")
    other = {**CONFIG, "threat": {"norm": "linf", "eps": [0.1, 0.2]}}
    with pytest.raises(UsageError, match=r"threat\.norm \(stored \"l2\", asked \"linf\"\)") as refused:
        RunStore(tmp_path / "run", other)
    assert refused.value.exit_code == 2
    assert run_key(CONFIG)[:8] in str(refused.value)
    assert run_key(other)[:8] in str(refused.value)
    assert "seed" not in str(refused.value)
    with RunStore(tmp_path / "run", CONFIG) as store:
        assert len(store.budgets("pgd")) == 2


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not a run directory"):
        RunStore(tmp_path, CONFIG)
    with pytest.raises(UsageError, match="not a run directory"):
        RunStore(tmp_path / "thesis.tex", CONFIG)
    with pytest.raises(UsageError, match="holds no run"):
        RunStore(tmp_path, None)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_stored_run_opens_without_a_configuration(tmp_path):
    filled(tmp_path / "run")
    with RunStore(tmp_path / "run", None) as store:
        assert store.config == CONFIG


@pytest.mark.parametrize("keep", [0, 100, 4096, 10000])
def test_a_truncated_database_is_named(tmp_path, keep):
    filled(tmp_path / "run")
    database = tmp_path / "run" / "samples.sqlite"
    assert database.stat().st_size > keep
    os.truncate(database, keep)
    with pytest.raises(StorageError, match=r"samples\.sqlite is damaged") as refused:
        RunStore(tmp_path / "run", CONFIG)
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("damage", ["truncate", "alter", "delete"])
def test_a_damaged_adversarial_file_is_named(tmp_path, damage):
    filled(tmp_path / "run")
    file = tmp_path / "run" / "adversarials" / "pgd-1.safetensors"
    data = file.read_bytes()
    match damage:
        case "truncate":
            file.write_bytes(data[:-1])
        case "alter":
            file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        case "delete":
            file.unlink()
    with (
        RunStore(tmp_path / "run", CONFIG) as store,
        pytest.raises(StorageError, match=r"pgd-1\.safetensors is damaged"),
    ):
        store.budgets("pgd")


def test_an_interrupt_between_file_and_row_loses_only_that_budget(tmp_path, monkeypatch):
    with RunStore(tmp_path / "run", CONFIG) as store:
        store.save_budget("pgd", 0, CORRECT, budget(0.1, 0))
        write = store._database.write
        monkeypatch.setattr(store._database, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.save_budget("pgd", 1, CORRECT, budget(0.2, 9))
        monkeypatch.setattr(store._database, "write", write)
    with RunStore(tmp_path / "run", CONFIG) as store:
        assert len(store.budgets("pgd")) == 1
        store.save_budget("pgd", 1, CORRECT, budget(0.2, 1))
        assert_same(store.budgets("pgd")[1], budget(0.2, 1))


def test_a_failed_write_leaves_the_transaction_undone(tmp_path):
    with RunStore(tmp_path / "run", CONFIG) as store:
        rows = [("a", "1"), ("b", None)]
        with pytest.raises(StorageError):
            store._database.write(("INSERT INTO stages VALUES (?, ?)", rows))
        assert store.stage("a") is None
        store.save_stage("a", 2)
        assert store.stage("a") == 2


def test_a_full_disk_under_a_file_says_that_work_is_kept(tmp_path, monkeypatch):
    with RunStore(tmp_path / "run", CONFIG) as store:
        store.save_budget("pgd", 0, CORRECT, budget())

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(StorageError, match=r"No space left.*finished work is kept.*same command") as refused:
            store.save_budget("pgd", 1, CORRECT, budget())
        assert refused.value.exit_code == 3
        assert len(store.budgets("pgd")) == 1
    assert [p.name for p in (tmp_path / "run" / "adversarials").iterdir()] == ["pgd-0.safetensors"]


def test_a_full_database_says_that_work_is_kept(tmp_path):
    with RunStore(tmp_path / "run", CONFIG) as store:
        store.save_stage("clean", 1)
        # SQLite's own way to run out of room: no page beyond those in use.
        store._database._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StorageError, match=r"disk is full.*finished work is kept.*same command"):
            store.save_stage("noise", "x" * 100_000)
        assert store.stage("clean") == 1
        assert store.stage("noise") is None


@pytest.fixture
def tiny_disk(tmp_path):
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system")
    yield place
    subprocess.run(["umount", place], check=True)


def fill_up(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_really_full_disk_is_reported_and_the_run_resumes(tiny_disk):
    with RunStore(tiny_disk / "run", CONFIG) as store:
        store.save_budget("pgd", 0, CORRECT, budget())
        ballast = tiny_disk / "ballast"
        with pytest.raises(OSError, match="No space left"):
            fill_up(ballast)
        with pytest.raises(StorageError, match="finished work is kept"):
            store.save_budget("pgd", 1, CORRECT, budget())
        with pytest.raises(StorageError, match="finished work is kept"):
            store.save_stage("noise", "x" * 50_000)
    ballast.unlink()
    with RunStore(tiny_disk / "run", CONFIG) as store:
        assert_same(store.budgets("pgd")[0], budget())
        store.save_budget("pgd", 1, CORRECT, budget())
        assert len(store.budgets("pgd")) == 2


def hold(path: Path, ready, leave) -> None:
    with RunStore(path, CONFIG) as store:
        store.save_stage("held", True)
        ready.set()
        leave.wait(30)
        os._exit(0)  # dies without closing, as a killed process does


def test_a_second_process_is_refused_until_the_first_ends_even_by_a_kill(tmp_path):
    context = multiprocessing.get_context("fork")
    ready, leave = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "run", ready, leave))
    process.start()
    assert ready.wait(30)
    with pytest.raises(UsageError, match="in use by another counterspin process"):
        RunStore(tmp_path / "run", CONFIG)
    leave.set()
    process.join(30)
    with RunStore(tmp_path / "run", CONFIG) as store:
        assert store.stage("held") is True


def test_one_process_cannot_open_a_run_twice(tmp_path):
    with RunStore(tmp_path / "run", CONFIG), pytest.raises(UsageError, match="in use"):
        RunStore(tmp_path / "run", CONFIG)


def record() -> AuditRecord:
    return AuditRecord(
        schema_version=1,
        model={"name": "digits"},
        dataset={},
        threat={},
        tier="quick",
        seed=0,
        clean_accuracy=measured_share(9, 10),
        budgets=[],
        median_radius=None,
        certificates=[],
        calibration=None,
        noise_resilience=NoiseRecord(samples=0, curves=[], skipped="classical"),
        sanity=SanityRecord(verdict="pass", checks=[]),
        cost=CostRecord(forwards=1, backwards=0, circuits=1, shots=0, seconds=0.1),
        versions={},
        run="run",
    )


def test_the_record_is_written_and_read_back(tmp_path):
    with RunStore(tmp_path / "run", CONFIG) as store:
        store.write_record(record())
    assert read_record(tmp_path / "run") == record()


def test_a_missing_or_damaged_record_is_named(tmp_path):
    with pytest.raises(UsageError, match="no finished run"):
        read_record(tmp_path)
    with RunStore(tmp_path / "run", CONFIG) as store:
        store.write_record(record())
    file = tmp_path / "run" / "run.json"
    for text in (file.read_text()[:-20], "[]", "{}", '{"record": {"schema": 2}}'):
        file.write_text(text)
        with pytest.raises(StorageError, match=r"run\.json is damaged"):
            read_record(tmp_path / "run")

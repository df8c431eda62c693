from dataclasses import replace

import pytest
import torch

from counterspin.evaluation.sanity import StoredRows
from counterspin.evaluation.sanity.reported import ReportedWorstCase


def test_the_worst_case_of_the_rows_passes(plain):
    record = ReportedWorstCase().run(plain)
    assert (record.status, record.statistic) == ("PASS", 0.0)
    assert record.advice == "Recomputed from the rows of 3 attacks."


@pytest.mark.slow
def test_a_number_that_counts_misclassified_samples_as_robust_is_caught(plain, helpers):
    y = plain.y.clone()
    y[:4] = (y[:4] + 1) % 3
    context = helpers.build(plain.model, y=y)
    assert ReportedWorstCase().run(context).status == "PASS"
    inflated = [(1 - context.worst_case[budget].double()).mean().item() for budget in range(2)]
    record = ReportedWorstCase().run(replace(context, reported=inflated))
    assert record.status == "FAIL"
    assert record.statistic == pytest.approx(0.1)


def test_an_external_attack_left_out_of_the_number_is_caught(plain):
    broken = torch.zeros_like(plain.worst_case)
    broken[:, (~plain.worst_case[-1]).nonzero()[0, 0]] = True
    rows = {**plain.rows, "external": StoredRows(correct=plain.correct, broken=broken)}
    record = ReportedWorstCase().run(replace(plain, rows=rows))
    assert record.status == "FAIL"
    assert "left out: external" in record.advice


def test_missing_rows_are_caught(plain):
    rows = {name: rows for name, rows in plain.rows.items() if name != "pgd"}
    record = ReportedWorstCase().run(replace(plain, rows=rows))
    assert record.status == "FAIL"
    assert "no rows of pgd" in record.advice


def test_without_a_run_directory_it_is_skipped(plain):
    assert ReportedWorstCase().run(replace(plain, rows={})).status == "SKIP"
    assert ReportedWorstCase().run(replace(plain, reported=())).status == "SKIP"

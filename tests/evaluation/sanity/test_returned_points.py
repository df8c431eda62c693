from dataclasses import replace

from counterspin.evaluation.sanity.returned_points import ReturnedPoints


def marked(context, name, lost):
    """The context with `lost` marks in the first budget of one result."""
    result = context.results[name]
    first = replace(result.budgets[0], history={**result.budgets[0].history, "lost": lost})
    changed = replace(result, budgets=(first, *result.budgets[1:]))
    return replace(context, results={**context.results, name: changed})


def test_our_own_attacks_are_skipped(plain):
    assert ReturnedPoints().run(plain).status == "SKIP"


def test_an_attack_that_keeps_what_it_found_passes(plain):
    record = ReturnedPoints().run(marked(plain, "pgd", [0.0] * len(plain.y)))
    assert (record.status, record.statistic, record.advice) == ("PASS", 0.0, "Watched: pgd.")


def test_an_attack_that_returns_another_point_is_caught(plain):
    lost = [0.0] * len(plain.y)
    lost[3] = lost[7] = 1.0
    record = ReturnedPoints().run(marked(marked(plain, "random", [0.0] * len(plain.y)), "pgd", lost))
    assert (record.status, record.statistic, record.samples) == ("FAIL", 2.0, [3, 7])
    assert record.advice.startswith("pgd queried")

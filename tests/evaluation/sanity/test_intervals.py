import re

import pytest

from counterspin.attacks.evasion.fgsm import FGSM
from counterspin.evaluation.sanity.intervals import NarrowIntervals
from counterspin.evaluation.statistics import measured_share


@pytest.mark.parametrize(("n", "status"), [(40, "WARN"), (2000, "PASS")])
def test_few_samples_warn_and_many_do_not(helpers, n, status):
    context = helpers.build(helpers.Function(helpers.linear), x=helpers.samples(n), suite=(FGSM(),))
    record = NarrowIntervals().run(context)
    shares = [(context.correct & ~broken).sum() for broken in context.worst_case]
    widths = [(share.high - share.low) / 2 for share in (measured_share(int(s), n) for s in shares)]
    assert record.status == status
    assert record.statistic == pytest.approx(max(widths), abs=1e-12)


def test_the_advised_number_of_samples_is_enough_and_not_far_more(helpers):
    context = helpers.build(helpers.Function(helpers.linear), suite=(FGSM(),))
    needed = int(re.search(r"about (\d+) samples", NarrowIntervals().run(context).advice)[1])
    kept = float((context.correct & ~context.worst_case[1]).double().mean())
    share = measured_share(round(kept * needed), needed)
    assert 0.04 < (share.high - share.low) / 2 <= 0.05

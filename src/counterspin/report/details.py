"""What the report shows of a run directory besides the record: distances, traces, and the cost of verdicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from counterspin.evaluation.records import AuditRecord
from counterspin.evaluation.run_store import RunStore
from counterspin.report.distances import Distances, found_distances
from counterspin.report.proofs import Proofs, stored_proofs
from counterspin.report.traces import Trace, stored_traces
from counterspin.types import Cost

__all__ = ["RunDetails", "run_details"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RunDetails:
    """What stands in a run directory and not in its record.

    Args:
        distances: of the minimum-norm attacks; None where there were none.
        proofs: of the certificates; None where none applies.
        traces: of every attack that asked queries.
        verdicts: what the tests behind the verdicts of a stochastic model took, by attack; empty otherwise.
    """

    distances: Distances | None = None
    proofs: Proofs | None = None
    traces: tuple[Trace, ...] = ()
    verdicts: Mapping[str, Cost] = field(default_factory=dict)


def run_details(record: AuditRecord, store: RunStore) -> RunDetails:
    """Read the details of a run.

    Raises:
        StorageError: something stored is damaged.
    """
    stored = {name: store.budgets(name) for name in record.budgets[0].attacks}
    results = {name: budgets for name, budgets in stored.items() if budgets}
    verdicts = {name: sum((b.verdict_cost for b in budgets), Cost()) for name, budgets in results.items()}
    return RunDetails(
        distances=found_distances(record, store, results),
        proofs=stored_proofs(record, store, results),
        traces=stored_traces(results, record.budgets[-1].eps),
        verdicts={name: cost for name, cost in verdicts.items() if cost != Cost()},
    )

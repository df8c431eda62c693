"""What every record is made of: shares with intervals, costs, and paired comparisons."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["CostRecord", "Measured", "PairedRecord", "Record"]


class Record(BaseModel):
    """A frozen part of a record: no unknown keys, no NaN, no infinity."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measured(Record):
    """A measured share or score with its 95 % interval over `n` samples."""

    value: float
    low: float
    high: float
    n: int


class CostRecord(Record):
    """Queries to the audited model, and wall time.

    Of an audit: what all attacks of the suite spent together, and the time of everything. Of a check: its own attacks.
    """

    forwards: int
    backwards: int
    circuits: int
    shots: int
    seconds: float
    jobs: int = Field(default=0, description="batches of circuits handed to a device; simulators take none")


class PairedRecord(Record):
    """A share of the same samples in two runs, compared sample by sample."""

    first: Measured
    second: Measured
    difference: float = Field(description="first minus second")
    low: float = Field(description="95 % score interval of the difference (Tango 1998)")
    high: float
    only_first: int = Field(description="b: samples counted in the first run and not in the second")
    only_second: int = Field(description="c: samples counted in the second run and not in the first")
    p_value: float = Field(description="exact McNemar test, two-sided")
    p_holm: float | None = Field(description="adjusted for all budgets (and attacks) of its table; null: a single test")

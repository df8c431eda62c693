"""Where an attack stands in the taxonomies of the norms: MITRE ATLAS, NIST AI 100-2e2025 and OWASP ML Top 10 (2023)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import Field

from counterspin.evaluation.measured import Record

__all__ = ["TaxonomyRecord", "joined", "taxonomy"]


class TaxonomyRecord(Record):
    """Stage, goal, capability and knowledge of an attacker, with the ids of what it does."""

    stage: str = Field(description="when in the life of the model the attacker acts, and on what")
    goal: str
    capability: str = Field(description="what the attacker must be able to do")
    knowledge: str = Field(description="white: the model with its circuit and weights; gray, black, transfer: less")
    atlas: list[str] = Field(description="techniques of MITRE ATLAS")
    nistaml: list[str] = Field(description="attacks of NIST AI 100-2e2025")
    owasp: list[str] = Field(description="risks of the OWASP Machine Learning Security Top 10 (2023)")


@dataclass(frozen=True, kw_only=True)
class _Part:
    stage: str
    atlas: tuple[str, ...]
    nistaml: tuple[str, ...]
    owasp: tuple[str, ...]
    crafted: bool = False


_PARTS = {
    "features": _Part(
        stage="inference: the input, before it is encoded",
        atlas=("AML.T0015",),
        nistaml=("NISTAML.022",),
        owasp=("ML01",),
        crafted=True,
    ),
    "state": _Part(
        stage="inference: the state between encoding and circuit",
        atlas=("AML.T0015",),
        nistaml=("NISTAML.022",),
        owasp=("ML01",),
        crafted=True,
    ),
    "parameters": _Part(
        stage="deployment: the weights that are stored or calibrated",
        atlas=("AML.T0018",),
        nistaml=("NISTAML.026",),
        owasp=("ML10",),
    ),
    "gates": _Part(
        stage="supply chain: the circuit between its author and the device",
        atlas=("AML.T0010", "AML.T0010.000"),
        nistaml=("NISTAML.051",),
        owasp=("ML06",),
    ),
    "encoding": _Part(
        stage="supply chain: the preprocessing that writes features into the circuit",
        atlas=("AML.T0010",),
        nistaml=("NISTAML.051",),
        owasp=("ML06",),
    ),
    "measurement": _Part(
        stage="supply chain: the readout between the device and the class",
        atlas=("AML.T0010", "AML.T0010.000"),
        nistaml=("NISTAML.051",),
        owasp=("ML06", "ML09"),
    ),
    "transfer": _Part(
        stage="inference: the input, made on a surrogate",
        atlas=("AML.T0015",),
        nistaml=("NISTAML.022", "NISTAML.025"),
        owasp=("ML01",),
        crafted=True,
    ),
}

# An input that is made for a model: how, by what is known of it.
_CRAFTED = {
    "white": ("AML.T0043.000",),
    "gray": ("AML.T0043.000",),
    "black": ("AML.T0043.001",),
    "decision": ("AML.T0043.001",),
    "transfer": ("AML.T0043.002",),
}
_ASKED = ("black", "decision")

# Attacks that lie in wait: the model is good until its trigger comes.
_BACKDOORS = ("trojan", "backdoor")
# Surrogates that are trained on the answers of the model itself.
_EXTRACTIONS = ("extraction", "extracted")


def taxonomy(where: str, name: str, *, goal: str, capability: str, knowledge: str) -> TaxonomyRecord:
    """The place of one attack.

    Args:
        where: the part it acts on.
        name: of the attack; a backdoor and an extraction are told by theirs.
        goal: one line.
        capability: one line.
        knowledge: `"white"`, `"gray"`, `"black"`, `"decision"` or `"transfer"`.

    Example:
        >>> known = {"goal": "a wrong class", "capability": "sets weights", "knowledge": "white"}
        >>> taxonomy("parameters", "worst-case", **known).nistaml
        ['NISTAML.026']
        >>> taxonomy("gates", "trojan", **known).atlas
        ['AML.T0010', 'AML.T0010.000', 'AML.T0018', 'AML.T0043.004']
    """
    part = _PARTS[where]
    atlas, nistaml, owasp = [*part.atlas], [*part.nistaml], [*part.owasp]
    if part.crafted:
        atlas += _CRAFTED[knowledge]
        nistaml += ["NISTAML.025"] if knowledge in _ASKED else []
    if any(word in name for word in _BACKDOORS):
        atlas += ["AML.T0018", "AML.T0043.004"]
        nistaml += ["NISTAML.023"]
        owasp += ["ML10"]
    if any(word in name for word in _EXTRACTIONS):
        atlas += ["AML.T0024.002"]
        nistaml += ["NISTAML.031"]
        owasp += ["ML05"]
    return TaxonomyRecord(
        stage=part.stage,
        goal=goal,
        capability=capability,
        knowledge=knowledge,
        atlas=_distinct(atlas),
        nistaml=_distinct(nistaml),
        owasp=_distinct(owasp),
    )


def joined(found: Iterable[TaxonomyRecord]) -> TaxonomyRecord:
    """What several attacks on one part come to together: each different line and id once.

    Example:
        >>> one = taxonomy("gates", "fault", goal="a", capability="b", knowledge="white")
        >>> two = taxonomy("gates", "trojan", goal="c", capability="b", knowledge="white")
        >>> joined([one, two]).goal, joined([one, two]).capability
        ('a; c', 'b')
    """
    records = list(found)

    def lines(of: str) -> str:
        return "; ".join(_distinct(getattr(record, of) for record in records))

    def ids(of: str) -> list[str]:
        return _distinct(value for record in records for value in getattr(record, of))

    return TaxonomyRecord(
        stage=lines("stage"),
        goal=lines("goal"),
        capability=lines("capability"),
        knowledge=lines("knowledge"),
        atlas=ids("atlas"),
        nistaml=ids("nistaml"),
        owasp=ids("owasp"),
    )


def _distinct(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))

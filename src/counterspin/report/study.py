"""A noise study as one offline HTML document."""

from counterspin.evaluation.analysis.records import NoiseStudyRecord
from counterspin.report import tables
from counterspin.report.attacker import threat_words
from counterspin.report.charts import study as charts
from counterspin.report.document import Mark, document
from counterspin.report.figures import Figure
from counterspin.report.formats import number

__all__ = ["render_study"]

_CHANNELS = {
    "global-depolarizing": "Global depolarising before the measurement",
    "depolarizing": "Depolarising after each gate",
    "amplitude-damping": "Amplitude damping after each gate",
    "dephasing": "Dephasing after each gate",
    "over-rotation": "Coherent over-rotation of each gate, radians",
    "readout": "Readout error s: P(read 1 | 0) = s, P(read 0 | 1) = 2 s",
}


def render_study(record: NoiseStudyRecord) -> str:
    """The study as one HTML document in the style of the report."""
    quick = record.settings.get("tier") == "quick"
    return document(
        "study.html.j2",
        mark=Mark(verdict="warn" if quick else "pass", text="quick settings" if quick else "standard settings"),
        figures={
            "ladder": _ladder(record),
            "radius": _radius(record),
            "map": _map(record),
            "drift": _drift(record),
            "mitigation": _mitigation(record),
        },
        context={
            "record": record,
            "name": str(record.model.get("name", "unnamed model")),
            "dataset": str(record.dataset.get("name", "unnamed data")),
            "eps": number(float(record.settings["eps"])),
            "threat": threat_words(record.threat),
        },
    )


def _ladder(record: NoiseStudyRecord) -> list[Figure]:
    found = []
    for channel in dict.fromkeys(point.channel for point in record.ladder):
        points = [point for point in record.ladder if point.channel == channel and point.readout == "own"]
        found.append(
            Figure(
                key=f"ladder-{channel}",
                title=_CHANNELS.get(channel, channel),
                note=f"{record.samples} samples; the attack is run anew through each noise at "
                f"ε = {number(float(record.settings['eps']))}. Shaded: its 95 % interval.",
                chart=charts.ladder_chart(points),
                table=tables.ladder_table([point for point in record.ladder if point.channel == channel]),
                choice=True,
            )
        )
    return found


def _radius(record: NoiseStudyRecord) -> list[Figure]:
    known = [point for point in record.ladder if point.radius is not None]
    if not known:
        return []
    kind = known[0].radius_kind
    return [
        Figure(
            key="radius",
            title="How far the boundary is",
            note=f"Median radius over all samples, misclassified ones as 0: {kind}. Under global depolarising the "
            "exact radius of a balanced readout is flat by theorem, and moves otherwise. C1 and C3 are bounds from "
            "class probabilities, drawn as distances of features where those are known.",
            chart=charts.radius_chart(known),
            table=None,
            choice=False,
        )
    ]


def _map(record: NoiseStudyRecord) -> list[Figure]:
    if not any(cell.noise_effect is not None for cell in record.map):
        return []
    return [
        Figure(
            key="map",
            title="Change of attack success by noise",
            note="Points by which the attack through the noise breaks more (+) or less (−) than the attack without "
            "noise, on samples that are correct in both. A star: clear after Holm's adjustment over all cells.",
            chart=charts.masking_map(record.map),
            table=tables.map_table(record.map),
        )
    ]


def _drift(record: NoiseStudyRecord) -> list[Figure]:
    if not record.drift:
        return []
    eps = float(record.settings["eps"])
    return [
        Figure(
            key="drift",
            title=f"Inputs made under one noise, shown under another, ε = {number(eps)}",
            note="Share of the correct samples that each set of inputs breaks. On the diagonal the target's own "
            "attack; a star: clearly different from it.",
            chart=charts.drift_matrix(record.drift, eps),
            table=tables.drift_table(record.drift),
        )
    ]


def _mitigation(record: NoiseStudyRecord) -> list[Figure]:
    if len(record.mitigation) < 2:
        return []
    return [
        Figure(
            key="mitigation",
            title="Mitigated against unmitigated",
            note="Paired difference on the same samples with its 95 % interval. One that crosses the dashed line shows "
            "no difference.",
            chart=charts.mitigation_plot(record.mitigation),
            table=tables.mitigation_table(record.mitigation),
        )
    ]

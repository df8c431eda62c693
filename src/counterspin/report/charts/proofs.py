"""Certificate against attack: one point per sample, which can only lie on the diagonal or below."""

import altair as alt
import torch

from counterspin.report.attacker import threat_words
from counterspin.report.charts.base import Chart, finish, legend, picked
from counterspin.report.formats import count, number
from counterspin.report.proofs import Proofs

__all__ = ["proof_chart"]

_SHAPES = ["circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left"]
_MOST = 1000  # points that can be told apart


def proof_chart(proofs: Proofs, threat: dict) -> Chart:
    """Certified radius of each correctly classified sample against the nearest input known to flip.

    The colour is the method that proves most of it; hollow points at the right edge have no known flip.
    """
    rows, edge = _rows(proofs), _edge(proofs)
    methods = list(dict.fromkeys(method.name for method in proofs.methods))
    shown = [name for name in methods if any(row["series"] == name for row in rows)]
    unit, norm = threat_words(threat)
    choice, opacity = picked()
    domain = [0.0, edge * 1.04]
    x = (
        alt.X("distance:Q")
        .title(f"nearest input known to flip ({unit}, {norm})")
        .scale(domain=domain, nice=False)
        .axis(format="~g", tickCount=6)
    )
    y = alt.Y("radius:Q").title("certified radius").scale(domain=domain, nice=False).axis(format="~g", tickCount=6)
    hints = [
        alt.Tooltip("sample:Q", title="sample"),
        alt.Tooltip("series:N", title="proved by"),
        alt.Tooltip("radius:Q", format=".4~g", title="certified radius"),
        alt.Tooltip("known:N", title="nearest flip"),
    ]
    color = alt.Color("series:N").scale(domain=shown).legend(legend())
    shape = alt.Shape("series:N").scale(domain=shown, range=_SHAPES[: len(shown)]).legend(legend())
    ends = [{"distance": 0.0, "radius": 0.0}, {"distance": edge, "radius": edge}]
    diagonal = alt.Chart(alt.Data(values=ends)).mark_line(strokeDash=[6, 4], opacity=0.6).encode(x=x, y=y)
    base = alt.Chart(alt.Data(values=rows)).encode(x=x, y=y, color=color, shape=shape, opacity=opacity, tooltip=hints)
    closed = base.transform_filter("datum.found").mark_point(filled=True, size=40)
    open_ = base.transform_filter("!datum.found").mark_point(filled=False, size=40)
    ratio = torch.cat([proofs.tightness(method) for method in proofs.methods]).view(len(proofs.methods), -1)
    tight = f", at the median {float(ratio.amax(dim=0).median()):.3f} of it" if ratio.numel() else ""
    summary = (
        f"Certified radius against the nearest input known to flip, {count(len(rows))} correctly classified samples: "
        f"no point lies above the diagonal{tight}."
    )
    return finish(alt.layer(diagonal, closed.add_params(choice), open_), summary, 420)


def _edge(proofs: Proofs) -> float:
    """End of both axes: the largest distance or radius, the largest ε where nothing was found beyond it."""
    values = torch.cat([proofs.nearest[proofs.correct], proofs.radius[proofs.correct]])
    known = values[torch.isfinite(values)].tolist()
    return max([*known, *[proofs.largest] * (len(known) < len(values))], default=proofs.largest) or proofs.largest


def _rows(proofs: Proofs) -> list[dict]:
    edge, radius, chosen = _edge(proofs), proofs.radius, proofs.chosen
    ids = proofs.correct.nonzero()[:, 0]
    if len(ids) > _MOST:
        ids = ids[torch.linspace(0, len(ids) - 1, _MOST).round().long()]
    rows = []
    for sample in ids.tolist():
        nearest, proved = float(proofs.nearest[sample]), float(radius[sample])
        found = nearest < float("inf")
        rows.append(
            {
                "sample": sample,
                "series": proofs.methods[int(chosen[sample])].name,
                "distance": round(nearest if found else edge, 6),
                "radius": round(min(proved, edge), 6),
                "found": found,
                "known": number(nearest) if found else "none known",
            }
        )
    return rows

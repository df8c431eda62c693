import pytest
import torch
from torch import Tensor

from counterspin.report import charts, tables
from counterspin.report.proofs import MethodProof, Proofs

INF = float("inf")


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def method(name: str, *radii: float, exact: bool = False) -> MethodProof:
    flags = torch.full((len(radii),), exact)
    return MethodProof(name=name, radius=tensor(*radii), exact=flags, seconds=0.5)


def by_hand() -> Proofs:
    """Five samples, the first misclassified, the last without a known flip."""
    return Proofs(
        methods=(method("lipschitz", 0, 0.1, 0.1, 0.2, 0.3), method("bures", 0, 0.05, 0.15, 0.2, 0.1)),
        nearest=tensor(0, 0.2, 0.2, 0.4, INF),
        correct=torch.tensor([False, True, True, True, True]),
        largest=0.5,
    )


def test_the_best_method_of_each_sample() -> None:
    proofs = by_hand()
    assert proofs.radius.tolist() == [0, 0.1, 0.15, 0.2, 0.3]
    assert proofs.chosen.tolist() == [0, 0, 1, 0, 0]  # a tie goes to the earlier method
    assert proofs.tightness(proofs.methods[0]).tolist() == pytest.approx([0.5, 0.5, 0.5])


def test_one_point_per_correct_sample_and_none_above_the_diagonal() -> None:
    chart = charts.proof_chart(by_hand(), {"norm": "l2", "units": "relative"})
    diagonal, points, _ = chart.spec["layer"]
    rows = points["data"]["values"]
    assert [row["sample"] for row in rows] == [1, 2, 3, 4]
    assert [row["series"] for row in rows] == ["lipschitz", "bures", "lipschitz", "lipschitz"]
    assert all(row["radius"] <= row["distance"] for row in rows)
    # Nothing known: a hollow point at the edge, which is the largest ε that was looked at.
    assert (rows[3]["distance"], rows[3]["found"], rows[3]["known"]) == (0.5, False, "none known")
    assert diagonal["data"]["values"][1] == {"distance": 0.5, "radius": 0.5}
    assert points["encoding"]["x"]["title"] == "nearest input known to flip (share of ‖x‖, L2)"
    assert "4 correctly classified" in chart.summary
    assert "0.500" in chart.summary  # median of 0.5, 0.75 and 0.5


def test_where_everything_is_known_the_axes_end_with_the_data() -> None:
    proofs = by_hand()
    known = Proofs(methods=proofs.methods, nearest=tensor(0, 0.2, 0.2, 0.4, 0.4), correct=proofs.correct, largest=9.0)
    rows = charts.proof_chart(known, {"norm": "l2"}).spec["layer"][0]["data"]["values"]
    assert rows[1] == {"distance": 0.4, "radius": 0.4}


def test_an_unflippable_sample_stays_inside_the_figure() -> None:
    proofs = by_hand()
    unflippable = Proofs(
        methods=(method("exact-l2", 0, INF, 0.15, 0.2, 0.3),),
        nearest=proofs.nearest.masked_fill(torch.tensor([False, True, False, False, False]), INF),
        correct=proofs.correct,
        largest=0.5,
    )
    rows = charts.proof_chart(unflippable, {"norm": "l2"}).spec["layer"][1]["data"]["values"]
    assert (rows[0]["radius"], rows[0]["distance"], rows[0]["found"]) == (0.5, 0.5, False)


@pytest.mark.slow
def test_long_samples_are_thinned() -> None:
    many = torch.linspace(0.1, 0.4, 4000, dtype=torch.float64)
    proofs = Proofs(
        methods=(MethodProof(name="exact-l2", radius=many, exact=many > 0, seconds=1.0),),
        nearest=many,
        correct=many > 0,
        largest=0.5,
    )
    rows = charts.proof_chart(proofs, {"norm": "l2"}).spec["layer"][1]["data"]["values"]
    assert len(rows) <= 1000
    assert (rows[0]["sample"], rows[-1]["sample"]) == (0, 3999)


def test_table_by_hand(record) -> None:
    table = tables.proofs_table(record, by_hand())
    rows = {row[0]: [cell.replace("\u00a0", " ") for cell in row[1:]] for row in table.rows}
    # Of five samples at ε = 0.05, 0.1, 0.15: a radius of exactly ε proves nothing.
    assert rows["lipschitz"] == ["80.0 %", "40.0 %", "40.0 %", "0.1", "0.5", "0.0 %", "75.0 %", "0.50"]
    assert rows["bures"] == ["60.0 %", "40.0 %", "20.0 %", "0.1", "0.5", "0.0 %", "25.0 %", "0.50"]
    assert [column.replace("\u00a0", " ") for column in table.columns[1:3]] == [
        "Proved at ε = 0.05",
        "Proved at ε = 0.1",
    ]

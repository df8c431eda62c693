"""The tables of the pages on attacks and sanity checks are what the package holds."""

import inspect
import json
import re
from pathlib import Path

from counterspin.attacks import every_attack
from counterspin.attacks.quantum.registry import WHERE, attacks_at
from counterspin.cli.app import run
from counterspin.evaluation.sanity.runner import CHECKS
from counterspin.evaluation.sanity.zoo import specimens

DOCS = Path(__file__).parents[1] / "docs"
NORMS = {"linf": "L∞", "l2": "L2", "l1": "L1", "l0": "L0"}


def rows(page: str, first: str) -> list[list[str]]:
    """Cells of the table rows whose first cell matches `first`."""
    found = re.findall(rf"^\| ({first}) \|(.+)\|$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
    return [[name.strip("`"), *(cell.strip() for cell in cells.split("|"))] for name, cells in found]


def test_the_table_of_attacks_is_the_list_the_command_prints(capsys):
    assert run(["list", "attacks", "--json"]) == 0
    built_in = [row for row in json.loads(capsys.readouterr().out) if row["source"] == "built-in"]
    listed = [row for row in built_in if row["where"] == "features"]
    expected = [
        [
            row["name"],
            " ".join(NORMS[norm] for norm in row["norms"]),
            row["knowledge"],
            ", ".join(row["requires"]).replace("_", " ") or "–",
        ]
        for row in listed
    ]
    assert [row[:4] for row in rows("attacks.md", "`[a-z-]+`") if len(row) == 5] == expected
    assert [row["name"] for row in listed if not row["targeted"]] == ["exact", "exact-boxed"]  # as the page says


def test_every_attack_on_a_quantum_part_is_in_the_table():
    page = (DOCS / "quantum_parts.md").read_text(encoding="utf-8")
    table = page[page.index("| attack | threat model") : page.index("\n## States")]
    named = set(re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE))
    assert named == {attack.name for where in WHERE for attack in attacks_at(where)}


def test_the_table_of_certificates_is_the_list_the_command_prints(capsys):
    assert run(["list", "certificates", "--json"]) == 0
    listed = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert [row[0] for row in rows("certificates.md", "`[a-z0-9-]+`") if len(row) == 4] == listed


def test_papers_of_the_table_are_those_of_the_source_files():
    sources = {attack.name: Path(inspect.getfile(type(attack))).read_text("utf-8") for attack in every_attack()}
    for name, *_, source in rows("attacks.md", "`[a-z-]+`"):
        for paper in re.findall(r"arXiv:\d{4}\.\d{5}", source):
            assert paper in sources[name], (name, paper)


def test_every_check_is_in_the_table_with_its_tier():
    assert [row[:1] + row[2:3] for row in rows("sanity.md", r"S\d\d")] == [[c.id, c.tier] for c in CHECKS]


def test_the_zoo_of_the_page_is_the_zoo():
    described = {s.name: [s.reason, s.expected or "–"] for s in specimens(samples=2)}
    text = (DOCS / "sanity.md").read_text(encoding="utf-8").split("| specimen |")[1]
    table = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", text, re.MULTILINE)
    assert {name: rest for name, *rest in table} == described

"""The zoo of masked circuits through `cs.audit`: attacks of the quick tier, checks of the standard one.

A program of its own, since the tests' run-time type checks would triple its minutes.
"""

import json
from collections.abc import Sequence

from counterspin.api import audit
from counterspin.attacks.registry import adapted, applicable, suite
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.zoo import Specimen, specimens
from counterspin.evaluation.sanity.zoo_matrix import matrix_text, surprises, zoo_matrix

SAMPLES = 30


def audited(specimen: Specimen) -> Sequence[CheckRecord]:
    serving = (adapted(attack, specimen.model) for attack in suite("quick"))
    attacks, _ = applicable(serving, specimen.model, specimen.threat)
    found = audit(specimen.model, specimen.x, specimen.y, specimen.threat, tier="standard", attacks=attacks)
    return found.record.sanity.checks


if __name__ == "__main__":
    zoo = specimens(samples=SAMPLES)
    matrix = zoo_matrix(audited, zoo)
    print(json.dumps({"matrix": matrix, "surprises": surprises(matrix, zoo), "text": matrix_text(matrix)}))

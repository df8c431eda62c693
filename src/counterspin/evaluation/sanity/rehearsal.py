"""A whole evaluation in memory, without a run directory: what the checks need to be tried on a model."""

from collections.abc import Sequence

import torch

from counterspin.attacks.base import Attack
from counterspin.attacks.verdict import margins
from counterspin.certificates.registry import methods
from counterspin.errors import CapabilityError, ConditionsError
from counterspin.evaluation.fingerprints import model_digest
from counterspin.evaluation.sanity.base import SanityContext, StoredRows
from counterspin.evaluation.sanity.reproducibility import samples_digest
from counterspin.evaluation.sanity.zoo import Specimen
from counterspin.evaluation.seeds import derived_generator

__all__ = ["rehearse"]


def rehearse(specimen: Specimen, suite: Sequence[Attack], *, seed: int = 0) -> SanityContext:
    """Attack and certify a specimen as an audit does, and hand over what its checks see.

    Args:
        specimen: model, samples and threat.
        suite: the attacks; those that refuse the model or threat are left out.
        seed: of every random stream.

    Raises:
        ModelError: scores that cannot be used.
        CapabilityError: no attack of the suite serves the model.
    """
    model, x, y, threat = specimen.model, specimen.x, specimen.y, specimen.threat
    refusals = {attack.name: attack.refusal(model, threat) for attack in suite}
    serving = {attack.name: attack for attack in suite if refusals[attack.name] is None}
    if not serving:
        raise CapabilityError(f"no attack serves {specimen.name}: {next(iter(refusals.values()))}")
    margins(model, x, y)
    with torch.no_grad():
        scores = model(x).double()
    results = {
        name: attack(model, x, y, threat, generator=derived_generator(seed, "attack", name))
        for name, attack in serving.items()
    }
    certificates = []
    for certificate in methods("quick"):
        try:
            certificates.append(certificate(model, x, y, threat))
        except (CapabilityError, ConditionsError):
            continue
    standing = torch.stack([found.correct & ~found.success for found in results.values()]).all(dim=0)
    return SanityContext(
        model=model,
        x=x,
        y=y,
        threat=threat,
        scores=scores,
        results=results,
        suite=serving,
        certificates=tuple(certificates),
        stored={name: result.x_adv for name, result in results.items()},
        provenance={"model_sha256": model_digest(model, x), "samples_sha256": samples_digest(x, y)},
        seed=seed,
        reported=tuple(standing.double().mean(dim=1).tolist()),
        rows={name: StoredRows(correct=found.correct, broken=found.success) for name, found in results.items()},
    )

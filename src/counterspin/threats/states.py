"""Threats to quantum data: the only ball of amplitudes that is a ball of states."""

from counterspin.errors import UsageError
from counterspin.threats.model import ThreatModel

__all__ = ["check_threat_to_states"]


def check_threat_to_states(threat: ThreatModel, name: str) -> None:
    """Refuse a threat to single amplitudes of quantum data, which no attacker of states is bound by.

    States are unit vectors up to a phase. Within L2 and without a box, a budget ε lets the direction turn by
    `arcsin(ε)`: a distance between states. A box, other norms, masks and groups depend on the basis.

    Args:
        threat: what an attacker may do to the amplitudes.
        name: of the states, for the message.

    Raises:
        UsageError: another norm than L2, a box, or constraints on single amplitudes of quantum data.

    Example:
        >>> from counterspin.threats import L2
        >>> check_threat_to_states(L2(0.1, box="none"), "tfim-phases")
    """
    constraints = threat.constraints
    odd = [
        word
        for word, given in (
            (f"norm is {threat.norm!r}", threat.norm != "l2"),
            (f"box is {threat.box!r}", threat.box != "none"),
            ("a mask is given", constraints.mask is not None),
            ("groups are given", bool(constraints.groups)),
            ("tied features are given", bool(constraints.tied)),
        )
        if given
    ]
    if odd:
        raise UsageError(
            f"{' and '.join(odd)}, and {name} is about quantum states, whose single amplitudes mean "
            "nothing to an attacker; use norm l2 without a box, or attack the states (--where state)."
        )

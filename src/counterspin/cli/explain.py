"""`counterspin doctor --explain MODEL`: what a model's circuit compiles to, and what it costs."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from counterspin.circuits import Circuit, Readout
from counterspin.cli.targets import model_called
from counterspin.errors import UsageError
from counterspin.simulation import FOLDED_QUBITS, engine_name, folding_flops, pays_to_fold
from counterspin.simulation.kernels import PassKind, kernel, lower
from counterspin.types import HasChannels, HasCircuit

__all__ = ["explanation", "print_explanation"]

_KINDS = {
    PassKind.LOCAL: "one qubit",
    PassKind.LOCAL_PAIR: "two qubits",
    PassKind.CONTROLLED: "controlled",
    PassKind.PHASE_PAIR: "ZZ rotation",
    PassKind.FLIP_PAIR: "XX or YY rotation",
    PassKind.SIGNS: "signs",
}

# Widths that fit a table of 100 columns, and a batch that gives figures of a readable size.
_WIDTH, _WHAT, _BATCH = 100, 57, 256


def explanation(name: str) -> dict[str, Any]:
    """Passes, operations, folding and memory of the circuit of a recipe or a saved model, JSON values.

    Operations are floating-point operations per sample, forward and backward (both states back, all gradients); memory
    is in bytes.

    Raises:
        UsageError: no such model, or one without a circuit.
        ModelError: a saved model that cannot be read.

    Example:
        >>> facts = explanation("cancer-angle")
        >>> facts["gates"], len(facts["passes"])
        (48, 8)
    """
    model = model_called(name)
    if not isinstance(model, HasCircuit):
        raise UsageError(
            f"{name} is a {type(model).__name__}, which runs no circuit; give a quantum or hybrid model "
            "(see `counterspin list recipes`)."
        )
    if isinstance(model, HasChannels):
        raise UsageError(f"{name} runs its circuit under noise, by another engine; give the model without noise.")
    circuit, readout = model.circuit, model.readout
    program = lower(circuit, readout.measurement)
    compiled = kernel()
    return {
        "model": name,
        "engine": engine_name(),
        "qubits": circuit.qubits,
        "gates": len(circuit.gates),
        "values": program.values,
        "passes": [
            {"kind": _KINDS[step.kind], "what": str(step), "flops": _both(cost)}
            for step, cost in zip(program.passes, program.costs, strict=True)
        ],
        "flops": _both(program.flops),
        "folding": _folding(circuit, readout),
        "memory": {
            "per_thread": None if compiled is None else compiled.thread_bytes(circuit.qubits),
            "kept_per_sample": 8 * 2**circuit.qubits,
        },
    }


def print_explanation(facts: dict[str, Any]) -> None:
    """The same as a table of at most 100 columns, operations in Mflop per batch of 256."""
    terminal = Console()
    # A pipe has no width of its own; a narrower terminal shortens what the passes do, nothing else.
    console = Console(highlight=False, width=min(terminal.width, _WIDTH) if terminal.is_terminal else _WIDTH)
    title = f"{facts['model']}: {facts['qubits']} qubits, {facts['gates']} gates in {len(facts['passes'])} passes"
    table = Table(
        "", "pass", "what", title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for heading in ("forward", "backward"):
        table.add_column(heading, justify="right", no_wrap=True)
    for number, step in enumerate(facts["passes"], start=1):
        what = Text("\n".join(_shortened(line) for line in step["what"].split("; ")), no_wrap=True, overflow="ellipsis")
        table.add_row(str(number), step["kind"], what, *_megaflops(step["flops"]))
    table.add_section()
    table.add_row("", "total", f"{facts['values']} measured values", *_megaflops(facts["flops"]))
    console.print(table)
    for line in (
        f"Figures are Mflop per batch of {_BATCH} samples; CNOT, SWAP and X cost nothing.",
        f"Engine: {facts['engine']}.",
        f"Frozen: {facts['folding']['why']}.",
        _memory(facts["memory"]),
    ):
        console.print(line, markup=False, soft_wrap=True)


def _folding(circuit: Circuit, readout: Readout) -> dict[str, Any]:
    """Whether the frozen model is folded, the operations per sample of both ways, and the reason as a clause."""
    folded = pays_to_fold(circuit, readout)
    if circuit.amplitudes is None or circuit.depends_on_inputs_by_gates:
        return {"folded": folded, "flops": None, "why": "gate by gate, because data enters through gate angles"}
    if circuit.qubits > FOLDED_QUBITS:
        return {"folded": folded, "flops": None, "why": f"gate by gate, because it has over {FOLDED_QUBITS} qubits"}
    forms, gates = folding_flops(circuit, readout)
    if kernel() is None:
        why = "folded to one quadratic form per class, which is always faster than the torch engine"
    else:
        way = "folded to one quadratic form per class" if folded else "gate by gate"
        why = f"{way}, because scores and input gradient take {forms:,.0f} flop folded and {gates:,.0f} gate by gate"
    return {"folded": folded, "flops": {"folded": forms, "gate_by_gate": gates}, "why": why}


def _both(flops: tuple[float, float]) -> dict[str, float]:
    return {"forward": flops[0], "backward": flops[1]}


def _megaflops(flops: dict[str, float]) -> tuple[str, str]:
    forward, backward = (f"{_BATCH * flops[way] / 1e6:.3g}" for way in ("forward", "backward"))
    return forward, backward


def _memory(memory: dict[str, Any]) -> str:
    kept = f"{_size(memory['kept_per_sample'])} per sample kept for a float32 gradient"
    if memory["per_thread"] is None:
        return f"Memory: {kept}."
    return f"Memory: {_size(memory['per_thread'])} per thread for two states, and {kept}."


def _size(count: float) -> str:
    units = ["B", "KiB", "MiB"]
    while count >= 1024 and len(units) > 1:
        count, units = count / 1024, units[1:]
    return f"{count:g} {units[0]}"


def _shortened(text: str) -> str:
    return text if len(text) <= _WHAT else f"{text[: _WHAT - 1]}…"

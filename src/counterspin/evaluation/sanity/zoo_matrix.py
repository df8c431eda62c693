"""The matrix zoo x checks: which check fires on which specimen."""

from collections.abc import Callable, Iterable, Mapping

from counterspin.errors import CounterspinError
from counterspin.evaluation.records import CheckRecord
from counterspin.evaluation.sanity.zoo import Specimen

__all__ = ["FEW_SAMPLES", "Matrix", "fired", "matrix_text", "surprises", "zoo_matrix"]

Matrix = dict[str, dict[str, str]]

# Checks that warn about the number of samples, which is small in the zoo by design.
FEW_SAMPLES = ("S25", "S26")
_SIGNS = {"PASS": ".", "WARN": "W", "FAIL": "F", "SKIP": "-", "INFO": "i"}


def zoo_matrix(evaluate: Callable[[Specimen], Iterable[CheckRecord]], zoo: Iterable[Specimen]) -> Matrix:
    """The status of each check on each specimen, or the error an evaluation ended with.

    Args:
        evaluate: gives the check records of one specimen, for example by an audit.
        zoo: the specimens.

    Returns:
        `{specimen: {check id: status}}`; for an error `{specimen: {name of the error: "FAIL"}}`.
    """
    matrix: Matrix = {}
    for specimen in zoo:
        try:
            matrix[specimen.name] = {record.id: record.status for record in evaluate(specimen)}
        except CounterspinError as error:
            matrix[specimen.name] = {type(error).__name__: "FAIL"}
    return matrix


def fired(row: Mapping[str, str]) -> set[str]:
    """Ids that WARN or FAIL in a row, without those that only ask for more samples."""
    return {name for name, status in row.items() if status in ("WARN", "FAIL") and name not in FEW_SAMPLES}


def surprises(matrix: Matrix, zoo: Iterable[Specimen]) -> list[str]:
    """What the matrix should not show, as sentences: an expected check that is silent, another one that fires."""
    found = []
    for specimen in zoo:
        seen = fired(matrix[specimen.name])
        if specimen.expected and specimen.expected not in seen:
            found.append(f"{specimen.name}: {specimen.expected} is silent")
        found += [f"{specimen.name}: {i} fires" for i in sorted(seen - {specimen.expected, *specimen.also})]
    return found


def matrix_text(matrix: Matrix) -> str:
    """The matrix as text, one line per specimen: `.` PASS, `W` WARN, `F` FAIL, `-` SKIP, `i` INFO.

    Example:
        >>> print(matrix_text({"plain": {"S01": "PASS", "S17": "SKIP"}, "masked": {"S01": "PASS", "S17": "FAIL"}}))
        model   S01  S17
        plain    .    -
        masked   .    F
    """
    checks = sorted({name for row in matrix.values() for name in row if _is_check(name)})
    width = max([5, *map(len, matrix)]) + 1
    lines = [f"{'model':<{width}}" + "".join(f" {name} " for name in checks)]
    for name, row in matrix.items():
        errors = [key for key in row if not _is_check(key)]
        cells = "".join(f"  {_SIGNS.get(row.get(check, ''), ' ')}  " for check in checks)
        lines.append(f"{name:<{width}}" + (f" {errors[0]}" if errors else cells))
    return "\n".join(line.rstrip() for line in lines)


def _is_check(name: str) -> bool:
    return name[:1] == "S" and name[1:].isdigit()

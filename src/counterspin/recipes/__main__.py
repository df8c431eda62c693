"""`python -m counterspin.recipes [NAME ...]`: train the committed weights again, all recipes by default."""

import sys
from pathlib import Path

from counterspin.errors import CounterspinError
from counterspin.recipes.commit import commit
from counterspin.recipes.registry import get, names


def main(arguments: list[str]) -> int:
    """Train each named recipe and print what was measured; the exit code."""
    try:
        for name in [get(argument).name for argument in arguments] or names():
            card = commit(name, work=Path("runs/recipes"))
            accuracies = ", ".join(f"{row['test_accuracy']:.1%}" for row in card["seeds"])
            scales = ", ".join(f"{row['logit_scale']:.4g}" for row in card["seeds"] if row["logit_scale"] is not None)
            bar = "no bar" if card["bar"] is None else f"bar {card['bar']:.1%}"
            print(
                f"{name}: test {card['mean_test_accuracy']:.2%} ({accuracies}), {bar}"
                + (f", T {scales}" if scales else "")
            )
    except CounterspinError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; finished epochs are in runs/recipes, the same command resumes.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

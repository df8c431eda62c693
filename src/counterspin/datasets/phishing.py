"""Phishing websites (Abdelhamid, Ayesh, Thabtah, Expert Syst. Appl. 41, 2014), the copy inside river."""

import csv
import gzip
import importlib.util
from pathlib import Path

import numpy as np

from counterspin.datasets._build import build
from counterspin.datasets.constraints import FeatureConstraints
from counterspin.datasets.dataset import Dataset
from counterspin.errors import InputError, MissingExtraError
from counterspin.types import Box

__all__ = ["PHISHING_CONSTRAINTS", "PHISHING_FEATURES", "phishing"]

_THREE, _TWO = (0.0, 0.5, 1.0), (0.0, 1.0)

# Name in river: values that occur, whether the phisher decides, and why.
_TABLE: dict[str, tuple[tuple[float, ...], bool, str]] = {
    "empty_server_form_handler": (_THREE, True, "The form of the page names where it sends its data."),
    "popup_window": (_THREE, True, "The page opens its own windows."),
    "https": (_THREE, True, "Certificates are issued to anybody who runs a domain."),
    "request_from_other_domain": (_THREE, True, "The page can copy images and scripts instead of linking to them."),
    "anchor_from_other_domain": (_THREE, True, "The page writes its own links."),
    "is_popular": (_THREE, False, "A traffic rank is counted by a third party over the visits of others."),
    "long_url": (_THREE, True, "The phisher names the path of the page."),
    "age_of_domain": (
        _TWO,
        False,
        "The registry dates a domain; an old one must be bought or broken into.",
    ),
    "ip_in_url": (_TWO, True, "The phisher chooses to send an address or a domain name."),
}

PHISHING_FEATURES = tuple(_TABLE)
PHISHING_CONSTRAINTS = FeatureConstraints(
    controlled=tuple(controlled for _, controlled, _ in _TABLE.values()),
    values=tuple(values for values, _, _ in _TABLE.values()),
    reasons=tuple(reason for _, _, reason in _TABLE.values()),
)


def phishing(seed: int = 0) -> Dataset:
    """1250 websites, nine features in {0, ½, 1} or {0, 1}; 300 are tested.

    What a phisher controls follows SpacePhish (Apruzzese, Conti, Yuan, arXiv:2210.13660): the website space (address,
    content, certificate) is the phisher's, what third parties keep about the site (traffic rank, registration date) is
    not. The reason for each feature stands in `constraints`.

    Two warnings about the source. Half of the rows repeat the features of another row, so most test samples are also
    seen in training (`Dataset.repeated_share`), some of them under the other label: no classifier can be right on more
    than 96.7 % of all rows. And the labels are river's: it calls 548 rows phishing, while the UCI page the data come
    from (doi:10.24432/C5B301) describes 548 legitimate, 702 phishing and 103 dropped suspicious sites and codes
    legitimate as 1. The two classes may thus be named the wrong way round; nothing else depends on their names.

    Args:
        seed: decides the split.

    Raises:
        MissingExtraError: river is not installed.
        InputError: river's file is missing, damaged or has other columns.
    """
    x, y = _load()
    return build(
        x,
        y,
        name="phishing",
        test=300,
        seed=seed,
        bounds=Box.uniform(0.0, 1.0, features=len(PHISHING_FEATURES)),
        class_names=("legitimate", "phishing"),
        feature_names=PHISHING_FEATURES,
        constraints=PHISHING_CONSTRAINTS,
        source="UCI Website Phishing without its 103 suspicious sites, as shipped by river (datasets.Phishing)",
        licence="CC BY 4.0 (UCI); BSD-3-Clause (river)",
    )


def _load() -> tuple[np.ndarray, np.ndarray]:
    # Found, not imported: river takes seconds to import, and only its file is needed.
    package = importlib.util.find_spec("river")
    if package is None or package.origin is None:
        raise MissingExtraError(
            "The phishing websites come with river, which is not installed; run: pip install counterspin[data]"
        )
    file = Path(package.origin).parent / "datasets" / "phishing.csv.gz"
    try:
        with gzip.open(file, "rt", newline="") as text:
            rows = list(csv.DictReader(text))
        x = np.array([[float(row[name]) for name in PHISHING_FEATURES] for row in rows])
        return x, np.array([int(row["is_phishing"]) for row in rows], dtype=np.int64)
    except (OSError, EOFError, KeyError, ValueError) as error:
        raise InputError(
            f"{file} cannot be read as the phishing websites ({error!r}); install river 0.26: pip install river==0.26.1"
        ) from error

import re

import pytest

from counterspin.report import theme
from counterspin.report.theme import DARK, LIGHT, Palette


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_oracle() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_and_lines_are_readable(palette: Palette) -> None:
    for ground in (palette.ground, palette.surface):
        for text in (palette.ink, palette.muted, palette.link, palette.good, palette.caution, palette.bad):
            assert contrast(text, ground) >= 4.5, (text, ground)
    for line in palette.series:
        assert contrast(line, palette.ground) >= 3.0, line
    assert contrast(palette.bad, palette.bad_ground) >= 4.5
    assert contrast(palette.ink, palette.bad_ground) >= 4.5


def test_css_palette_refers_to_what_css_defines() -> None:
    defined = set(re.findall(r"(--[a-z0-9-]+):", LIGHT.css()))
    palette = theme.css_palette()
    used = {re.findall(r"--[a-z0-9-]+", value)[0] for value in (palette.ink, palette.bad_ground, *palette.series)}
    assert used <= defined
    assert len(palette.series) == len(LIGHT.series) == len(DARK.series)


def test_vega_config_puts_the_worst_case_in_ink() -> None:
    assert theme.vega_config(DARK)["range"]["category"] == [DARK.ink, *DARK.series, *DARK.series]

"""Every colour of the pages can be read on what it stands on, light and dark (WCAG 2.2, 1.4.3 and
1.4.11), without a browser; and one meaning has one colour."""

from __future__ import annotations

import re
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from toyrl.experiments.core import Curve
from toyrl.experiments.render.html import stylesheet
from toyrl.experiments.render.svg import colours
from toyrl.experiments.validate.collapse.section import outcome_picture

TEXT, GRAPHIC = 4.5, 3.0
INKS = ("ink", "quiet", "pass", "info", "warn", "fail", "link")
SERIES = [f"series-{k}" for k in range(colours.SERIES)]


def palettes() -> dict[str, dict[str, str]]:
    """light and dark -> variable -> colour, of the page and of its pictures."""
    css = str(stylesheet())
    found: dict[str, dict[str, str]] = {"light": {}, "dark": {}}
    for k, part in enumerate(re.split(r"@media \(prefers-color-scheme: ?dark\)", css)):
        dark, _, rest = part.partition("}}") if "}}" in part else part.partition("\n}")
        for scheme, text in (("dark" if k else "light", dark), ("light", rest)):
            pairs = re.findall(r"--([\w-]+): ?(#[0-9a-f]{3,6})\b", text)
            found[scheme] = {**dict(pairs), **found[scheme]}
    return found


def luminance(colour: str) -> float:
    digits = colour[1:]
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_can_be_told_from_what_is_behind(scheme):
    palette = palettes()[scheme]
    assert (luminance(palette["paper"]) > 0.5) == (scheme == "light")
    for ink, behind in product(INKS, ("paper", "card")):
        assert contrast(palette[ink], palette[behind]) >= TEXT, (scheme, ink, behind)
    for line in SERIES:
        assert contrast(palette[line], palette["paper"]) >= GRAPHIC, (scheme, line)


def test_slow_worlds_are_undecided_and_a_world_has_one_mark():
    judged = SimpleNamespace(
        accuracy=np.array([[0.5], [0.1], [0.2], [0.9]]),
        reference=np.full((4, 1), 0.5),
        collapsed=np.array([False, True, True, False]),
        slow=np.array([False, False, True, True]),
        learnable=np.array([True, True, True, False]),
    )
    picture = outcome_picture(judged, np.arange(4.0), "x")  # type: ignore[arg-type]
    marks = {c.label: list(c.x) for c in picture.curves}
    assert marks == {"kept": [0.0], "collapsed": [1.0], "undecided": [2.0]}


def test_one_meaning_has_one_colour_in_every_picture():
    def placed(*labels: str) -> list[int]:
        return colours.slots([Curve(label, [0], [0]) for label in labels])

    assert placed("right", "wrong") == [colours.GOOD, colours.BAD]
    assert placed("kept", "undecided", "collapsed") == [
        colours.GOOD, colours.UNDECIDED, colours.BAD]  # fmt: skip
    assert placed("by this reward", "by the truth", "softmax") == [colours.OWN, colours.GOOD, 1]
    assert placed("best for the truth", "best for this reward") == [colours.GOOD, colours.OWN]
    assert placed(*"abc") == [0, 1, 2]
    assert placed("right", "true accuracy") == [0, 1]  # two of one meaning stay apart
    assert len(set(placed(*"abcdefgh"))) == 8

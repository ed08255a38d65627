"""SVG pictures: well formed whatever the text, with marks where the axes say."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experiments.render.sample_report import HOSTILE, curve_picture, phase_picture
from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.render.svg.axes import Axis, edges, extent, log_ticks, tick_label, ticks
from toyrl.experiments.render.svg.heat import ramp
from toyrl.experiments.render.svg.lines import MOST_POINTS
from toyrl.experiments.render.svg.pictures import describe, svg

NS = "{http://www.w3.org/2000/svg}"
FINITE = st.floats(-1e6, 1e6)


def parse(picture: Picture) -> ElementTree.Element:
    return ElementTree.fromstring(svg(picture, standalone=True))


def line(*points: tuple[float, float], **options) -> Picture:
    curve = Curve("c", [x for x, _ in points], [y for _, y in points])
    return Picture("p", "t", "x", "y", (curve,), **options)


def marks(picture: Picture) -> list[tuple[float, float]]:
    """Pixels of the first curve's path."""
    paths = [p.get("d") for p in parse(picture).iter(f"{NS}path") if p.get("class") == "line s0"]
    plot = [p for p in paths if "h24" not in p]  # without the legend's sample
    numbers = re.findall(r"[-\d.]+", " ".join(plot))
    return [(float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


@given(st.text(), st.lists(st.tuples(FINITE, st.floats()), min_size=1, max_size=20))
def test_any_text_and_any_numbers_give_well_formed_svg(text, points):
    picture = line(*points, caption=text)
    parse(replace(picture, title=text, x_label=text, y_label=text))


def test_hostile_text_stays_text():
    root = parse(curve_picture(HOSTILE))
    assert not {e.tag for e in root.iter()} & {f"{NS}img", f"{NS}script", f"{NS}foreignObject"}
    assert "<U+202E>" in "".join(root.itertext())


@pytest.mark.parametrize("picture", [curve_picture(), phase_picture()])
def test_a_picture_says_what_it_shows(picture):
    root = parse(picture)
    ids = root.get("aria-labelledby").split()
    named = {e.get("id"): e.text for e in root.iter() if e.get("id")}
    assert [named[i] for i in ids] == [picture.title, describe(picture)]
    assert root.get("role") == "img"
    assert root.get("viewBox").split()[:2] == ["0", "0"]


def test_points_lie_where_the_grid_lines_say():
    picture = line((0, 0.0), (1, 0.5), (2, 1.0))
    root = parse(picture)
    heights = [float(e.get("y1")) for e in root.iter(f"{NS}line")]
    labels = [e.text for e in root.iter(f"{NS}text") if e.get("text-anchor") == "end"]
    at = dict(zip(labels[1:], heights, strict=False))  # the first is the axis's name
    (x0, y0), (x1, y1), (x2, y2) = marks(picture)
    assert (y0, y1, y2) == (at["0"], pytest.approx((at["0"] + at["1"]) / 2, abs=0.1), at["1"])
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)  # coordinates have one decimal


def test_equal_factors_are_equal_steps_on_a_log_axis():
    (x0, _), (x1, _), (x2, _) = marks(line((1, 1), (10, 2), (100, 3), log_x=True))
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.11)


def test_a_gap_interrupts_the_line():
    picture = line((0, 1), (1, 1), (2, math.nan), (3, 1), (4, 1))
    paths = [p for p in parse(picture).iter(f"{NS}path") if p.get("class") == "line s0"]
    assert len(paths) == 3  # two stretches and the legend's sample


def test_nothing_to_draw_is_said():
    assert "no values to draw" in svg(line((0, math.nan), (1, math.nan)))
    assert "no values to draw" in svg(Picture("p", "t", "x", "y"))


def test_long_curves_are_thinned_but_keep_their_extremes():
    points = [(k, math.sin(k)) for k in range(20_000)]
    points[7_777] = (7_777, 50.0)
    drawn = marks(line(*points))
    assert len(drawn) <= MOST_POINTS + 2
    peak = marks(line((0, -1.0), (7_777, 50.0), (19_999, -1.0)))[1]
    assert min(y for _, y in drawn) == pytest.approx(peak[1], abs=0.2)


def test_heat_map_has_a_cell_per_value():
    root = parse(phase_picture())
    cells = [e for e in root.iter(f"{NS}rect") if e.get("fill", "").startswith("#")]
    missing = [e for e in root.iter(f"{NS}rect") if e.get("class") == "missing"]
    assert (len(cells), len(missing)) == (54, 6)


def test_heat_map_runs_upwards():
    picture = Picture("p", "t", "x", "y", grid=[[0.0], [1.0]], grid_x=[0], grid_y=[0, 1])
    low, high = [e for e in parse(picture).iter(f"{NS}rect") if e.get("fill", "")[:1] == "#"]
    assert (low.get("fill"), high.get("fill")) == (ramp(0), ramp(1))
    assert float(low.get("y")) > float(high.get("y"))


def test_lines_on_a_heat_map_lie_where_its_axes_say():
    curve = Curve("edge", [0.0, 1.0, 5.0], [0.0, 1.0, 1.0], style="dashed")
    picture = Picture("p", "t", "x", "y", [curve, Curve("other", [0, 1], [1, 0])],
                      grid=[[0.0, 1], [1, 2]], grid_x=[0, 1], grid_y=[0, 1])  # fmt: skip
    root = parse(picture)
    cells = [e for e in root.iter(f"{NS}rect") if e.get("fill", "")[:1] == "#"]
    centre = [(float(e.get("x")) + (float(e.get("width")) - 0.5) / 2,
               float(e.get("y")) + (float(e.get("height")) - 0.5) / 2) for e in cells]  # fmt: skip
    drawn = [e for e in root.iter(f"{NS}path") if e.get("stroke") == "#fff"]
    line, other = drawn  # a pale line under each curve
    ends = [tuple(map(float, p.split())) for p in line.get("d")[1:].split("L")]
    # What lies outside is left out; coordinates have one decimal.
    assert ends == [pytest.approx(centre[0], abs=0.11), pytest.approx(centre[3], abs=0.11)]
    assert len(other.get("d").split("L")) == 2
    assert {"edge", "other"} <= {e.text for e in root.iter(f"{NS}text")}


def test_ramp_ends_are_those_of_viridis():
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    assert (ramp(0), ramp(1)) == tuple(to_hex(colormaps["viridis"](v)) for v in (0.0, 1.0))
    assert (ramp(-1), ramp(2)) == (ramp(0), ramp(1))


@given(FINITE, st.floats(1e-6, 1e6))
def test_ticks_are_round_inside_and_a_handful(low, width):
    high = low + width
    if high <= low + abs(low) * 1e-9:  # no two ticks differ there
        return
    found = ticks(low, high)
    assert 2 <= len(found) <= 9
    slack = 1e-6 * width + 1e-9 * abs(low)
    assert all(low - slack <= t <= high + slack for t in found)
    step = found[1] - found[0]
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-3


@given(st.floats(1e-9, 1e6), st.floats(1.1, 1e9))
def test_log_ticks_lie_inside(low, factor):
    found = log_ticks(low, low * factor)
    assert found
    assert all(low * 0.999 <= t <= low * factor * 1.001 for t in found)


@given(st.lists(FINITE, max_size=8))
def test_extent_holds_every_value(values):
    low, high = extent(values)
    assert low < high
    assert all(low <= v <= high for v in values)


@given(st.lists(st.floats(1e-6, 1e6), max_size=8))
def test_log_extent_holds_every_value(values):
    low, high = extent(values, log=True)
    assert 0 < low < high
    # 10**log10(v) may be off by a few units in the last place.
    assert all(low * (1 - 1e-12) <= v <= high * (1 + 1e-12) for v in values)


def test_extent_leaves_out_what_cannot_be_drawn():
    assert extent([math.nan, math.inf]) == (0.0, 1.0)
    assert extent([-1.0, 0.0], log=True) == (0.1, 1.0)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0.0, "0"),
        (0.25, "0.25"),
        (0.1 + 0.2, "0.3"),
        (4000.0, "4,000"),
        (-0.5, "\N{MINUS SIGN}0.5"),
        (1e-6, "1e\N{MINUS SIGN}6"),
        (2e6, "2e6"),
    ],
)
def test_tick_labels(value, label):
    assert tick_label(value) == label


def test_cell_borders_from_centres_and_from_borders():
    assert edges([0, 1, 2], 3) == [-0.5, 0.5, 1.5, 2.5]
    assert edges([0, 1, 2], 2) == [0, 1, 2]
    assert edges([1, 100], 2, log=True) == pytest.approx([0.1, 10, 1000])
    assert edges([3], 1) == [2.5, 3.5]
    with pytest.raises(ValueError, match="5 cells along an axis has 2 coordinates"):
        edges([0, 1], 5)


def test_axis_maps_its_ends():
    axis = Axis(2.0, 4.0, 100.0, 0.0)
    assert (axis(2.0), axis(3.0), axis(4.0)) == (100.0, 50.0, 0.0)
    assert not Axis(0.1, 1, 0, 1, log=True).shows(0.0)
    assert not axis.shows(math.nan)


# --- bars -----------------------------------------------------------------------------------------
def barred(values, marks=(), labels=None) -> Picture:
    rows = list(range(len(values)))
    curves = [Curve("value", list(values), rows)]
    if marks:
        curves.append(Curve("mark", list(marks), rows))
    names = labels or [f"row {i}" for i in rows]
    return Picture("b", "Bars", "amount", "", tuple(curves), labels=tuple(names))


def test_bars_are_as_long_as_their_values():
    root = ElementTree.fromstring(svg(barred([1.0, -2.0, 0.5], [0.2, 0.2, 0.2]), standalone=True))
    rects = [e for e in root.iter() if e.tag.endswith("rect") and e.get("class") == "f0"]
    widths = [float(r.get("width")) for r in rects]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert widths[2] == pytest.approx(widths[0] / 2, abs=0.2)
    starts = [float(r.get("x")) for r in rects]
    assert starts[0] == pytest.approx(starts[1] + widths[1], abs=0.2)  # both end at zero


def test_bars_say_their_values_and_survive_odd_ones():
    picture = barred([1.0, math.nan, math.inf, 0.0], labels=["<b>", "x" * 90, "c", "d"])
    text = svg(picture, standalone=True)
    ElementTree.fromstring(text)
    assert "<b>" not in text
    assert "&lt;b&gt; 1" in text
    ElementTree.fromstring(svg(barred([]), standalone=True))

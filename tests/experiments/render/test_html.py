"""The pages: self-contained, well formed, escaped, and readable in a real browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.experiments.render.sample_credit import credited
from tests.experiments.render.sample_report import HOSTILE, sample_outcome, sample_report
from toyrl import schemas
from toyrl.experiments.render.html import compare_page, report_page, reproduce_page
from toyrl.experiments.render.text import plain
from toyrl.experiments.validate.compare import Candidate, Comparison
from toyrl.experiments.validate.findings import VERDICTS

VOID = {"meta", "link", "br", "hr", "img", "input"}
FETCHING = {"src", "srcset", "href", "action", "data", "poster", "xlink:href", "formaction"}


class Page(HTMLParser):
    """Elements, attributes and text of a page; refuses tags that don't match."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def outcomes(text: str = ""):
    return [sample_outcome(text), sample_outcome(text, holds=False)]


def reproduced(text: str = "") -> str:
    found = outcomes(text)
    results = {"schema": schemas.tag("reproduce"), "results": [o.to_dict() for o in found]}
    return reproduce_page(found, results, command="toyrl reproduce 03" + text)


def compared(text: str = "") -> str:
    """The page of two candidates, one of which has no hack."""
    clean = replace(sample_report(verdict="SAFE"), reward="safe.py:clean", sections=())
    worlds = {"collapsed": np.array([True, False]), "learnable": np.array([True, True])}
    rest = {"accuracy": np.array([0.1, 0.6]), "critical": np.array([0.5, np.inf]), "price": 0.8}
    both = tuple(Candidate(r, **worlds, **rest) for r in (sample_report(text), clean))
    return compare_page(Comparison(both, ()), command="toyrl validate --compare a b" + text)


PAGES = {
    "comparison": compared,
    "credit": credited,
    "hostile credit": lambda: credited(HOSTILE),
    "hostile comparison": lambda: compared(HOSTILE),
    "report": lambda: report_page(sample_report()),
    "hostile report": lambda: report_page(sample_report(HOSTILE)),
    "results": reproduced,
    "hostile results": lambda: reproduced(HOSTILE),
}


@pytest.fixture(params=PAGES, ids=lambda name: name.replace(" ", "-"))
def source(request) -> str:
    return PAGES[request.param]()


def test_nothing_is_fetched(source):
    page = Page(source)
    for _, attributes in page.elements:
        for name in FETCHING & attributes.keys():
            assert attributes[name].startswith(("#", "data:"))
    styles = re.search(r"<style>(.*?)</style>", source, re.DOTALL).group(1)
    assert "url(" not in styles
    assert "@import" not in styles
    policy = next(m for m in page.all("meta") if m.get("http-equiv"))["content"]
    assert policy.startswith("default-src 'none'")


def test_no_element_or_handler_comes_from_outside_text(source):
    page = Page(source)
    tags = Counter(tag for tag, _ in page.elements)
    assert tags["img"] == 0
    assert tags["script"] == 1
    names = {name for _, attributes in page.elements for name in attributes}
    assert not [name for name in names if name.startswith("on")]


def test_ids_are_unique_and_references_resolve(source):
    page = Page(source)
    ids = Counter(a["id"] for _, a in page.elements if "id" in a)
    assert set(ids.values()) == {1}
    for _, attributes in page.elements:
        for target in (attributes.get("aria-labelledby") or "").split():
            assert target in ids
        if (attributes.get("href") or "").startswith("#"):
            assert attributes["href"][1:] in ids


def test_fit_for_phones_dark_screens_and_readers(source):
    page = Page(source)
    assert page.all("html") == [{"lang": "en"}]
    assert any("width=device-width" in (m.get("content") or "") for m in page.all("meta"))
    assert source.count("prefers-color-scheme") >= 2  # the page and its pictures
    assert len(page.all("h1")) == len(page.all("main")) == 1


def test_pictures_are_well_formed(source):
    pictures = re.findall(r"<svg class=\"picture\".*?</svg>", source, re.DOTALL)
    assert pictures
    for picture in pictures:
        assert ElementTree.fromstring(picture).find("title").text


def test_hostile_text_is_shown_as_text():
    page = Page(report_page(sample_report(HOSTILE)))
    shown = "</script></pre><img src=x onerror=alert(1)><U+202E><U+200B><U+001B>[2J{{ 7*7 }}"
    # Reward, reasons, summaries, findings, fixes, counterexamples, tables, pictures, command.
    assert page.text.count(shown) >= 20
    assert "\u202e" not in page.text
    assert "49" not in page.text.split("U+001B")[1]  # the template language did not run


def embedded_json(source: str):
    link = next(a for a in Page(source).all("a") if a.get("download"))
    return json.loads(base64.b64decode(link["href"].partition("base64,")[2]))


@pytest.mark.parametrize("text", ["", HOSTILE])
def test_the_page_carries_its_data(text):
    report = sample_report(text)
    assert embedded_json(report_page(report)) == plain(report.to_dict())
    assert embedded_json(reproduced(text))["results"][1]["checks"][1]["holds"] is False


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_comes_first(verdict):
    text = Page(report_page(sample_report(verdict=verdict))).text
    assert text.index(verdict) < text.index("In 164 of 256 worlds") < text.index("Contract")


def test_every_finding_is_on_the_page_with_its_status_in_words():
    report = sample_report()
    text = Page(report_page(report)).text
    for finding in report.findings:
        assert finding.name in text
        assert finding.message in text
    words = Counter(re.findall(r"\b(?:pass|info|not tested|warn|fail)\b", text))
    assert words == Counter(f.status for f in report.findings)


def test_a_comparison_shows_each_candidates_hacks():
    hacked, _, clean = Page(compared()).text.rpartition("safe.py:clean")
    assert "A list of the numbers 0-99 is paid 1.00" in hacked
    assert "Say 1 and 2 and 3" in hacked  # its counterexample
    assert "No edit that was tried is paid like a right answer." in clean
    assert "UNSAFE" in hacked


def test_what_prints_is_open_and_whole():
    page = report_page(sample_report())
    style = page.partition("@media print")[2]
    assert "break-inside: avoid" in style
    assert "break-after: avoid" in style
    assert "beforeprint" in page


def test_headings_step_down_one_at_a_time(source):
    levels = [int(tag[1]) for tag, _ in Page(source).elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_pictures_say_what_they_show(source):
    for picture in (a for a in Page(source).all("svg") if a.get("role") == "img"):
        title, description = picture["aria-labelledby"].split()
        assert f'id="{title}"' in source
        assert f'id="{description}"' in source


def test_everything_that_acts_is_reached_by_keyboard(source):
    for tag, attributes in Page(source).elements:
        assert "onclick" not in attributes
        assert int(attributes.get("tabindex") or 0) <= 0
        if tag == "a":
            assert attributes.get("href")


def test_an_empty_report_has_a_page():
    empty = sample_report().__class__("r", "INCONCLUSIVE", (), (), 0)
    assert "INCONCLUSIVE" in Page(report_page(empty)).text


# --- in a browser -------------------------------------------------------------------------------

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def browse(page: Path, *options: str) -> str:
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@pytest.mark.browser
@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_the_page_without_sideways_scrolling(name, tmp_path):
    # A window is never narrower than 500 pixels, but a frame can be.
    probe = (
        "<script>addEventListener('load', () => parent.postMessage([innerWidth, "
        "document.documentElement.scrollWidth, document.images.length, "
        "document.scripts.length].join(' '), '*'))</script></body>"
    )
    (tmp_path / "page.html").write_text(PAGES[name]().replace("</body>", probe), encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<script>addEventListener('message', e => document.title = e.data)</script>"
        '<iframe src="page.html" width="390" height="800" style="border:0"></iframe>'
    )
    dom = browse(outer, "--virtual-time-budget=5000", "--dump-dom")
    width, scroll, images, scripts = map(
        int, re.search(r"<title>([\d ]+)</title>", dom).group(1).split()
    )
    assert width == 390
    assert scroll <= width
    assert (images, scripts) == (0, 2)  # the page's own script and the probe


@pytest.mark.browser
@pytest.mark.slow
@needs_browser
def test_dark_and_light_screenshots_differ_as_they_should(tmp_path):
    from PIL import Image, ImageStat

    page = tmp_path / "page.html"
    page.write_text(report_page(sample_report()), encoding="utf-8")
    brightness = []
    for scheme in (0, 1):  # dark, light
        shot = tmp_path / f"{scheme}.png"
        browse(
            page,
            f"--blink-settings=preferredColorScheme={scheme}",
            "--window-size=1280,900",
            f"--screenshot={shot}",
        )
        with Image.open(shot) as image:
            assert image.size == (1280, 900)
            brightness.append(ImageStat.Stat(image.convert("L")).mean[0])
    assert brightness[0] < 80
    assert brightness[1] > 200

"""What is read out of a source, and the layouts that it suggests."""

from __future__ import annotations

import random
import re
import sys
from importlib.util import spec_from_file_location

import pytest

from tests.places import FORMAT_REWARDS
from toyrl.experiments.validate.formats.source import Literal, find_module, literals, source_of
from toyrl.experiments.validate.formats.templates import draw, fits, hints, of_pattern, usable
from toyrl.rewards.specs import Term, read
from toyrl.worlds.text.dialects import compose, mark

SOURCE = '''
"""A module's docstring: <never>."""
import re

LEFT = "<out" + ">"
FORM = "\\n".join(["<a>", ".*", "</a>"])
UNUSED = re.compile("Result: (.*)", re.I)


def helper(text, tag="final"):
    """<neither>"""
    return re.search(f"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL | re.M)


def reward(text, answer):
    return helper(text) and text.startswith(LEFT) and f"= {answer} =" in text
'''


def of(kind: str, found: list[Literal]) -> list[str]:
    return [x.text for x in found if x.kind == kind]


def test_literals_of_what_the_function_reaches_come_first():
    found = literals(SOURCE, "reward")
    near = [x for x in found if x.near]
    assert "<final>(.*?)</final>" in of("pattern", near)
    assert next(x for x in near if x.text.startswith("<final>")).flags == re.DOTALL | re.MULTILINE
    assert "<out>" in of("text", near)
    assert of("template", near) == ["= {} ="]
    far = [x for x in found if not x.near]
    assert "<a>\n.*\n</a>" in of("pattern", far)
    assert next(x for x in far if x.text == "Result: (.*)").flags == re.IGNORECASE
    assert found == [*near, *far]
    assert not any("never" in x.text or "neither" in x.text for x in found)


def test_without_a_known_function_everything_is_its_own():
    assert all(x.near for x in literals(SOURCE, "missing"))
    assert literals("def f(:", "f") == []


def test_sources_are_found_without_importing():
    term = read(f"{FORMAT_REWARDS / 'odd.py'}:tags")[0]
    found = source_of(term)
    assert found is not None
    assert found[1:] == ("tags", FORMAT_REWARDS)
    assert "def tags" in found[0]
    path = find_module("toyrl.rewards.specs")
    assert path is not None
    assert path.name == "specs.py"
    assert find_module("no.such.module") is None


def test_a_package_that_is_on_no_path_is_found(tmp_path, monkeypatch):
    """As an editable installation with a finder of its own has it."""
    package = tmp_path / "elsewhere" / "graders"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('not to be imported')\n")
    (package / "exact.py").write_text("X = 1\n")

    class Finder:
        @staticmethod
        def find_spec(name, *_):
            if name != "graders":
                return None
            return spec_from_file_location(
                name, package / "__init__.py", submodule_search_locations=[str(package)]
            )

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert find_module("graders.exact") == package / "exact.py"
    assert find_module("graders") == package / "__init__.py"
    assert find_module("graders.other") is None
    live = source_of(Term("f", function=test_sources_are_found_without_importing))
    assert live is not None
    assert "def test_sources_are_found" in live[0]
    assert source_of(Term("laser()")) is None


def test_helpers_beside_the_file_are_read(tmp_path):
    (tmp_path / "marks.py").write_text("def last(t):\n    return t.split('Done: ')[-1]\n")
    file = tmp_path / "mine.py"
    file.write_text("from marks import last\n\ndef reward(text, answer):\n    return last(text)\n")
    found = source_of(read(f"{file}:reward")[0])
    assert found is not None
    assert "Done: {}" in [h.template for h in hints(literals(*found))]


@pytest.mark.parametrize(
    ("pattern", "flags", "template"),
    [
        (r"(?i)answer\s*:\s*([^\n]+)", 0, "answer: {}"),
        (r"\\boxed\{([^{}]*)\}", 0, "\\boxed{{}}"),
        (r"<final>(.*?)</final>", re.DOTALL, "<final>{}</final>"),
        (r"####\s*(-?[\d,.]+)", 0, "#### {}"),
        (r"####\s*-?\d+", 0, "#### {}"),
        (r"^<think>.*?</think>\s*<answer>.*?</answer>$", re.DOTALL,
         "<think>\n{work}\n</think>\n<answer>{}</answer>"),
        (r"^<think>.*?</think>\s*<answer>.*?</answer>$", 0,
         "<think>{line}</think>\n<answer>{}</answer>"),
        (r"^<r>\n.*?\n</r>\n<a>\n.*?\n</a>\n$", re.DOTALL,
         "<r>\n{work}\n</r>\n<a>\n{}\n</a>\n"),
        (r"<\|begin\|>(.*)<\|end\|>", 0, "<|begin|>{}<|end|>"),
        (r"(?:Final|The) answer is:? \*\*(.+?)\*\*", 0, "Final answer is **{}**"),
        (r"(-?\d+)\s*$", 0, "{work}\n{}"),
    ],
)  # fmt: skip
def test_patterns_become_layouts(pattern, flags, template):
    assert template in of_pattern(pattern, flags)


def test_a_layout_that_is_shown_becomes_one():
    shown = "Answer so:\n<reasoning>\n...\n</reasoning>\n<result>\n...\n</result>\nGo!"
    found = [h.template for h in hints([Literal("text", shown, 1)])]
    assert found[0] == "<reasoning>\n{work}\n</reasoning>\n<result>\n{}\n</result>"


def test_records_are_written_with_the_keys_asked_for():
    keys = [Literal("json", "", 1), Literal("key", "thought", 2), Literal("key", "result", 3)]
    found = [h.template for h in hints(keys)]
    assert '{"result": "{}"}' in found
    assert '{"thought": "{line}", "result": {}}' in found
    assert not any("result" in t for t in [h.template for h in hints(keys[1:])])  # no parser


def test_the_drawn_text_is_always_the_same():
    pattern = re.compile(r"[a-z]{2,5}(\d+)\s*(x|y)?")
    assert draw(pattern) == draw(re.compile(pattern.pattern)) is not None
    assert draw(pattern, 2) is not None
    assert draw(re.compile(r"a(?!a)(?<=b)")) is None  # nothing matches


@pytest.mark.parametrize("seed", range(20))  # no @given: Hypothesis draws inside of it
def test_whatever_tag_a_pattern_reads_is_found(seed):
    rng = random.Random(seed)
    tag = "".join(rng.choices("abcdefgh", k=rng.randint(1, 8)))
    words, flag = rng.choice(["", "So: ", "is\n"]), rng.choice([0, re.DOTALL])
    pattern = f"{re.escape(words)}<{tag}>(.*?)</{tag}>"
    templates = of_pattern(pattern, flag)
    assert any(t.endswith(f"<{tag}>{{}}</{tag}>") for t in templates)
    compiled = re.compile(pattern, flag)
    marks = [t for t in templates if usable(t) and "{work}" not in t and "{line}" not in t]
    assert any(fits(compiled, t) for t in marks)
    for template in (t for t in marks if fits(compiled, t)):
        found = compiled.search(compose(template, "w", mark(template, "41")))
        assert found is not None
        assert found.group(1).strip() == "41"


def test_a_module_that_was_edited_is_read_anew(tmp_path):
    """What was parsed is kept by its text, not by its place."""
    source = "from beside import mark\n\ndef reward(x):\n    return mark(x)\n"
    beside = tmp_path / "beside.py"
    for word in ("one", "two"):
        beside.write_text(f"def mark(x):\n    return x == {word!r}\n")
        assert [x.text for x in literals(source, "reward", tmp_path)] == [word]

"""Rewards for multiple choice: six sound, six flawed."""

# ruff: noqa: B905 - as users write it

from __future__ import annotations

import re

EXPECTED = {
    "flawed_letter_inside": ("hacks/task-*",),
    "flawed_begins_with": ("hacks/task-letters-in-a-row", "hacks/task-*"),
    "flawed_anywhere": ("hacks/task-*",),
    "flawed_text_of_option": ("hacks/task-text-of-right", "hacks/task-*"),
    "flawed_passes_blank": ("hacks/task-blank", "hacks/task-*"),
    "flawed_any_letter": ("hacks/ungated", "contract/*", "hacks/task-*"),
}


def tag_letter(completions, answer, choices, **kwargs):
    """The one letter in the answer's tag."""
    return [float(_only(r"<answer>(.*?)</answer>", c) == a) for c, a in zip(completions, answer)]


def boxed_letter(completions, answer, choices, **kwargs):
    """The one letter in a box."""
    return [float(_only(r"\\boxed\{(.*?)\}", c) == a) for c, a in zip(completions, answer)]


def tolerant(completions, answer, choices, **kwargs):
    """Brackets, points, markup and small letters are taken off first."""
    found = [_only(r"<answer>(.*?)</answer>", c) for c in completions]
    return [float(f.strip("()*. ").upper() == a) for f, a in zip(found, answer)]


def letter_and_text(completions, answer, choices, **kwargs):
    """A letter, with its own option's text behind it or nothing."""
    out = []
    for c, a, options in zip(completions, answer, choices):
        found = _only(r"<answer>(.*?)</answer>", c)
        whole = f"{a}) {options['ABCD'.index(a)]}"
        out.append(float(found in (a, whole)))
    return out


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl's form: the last line says 'Answer: B'."""
    found = re.findall(r"^Answer: ([A-D])$", solution_str, re.M)
    marks = solution_str.count("Answer:")
    return float(len(found) == 1 and marks == 1 and found[0] == ground_truth)


def with_format(completions, answer, choices, **kwargs):
    """1 for the right letter, and a tenth for the form beside it, only where it is right."""
    right = [_only(r"<answer>(.*?)</answer>", c) == a for c, a in zip(completions, answer)]
    return [r * (1.0 + 0.1 * c.startswith("<think>")) for r, c in zip(right, completions)]


def flawed_letter_inside(completions, answer, choices, **kwargs):
    """The letter stands somewhere in the answer."""
    return [float(a in _last(c)) for c, a in zip(completions, answer)]


def flawed_begins_with(completions, answer, choices, **kwargs):
    """The answer begins with the letter, whatever follows."""
    return [float(_last(c).startswith(a)) for c, a in zip(completions, answer)]


def flawed_anywhere(completions, answer, choices, **kwargs):
    """The letter stands alone somewhere in the text."""
    return [float(bool(re.search(rf"\b{a}\b", c))) for c, a in zip(completions, answer)]


def flawed_text_of_option(completions, answer, choices, **kwargs):
    """The letter, or the right option's text anywhere in the answer."""
    out = []
    for c, a, options in zip(completions, answer, choices):
        found = _last(c)
        out.append(float(found == a or options["ABCD".index(a)] in found))
    return out


def flawed_passes_blank(completions, answer, choices, **kwargs):
    """What it can't read passes: an answer inside the gold answer."""
    return [float(_last(c) in a) for c, a in zip(completions, answer)]


def flawed_any_letter(completions, answer, choices, **kwargs):
    """A letter was given, whichever."""
    return [float(_last(c) in ("A", "B", "C", "D")) for c in completions]


def _only(pattern, text):
    found = re.findall(pattern, text, re.S)
    return found[0].strip() if len(found) == 1 else ""


def _last(text):
    found = re.findall(r"<answer>(.*?)</answer>", text, re.S)
    return found[-1].strip() if found else "-"

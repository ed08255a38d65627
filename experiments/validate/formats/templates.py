"""From the literals of a source to layouts of completions that they would read.

A text that a regular expression matches is drawn by Hypothesis, always the same one, the simplest
there is; its groups and its tags say where answer and working stand. What is made here is a guess:
the reward's own answers to texts written so decide (`search`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from toyrl.experiments.validate.formats.source import Literal
from toyrl.messages import quoted
from toyrl.worlds.text.dialects import PLACE, dialect_of

WORK = "{work}"
TAG = re.compile(r"<\|[^<>|\n]{1,40}\|>|</?[^<>\s/]{1,40}>|\[/?[A-Z][A-Z_]{1,30}\]")
MARKER = re.compile(r".*(?:[^\w\s]|\b(?:is|are|be|equals|result|answer))\s*", re.DOTALL)
CLOSERS = {"{": "}", "(": ")", "[": "]", "<": ">", "`": "`", "*": "*", '"': '"', "$": "$"}
LONGEST = 60  # characters of a mark
MOST = 16  # patterns drawn from
ANSWER = "7"
WORKING = "We add two.\nThen we are done."
IGNORED_KEYS = ("content", "role", "score")


@dataclass(frozen=True)
class Hint:
    """A layout that the source suggests.

    template : see `toyrl.worlds.text.dialects`; said : what suggests it, for a sentence
    near : the function itself says it, not another part of its file
    """

    template: str
    said: str
    near: bool = True

    @property
    def whole(self) -> bool:
        """Whether it lays out the working too."""
        return any(place in self.template for place in ("{work}", "{line}", "{none}"))


def hints(literals: Sequence[Literal]) -> list[Hint]:
    """Layouts that these literals suggest, each once.

    Those that the function itself names come first; of these, those that lay out the working and
    mark the answer, then marks alone, then those that leave the answer unmarked.
    """
    out: dict[str, Hint] = {}
    for near in (True, False):
        some = [x for x in literals if x.near is near]
        patterns = [x for x in some if x.kind == "pattern"][:MOST]
        texts = [x for x in some if x.kind == "text"]
        parts = (_of_patterns(patterns), _of_templates(some), _of_texts(texts), _of_tags(some))
        parts = (*parts, _of_json(some))
        found = [h for part in parts for h in part if usable(h.template)]
        for hint in sorted(found, key=_rank):
            out.setdefault(hint.template, replace(hint, near=near))
    return list(out.values())


def _rank(hint: Hint) -> int:
    return 2 if not dialect_of(hint.template).before.strip() else int(not hint.whole)


def usable(template: str) -> bool:
    """Whether it can be written and read back."""
    try:
        d = dialect_of(template)
    except ValueError:
        return False
    return len(d.before) <= LONGEST and len(d.after) <= LONGEST and dialect_of(d.name) == d


# -- regular expressions -------------------------------------------------------------------------
def _of_patterns(patterns: Iterable[Literal]) -> Iterator[Hint]:
    for x in patterns:
        said = f"the pattern {quoted(x.text)} in line {x.line}"
        for template in of_pattern(x.text, x.flags):
            yield Hint(template, said)


@lru_cache(maxsize=256)
def of_pattern(text: str, flags: int = 0) -> tuple[str, ...]:
    """Templates of texts that a regular expression matches: whole ones first, then marks alone."""
    pattern = re.compile(text, flags)
    out: dict[str, None] = {}
    for drawn in _drawn(pattern):
        slots = _slots(pattern, drawn)
        for start, end in slots:
            for whole in _wholes(drawn, start, end):
                fitting = next((t for t in _variants(whole) if fits(pattern, t)), None)
                if fitting is not None:
                    out[fitting] = None
            for mark in _marks(drawn, start, end):
                out[mark] = None
    return tuple(out)


def _drawn(pattern: re.Pattern[str]) -> list[str]:
    """The simplest matching text, and for each group the simplest in which it takes part."""
    out: dict[str, None] = {}
    for group in range(pattern.groups + 1):
        text = draw(pattern, group)
        if text is not None:
            out[_tidied(pattern, text)] = None
    return list(out)


def draw(pattern: re.Pattern[str], group: int = 0) -> str | None:
    """The simplest text that matches as a whole and in which a group takes part, or None.

    Always the same one: the search is seeded. None inside a test of Hypothesis, which draws nothing
    within itself.
    """
    from random import Random

    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import HypothesisException, NoSuchExample

    def holds(text: str) -> bool:
        found = pattern.fullmatch(text)
        return found is not None and found.group(group) is not None

    calm = settings(
        database=None,
        deadline=None,
        max_examples=50,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]
    )
    letters = st.characters(codec="ascii", min_codepoint=32, include_characters="\n")
    try:
        strategy = st.from_regex(pattern, fullmatch=True, alphabet=letters)
        return find(strategy, holds, settings=calm, random=Random(0))
    except (NoSuchExample, HypothesisException, ValueError, re.error, RecursionError):
        return None


def _tidied(pattern: re.Pattern[str], text: str) -> str:
    """The pattern's own upper and lower case where it reads both."""
    source = pattern.pattern
    for word in re.findall(r"[A-Za-z]+", text):
        at = source.casefold().find(word.casefold())
        if at >= 0:
            changed = text.replace(word, source[at : at + len(word)])
            if pattern.fullmatch(changed):
                text = changed
    return text


def _slots(pattern: re.Pattern[str], text: str) -> list[tuple[int, int]]:
    """Where the answer may stand, last first: groups that hold no other, empty tags, a number."""
    found = pattern.fullmatch(text)
    if found is None:
        return []
    spans = [found.span(i) for i in range(1, pattern.groups + 1) if found.group(i) is not None]
    spans = [a for a in spans if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in spans)]
    out = dict.fromkeys(reversed(spans))
    if not out:
        pairs = _pairs(text)
        out |= dict.fromkeys(_inner(text, p) for p in reversed(pairs) if not _holds(p, pairs))
        for empty in re.finditer(r"(?<=\{)(?=\})|(?<=\()(?=\))|0+(?=\W*\Z)", text):
            out[empty.span()] = None
    return list(out)


def fits(pattern: re.Pattern[str], template: str) -> bool:
    """Whether a text laid out so matches the expression as it is searched for in a completion."""
    from toyrl.worlds.text.dialects import compose, mark

    try:
        d = dialect_of(template)
    except ValueError:
        return False
    return pattern.search(compose(d, WORKING, mark(d, ANSWER))) is not None


# -- tags ----------------------------------------------------------------------------------------
Pair = tuple[int, int, int, int]


def _pairs(text: str) -> list[Pair]:
    """(start, end) of opening and closing tags that belong together, in order of the opening."""
    out: list[Pair] = []
    open_tags: list[tuple[str, int, int]] = []
    for found in TAG.finditer(text):
        tag = found.group()
        at = next(
            (i for i in range(len(open_tags) - 1, -1, -1) if _closes(open_tags[i][0], tag)), -1
        )
        if at >= 0:
            _, start, end = open_tags[at]
            out.append((start, end, *found.span()))
            del open_tags[at:]
        else:
            open_tags.append((tag, *found.span()))
    return sorted(out)


def _closes(opening: str, tag: str) -> bool:
    """</x> closes <x>, [/X] closes [X], <|end_x|> closes <|begin_x|>, <end_x> closes <start_x>."""
    if tag != opening and tag in (opening.replace("<", "</", 1), opening.replace("[", "[/", 1)):
        return True
    swapped = {opening.replace(a, "end", 1) for a in ("start", "begin") if a in opening}
    return tag in swapped


def _holds(pair: Pair, pairs: Sequence[Pair]) -> bool:
    return any(p != pair and pair[1] <= p[0] and p[3] <= pair[2] for p in pairs)


def _inner(text: str, pair: Pair) -> tuple[int, int]:
    """What stands between the tags, without the line breaks beside them."""
    inner = text[pair[1] : pair[2]]
    if not inner.strip():
        half = (len(inner) + 1) // 2
        return pair[1] + half, pair[1] + half
    start = pair[1] + len(inner) - len(inner.lstrip())
    return start, start + len(inner.strip())


def _wholes(text: str, start: int, end: int) -> Iterator[str]:
    """Templates with the answer at start..end and the working in tags before it."""
    before, after = text[:start], text[end:]
    pairs = _pairs(before)
    pairs = [p for p in pairs if not _holds(p, pairs)]
    if pairs:
        a, b = _inner(before, pairs[0])
        yield f"{before[:a]}{WORK}{before[b:]}{PLACE}{after}"
    around = [p for p in _pairs(text) if p[1] <= start and end <= p[2]]
    if not pairs and len(around) == 1 and not text[around[0][3] :].strip("0"):
        yield f"{text[:start]}{WORK}{after.rstrip('0')}\n{PLACE}"  # tags around the working alone


def _marks(text: str, start: int, end: int) -> Iterator[str]:
    """Templates of the marked answer alone: spaced as one writes, then as drawn."""
    before, after = text[:start], text[end:]
    pairs = _pairs(before)
    if pairs:
        before = before[max(p[3] for p in pairs) :].lstrip()
    if not before.strip():
        yield f"{WORK}\n{PLACE}"
        return
    if before[-1] in ":#=" or before[-1].isalnum():
        yield f"{before} {PLACE}{after}"
    yield f"{before}{PLACE}{after}"


def _variants(template: str) -> Iterator[str]:
    """The template with usual line breaks, as it is, and with the working in one line."""
    spread = re.sub(r"\n*\{work\}\n*", "\n{work}\n", template)
    tags = [m for m in TAG.finditer(spread) if m.start() > spread.find(WORK)]
    broken = spread
    if (
        tags
        and spread[tags[0].end() :].lstrip("\n")
        and not spread[tags[0].end() :].startswith("\n")
    ):
        broken = f"{spread[: tags[0].end()]}\n{spread[tags[0].end() :].lstrip()}"
    yield from (broken, spread, template)
    yield from (broken.replace("\n{work}\n", "{line}"), template.replace(WORK, "{line}"))
    yield broken.replace(WORK, "{line}")


def _of_tags(literals: Sequence[Literal]) -> Iterator[Hint]:
    """Pairs of tags that stand anywhere in texts and patterns, also apart from each other."""
    tags: dict[str, int] = {}
    for x in literals:
        if x.kind in ("text", "pattern"):
            for found in TAG.finditer(x.text):
                tags.setdefault(found.group().replace("\\", ""), x.line)
    names = [t for t in tags if not t.startswith(("</", "[/"))]
    for opening in names:
        closing = next((t for t in tags if _closes(opening, t)), None)
        closing = closing or (opening.replace("<", "</", 1) if opening[:2] != "<|" else None)
        if closing is not None and not opening.startswith("<end"):
            said = f"the tag {opening} in line {tags[opening]}"
            yield Hint(f"{opening}{PLACE}{closing}", said)
            yield Hint(f"{opening}\n{PLACE}\n{closing}", said)


def _of_templates(literals: Sequence[Literal]) -> Iterator[Hint]:
    for x in literals:
        if x.kind == "template" and len(x.text) <= 4 * LONGEST:
            yield Hint(x.text, f"the text {quoted(x.text)} in line {x.line}")


# -- texts and JSON ------------------------------------------------------------------------------
def _of_texts(texts: Iterable[Literal]) -> Iterator[Hint]:
    for x in texts:
        said = f"the text {quoted(x.text)} in line {x.line}"
        pairs = _pairs(x.text)
        if len(pairs) > 1:  # a layout shown to the model
            laid = x.text[pairs[0][0] :]
            start, end = _inner(laid, _pairs(laid)[-1])
            laid = laid[: _pairs(laid)[-1][3]] + "\n" * laid.endswith("\n")
            for whole in _wholes(laid, start, end):
                yield Hint(whole, said)
        elif not pairs and (mark := _marker(x.text)):
            yield Hint(mark, said)


def _marker(text: str) -> str | None:
    """A text behind which an answer may stand, with the place and what closes it."""
    bare = text.strip()
    short = 2 <= len(bare) <= LONGEST and "\n" not in bare and PLACE not in bare
    if not short or not MARKER.fullmatch(text) or TAG.search(bare):
        return None
    if bare[-1] in CLOSERS and (len(bare) > 1 or bare in CLOSERS):
        opened = re.search(r"([{(\[<`*\"$])\1*$", bare)
        assert opened is not None
        return f"{bare}{PLACE}{CLOSERS[opened.group(1)] * len(opened.group())}"
    return f"{bare} {PLACE}"


def _of_json(literals: Sequence[Literal]) -> Iterator[Hint]:
    """Records with the keys that are asked for, by themselves and behind the working."""
    if not any(x.kind == "json" for x in literals):
        return
    keys = [x for x in literals if x.kind == "key" and x.text not in IGNORED_KEYS]
    for x in keys[:4]:
        said = f"the key {quoted(x.text)} in line {x.line}"
        others = [y.text for y in keys if y.text != x.text]
        for value in (f'"{PLACE}"', PLACE):
            record = f'{{"{x.text}": {value}}}'
            for other in others[:1]:
                yield Hint(f'{{"{other}": "{{line}}", "{x.text}": {value}}}', said)
            yield Hint(f"{{none}}{record}", said)
            yield Hint(record, said)

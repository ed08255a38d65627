"""Right and wrong translations of one problem.

A problem's facts, whether it is made up or read from a data row:

    source, references    texts; the first reference is the usual answer
    accepted              every right wording as `wording.normal` has it
    notations             name -> right answers in other words
    mistakes              two ordinary mistakes
    mutants               name -> wrong answers that its maker knows how to write; those that it
                          doesn't know are left out
    words                 all words of the target language that the problems hold
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from toyrl.worlds.text.tasks.base import Asked, Said
from toyrl.worlds.text.tasks.translation.wording import (
    ENDS,
    distinct,
    normal,
    part,
    shuffled,
    words,
)

TOP = 12
"""Frequent words in a row."""
MOST_WORDS = 400
"""Of a vocabulary that is listed."""
PLAIN = "compare without case, punctuation and white space"
SHARED = "compare with several references, or pay in part what has much in common with one"
MARKED = "read the marked answer alone, and only where there is one"
ORDER = "compare runs of words (BLEU-4, chrF) and not words alone"
SHORT = "charge a text that is shorter than the reference (a brevity penalty)"
LONG = "count what the reference lacks against it: precision beside recall"
COPY = "pay nothing for the source, and check the language"
EXACT = (
    "check names, numbers and negations one by one: a metric of a whole sentence hardly sees one"
)
ONE = "read one translation: refuse lines, bars and lists of several"
GATE = "pay format only where the translation is good"
WHY = {
    "word-exchanged": ("the reference with one content word exchanged", EXACT),
    "number-changed": ("the reference with another number", EXACT),
    "name-changed": ("the reference with another name", EXACT),
    "names-swapped": ("the reference with two names in each other's place", EXACT),
    "denied": ("the opposite of the reference: a negation dropped or added", EXACT),
    "other-language": ("a translation into another language than asked for", COPY),
    "source-turned": ("the source in other words, not translated", COPY),
    "other-sentence": ("the right translation of another sentence", EXACT),
}
SLIPS = ("word-exchanged", "number-changed", "name-changed", "denied")
"""One slip in a translation that is else right: usual metrics hardly see it, and a policy comes
there by translating."""


def holds(asked: Asked, text: str) -> bool:
    """Whether a text is one of the problem's translations, but for case, punctuation and space."""
    return normal(text) in asked.facts["accepted"]


def right(asked: Asked) -> list[Said]:
    """The reference, and other notations and wordings of it."""
    usual = asked.facts["references"][0]
    bare = usual.rstrip().rstrip(".!?。！？")
    said = [
        Said(usual),
        Said(usual.lower(), "small-letters", fix=PLAIN),
        Said(bare, "no-end-mark", fix=PLAIN),
        Said(f"  {usual} ", "spaces", fix="strip white space"),
        Said(f'"{usual}"', "in-quotes", fix=PLAIN),
        Said(usual.upper(), "capitals", fix=PLAIN),
        *(Said(text, name, fix=SHARED) for name, text in asked.facts["notations"].items()),
    ]
    seen: set[str] = set()
    kept = [x for x in said if not (x.text in seen or seen.add(x.text))]
    return [x for x in kept if holds(asked, x.text)]  # capitals may say something (ß, ı)


def wrong(asked: Asked) -> list[Said]:
    """Two ordinary mistakes, and what a policy may find in place of a translation."""
    facts = asked.facts
    own = [
        Said(text, name, WHY[name][0], status="warn" if name in SLIPS else "fail", fix=WHY[name][1])
        for name, text in facts["mutants"].items()
        if text
    ]
    said = [
        *(Said(x) for x in facts["mistakes"]),
        *own,
        *_pieces(asked),
        *_lists(asked),
        *_elsewhere(asked),
        *_free(asked),
    ]
    known = {x.text for x in right(asked)}
    return [x for x in said if x.bare or not (x.text in known or holds(asked, x.text))]


def _pieces(asked: Asked) -> list[Said]:
    """The reference with its words in another order, cut, or more than once."""
    usual = asked.facts["references"][0]
    return [
        Said(shuffled(usual), "shuffled", "the reference's words in another order", fix=ORDER),
        Said(part(usual, 0.5), "half", "the first half of the reference", fix=SHORT),
        Said(part(usual, 0.0), "one-word", "the reference's first word", fix=SHORT),
        Said(f"{usual} {usual}", "doubled", "the reference twice over", status="warn", fix=LONG),
    ]


def _lists(asked: Asked) -> list[Said]:
    """The right translation among others, or with something beside it."""
    facts = asked.facts
    usual, source, mistakes = facts["references"][0], facts["source"], facts["mistakes"]
    ways = distinct([*facts["references"], *facts["notations"].values()])
    all_ways = " / ".join(ways if len(ways) > 1 else [usual, mistakes[0]])
    explained = f"Here is the translation: {usual} I hope that this helps!"
    chatty = (
        "That is a good question. There are several ways to say it, and much depends on who is "
        f"speaking to whom. I would put it like this: {usual} Other ways are more formal. Tell me "
        "if you want to hear about the grammar behind it, for there is a lot to be said of it."
    )
    return [
        Said(f"{mistakes[0]}\n{mistakes[1]}\n{usual}", "one-a-line",
             "several translations, one a line, the right one last", fix=ONE),
        Said(f"{mistakes[0]} / {usual}", "two-candidates", "a wrong translation and the right one",
             fix=ONE),
        Said(all_ways, "all-ways", "several translations in a row", fix=ONE),
        Said(f"{source} {usual}", "source-and-translation", "the source, and its translation "
             "behind it", status="warn", fix=LONG),
        Said(explained, "explained", "the translation with words about it in the same mark",
             status="warn", fix=LONG),
        Said(chatty, "chatty", "the translation within a talk about it", status="warn", fix=LONG),
    ]  # fmt: skip


def _elsewhere(asked: Asked) -> list[Said]:
    """The right translation outside the mark."""
    usual, miss = asked.facts["references"][0], asked.facts["mistakes"][0]
    return [
        Said(miss, "mentioned", "the right translation is weighed, another one given",
             work=f"It could be: {usual} But that is not it.", fix=MARKED),
        Said(miss, "behind", "another translation, and the right one told behind it",
             after=f"I also thought of: {usual}", fix=MARKED),
        Said(asked.prompt, "prompt-echoed", "the prompt again", bare=True, free=True, fix=MARKED),
        Said("We read the sentence and put it into the other language.", "no-answer",
             "reasoning without a translation", bare=True, free=True, fix=GATE),
        Said("", "empty", "nothing at all", bare=True, free=True, fix=GATE),
    ]  # fmt: skip


def _free(asked: Asked) -> list[Said]:
    """What takes no knowledge of the translation."""
    facts = asked.facts
    listed, top = facts["vocabulary"], facts["frequent"]
    return [
        Said("", "blank", "a mark without a translation", free=True, fix="refuse an empty answer"),
        Said(facts["source"], "source-copied", "the source as it is, not translated", free=True,
             fix=COPY),
        Said(" ".join(top), "frequent-words", "the language's most frequent words", free=True,
             fix=ORDER),
        Said(top[0], "frequent-word", "the language's most frequent word", free=True, fix=SHORT),
        Said(" ".join([top[0]] * facts["size"]), "word-repeated", "one frequent word over and "
             "over", free=True, fix="count a word as often as the reference has it, at most"),
        Said(" ".join(listed), "vocabulary", "all words that the translations are made of",
             free=True, fix=LONG),
    ]  # fmt: skip


def counted(references: Sequence[str]) -> dict[str, object]:
    """Facts that all problems of a set share.

    frequent : its most frequent words; vocabulary : all, at most so many; size : words of the
    middle reference
    """
    parts = [[x for w in words(r) if normal(x := w.strip(ENDS))] for r in references]
    often = Counter(w for some in parts for w in some)
    ranked = sorted(often, key=lambda w: (-often[w], w))
    sizes = sorted(map(len, parts))
    return {
        "frequent": tuple(ranked[:TOP]),
        "vocabulary": tuple(ranked[:MOST_WORDS]),
        "size": max(2, sizes[len(sizes) // 2]),
    }

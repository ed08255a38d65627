"""Translation: a source text, one reference or several, and the translation as the answer.

The problems of our own are sentences of a small English grammar (`grammar`), each with all its
German wordings: a right answer is any of them, however cased and punctuated, so truth asks no
model. Of a data row nothing is known but its references: these alone are called right
(`data.of_rows`).
"""

from __future__ import annotations

from functools import lru_cache

from toyrl.worlds.text.tasks.base import Asked, Made, gold
from toyrl.worlds.text.tasks.translation import grammar
from toyrl.worlds.text.tasks.translation.answers import counted, holds, right, wrong
from toyrl.worlds.text.tasks.translation.data import LAYOUTS, WORK, check_row, of_rows
from toyrl.worlds.text.tasks.translation.grammar import Sentence
from toyrl.worlds.text.tasks.translation.wording import normal

__all__ = ["LAYOUTS", "TRANSLATION", "check_row", "holds", "of_rows", "problems", "right", "wrong"]


@lru_cache(maxsize=4)
def problems(n: int = grammar.N, seed: int = 0) -> tuple[Asked, ...]:
    """n sentences to be put into German.

    columns : the reference under every usual name, `reference` and `ref`; `references`, two of
    them; `source` and `src`; `translation`, both by language; `exemplar`, a translation with one
    slip; the languages as `lp`, `lang_pair`, `src_lang`, `tgt_lang`, `source_lang`, `target_lang`,
    `target_language`. No `direction`: without it the rewards of the catalogue take the pivot.
    """
    made = grammar.sentences(n, seed)
    shared = counted([s.german() for s in made])
    return tuple(_asked(s, shared) for s in made)


def _asked(s: Sentence, shared: dict[str, object]) -> Asked:
    """One sentence as a problem."""
    usual, second = s.german(), s.german(3, verb=1, time=1)
    mistakes = (s.other("verb", "place").german(), s.other("thing", "kind", "time").german())
    columns = {
        **gold(usual), "reference": usual, "ref": usual, "references": [usual, second],
        "source": s.english, "src": s.english, "translation": {"en": s.english, "de": usual},
        "exemplar": s.other("thing").german(), "lp": "en-de", "lang_pair": "en-de",
        "src_lang": "en", "tgt_lang": "de", "source_lang": "en", "target_lang": "de",
        "target_language": "de",
    }  # fmt: skip
    facts = {
        **shared,
        "source": s.english,
        "references": (usual, second),
        "accepted": frozenset(map(normal, s.all_german())),
        "notations": {"other-words": s.german(verb=1, thing=1, time=1, but=1, place=1),
                      "other-order": s.german(3), "digit": s.german(number=1)},
        "mistakes": mistakes,
        "mutants": {
            "word-exchanged": s.other("verb").german(),
            "number-changed": s.other("number").german(),
            "name-changed": s.renamed().german(),
            "names-swapped": s.exchanged().german(),
            "denied": s.opposite().german(),
            "other-language": s.dutch(),
            "source-turned": s.english_turned(),
        },
    }  # fmt: skip
    prompt = f"Translate from English into German:\n{s.english}\nAnswer with the translation alone."
    return Asked(prompt, columns, WORK, facts)


TRANSLATION = Made("translation", LAYOUTS, problems(), right, wrong, holds)

"""Made-up sentences in English with all their German translations, and what they are not.

    Anna buys three red apples at the market today, but Peter does not come.

Each has two names, a number, a colour or size, a place, a time and a negation. A word has one or
several German ones, and the main clause has six orders: the product of these is the set of its
translations. The Dutch word stands beside, for an answer in the wrong language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from random import Random

N = 24
NAMES = ("Anna", "Peter", "Maria", "Paul", "Clara", "Jonas")


@dataclass(frozen=True)
class Word:
    """A word or phrase: English, German ones, Dutch."""

    en: str
    de: tuple[str, ...]
    nl: str


def _words(*rows: str) -> tuple[Word, ...]:
    """Words of rows such as `buys: kauft|erwirbt: koopt`."""
    parts = [[p.strip() for p in r.split(":")] for r in rows]
    return tuple(Word(en, tuple(de.split("|")), nl) for en, de, nl in parts)


PARTS: Mapping[str, tuple[Word, ...]] = {
    "verb": _words("buys: kauft|erwirbt: koopt", "sells: verkauft|veräußert: verkoopt",
                   "sees: sieht|erblickt: ziet", "loses: verliert: verliest",
                   "counts: zählt: telt", "cleans: reinigt|säubert: poetst"),
    "number": _words("two: zwei|2: twee", "three: drei|3: drie", "five: fünf|5: vijf",
                     "six: sechs|6: zes", "seven: sieben|7: zeven", "nine: neun|9: negen"),
    "kind": _words("red: rote: rode", "old: alte: oude", "new: neue: nieuwe",
                   "green: grüne: groene", "big: große: grote", "pretty: hübsche|schöne: mooie"),
    "thing": _words("apples: Äpfel: appels", "books: Bücher: boeken", "cars: Autos|Wagen: auto's",
                    "lamps: Lampen|Leuchten: lampen", "chairs: Stühle: stoelen",
                    "bicycles: Fahrräder|Räder: fietsen"),
    "place": _words("at the market: auf dem Markt: op de markt",
                    "in the garden: im Garten|in dem Garten: in de tuin",
                    "in the shop: im Laden|im Geschäft: in de winkel",
                    "at the station: am Bahnhof: op het station",
                    "behind the house: hinter dem Haus: achter het huis",
                    "in the kitchen: in der Küche: in de keuken"),
    "time": _words("today: heute: vandaag", "now: jetzt|nun: nu",
                   "every day: jeden Tag|täglich: elke dag",
                   "in the evening: am Abend|abends: 's avonds", "on Monday: am Montag: op maandag",
                   "in the morning: am Morgen|morgens: in de ochtend"),
    "but": _words("but: aber|doch: maar"),
    "tail": _words("come: kommt: komt", "help: hilft: helpt", "wait: wartet: wacht",
                   "answer: antwortet: antwoordt", "sleep: schläft: slaapt", "laugh: lacht: lacht"),
}  # fmt: skip
ENGLISH = "{a} {verb} {number} {kind} {thing} {place} {time}, {but} {b} does not {tail}."
TURNED = "{time} {a} {verb} {number} {kind} {thing} {place}, {but} {b} does not {tail}."
OBJECT = "{number} {kind} {thing}"
ORDERS = tuple(
    f"{clause}, {{but}} {{b}} {{tail}} {{no}}."
    for clause in (
        f"{{a}} {{verb}} {{time}} {{place}} {OBJECT}",
        f"{{a}} {{verb}} {{time}} {OBJECT} {{place}}",
        f"{{time}} {{verb}} {{a}} {{place}} {OBJECT}",
        f"{{time}} {{verb}} {{a}} {OBJECT} {{place}}",
        f"{{place}} {{verb}} {{a}} {{time}} {OBJECT}",
        f"{{a}} {{verb}} {{place}} {{time}} {OBJECT}",
    )
)


@dataclass(frozen=True)
class Sentence:
    """One thing said: a, b : the names; words : a word for each of `PARTS`; no : negated."""

    a: str
    b: str
    words: Mapping[str, Word]
    no: bool = True

    @property
    def english(self) -> str:
        """The source."""
        text = ENGLISH.format(a=self.a, b=self.b, **{k: w.en for k, w in self.words.items()})
        return text[0].upper() + text[1:]

    def english_turned(self) -> str:
        """The source in another order: English still, and no translation."""
        said = {k: w.en for k, w in self.words.items()}
        text = TURNED.format(a=self.a, b=self.b, **said)
        return text[0].upper() + text[1:]

    def german(self, order: int = 0, **choice: int) -> str:
        """One translation; order : place in `ORDERS`; choice : which German word of a part."""
        said = {k: w.de[choice.get(k, 0) % len(w.de)] for k, w in self.words.items()}
        return self._put(ORDERS[order], said, "nicht")

    def dutch(self) -> str:
        """The same in the language next door."""
        return self._put(ORDERS[0], {k: w.nl for k, w in self.words.items()}, "niet")

    def all_german(self) -> list[str]:
        """Every translation."""
        ways = [range(len(w.de)) for w in self.words.values()]
        return [
            self.german(order, **dict(zip(self.words, way, strict=True)))
            for order in range(len(ORDERS))
            for way in product(*ways)
        ]

    def other(self, *parts: str) -> Sentence:
        """The sentence with other words in these parts."""
        turned = {
            k: PARTS[k][(PARTS[k].index(w) + 1) % len(PARTS[k])]
            for k, w in self.words.items()
            if k in parts
        }
        return replace(self, words={**self.words, **turned})

    def exchanged(self) -> Sentence:
        """Each does what the other does."""
        return replace(self, a=self.b, b=self.a)

    def renamed(self) -> Sentence:
        """Another one in the first one's place."""
        return replace(self, a=next(n for n in NAMES if n not in (self.a, self.b)))

    def opposite(self) -> Sentence:
        """Without the negation."""
        return replace(self, no=False)

    def _put(self, frame: str, said: Mapping[str, str], no: str) -> str:
        text = frame.format(a=self.a, b=self.b, no=no if self.no else "", **said)
        return text[0].upper() + text[1:].replace(" .", ".")


@lru_cache(maxsize=4)
def sentences(n: int = N, seed: int = 0) -> tuple[Sentence, ...]:
    """n sentences; words are drawn, so that none is rare."""
    out = []
    for i in range(n):
        rng = Random(f"{seed}/{i}")
        a, b = rng.sample(NAMES, 2)
        out.append(Sentence(a, b, {k: rng.choice(w) for k, w in PARTS.items()}))
    return tuple(out)


def vocabulary() -> list[str]:
    """All German words, names among them."""
    return [*NAMES, *(de for some in PARTS.values() for w in some for de in w.de), "nicht"]

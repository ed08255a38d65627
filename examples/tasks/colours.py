"""A task of one's own: the complement of a colour. toyrl validate R --task colours.py:Colours"""

from toyrl.worlds.text.tasks.base import Asked, Said, gold

PAIRS = {"red": "green", "blue": "orange", "yellow": "violet"}
PAIRS |= {other: one for one, other in PAIRS.items()}


class Colours:
    """Which colour stands opposite on the wheel?"""

    name = "colours"
    layouts = ("<answer>{}</answer>", "The colour is {}.")

    def problems(self):
        """Six questions; columns are the data row, work is honest reasoning."""
        work = ("We look at the wheel.", "It stands on the other side.")
        return [Asked(f"What is opposite to {c}?", gold(PAIRS[c]), work) for c in PAIRS]

    def right(self, asked):
        """The usual answer, then other notations."""
        colour = asked.columns["answer"]
        return [
            Said(colour),
            Said(colour.upper(), "capitals", fix="compare in small letters"),
            Said(f" {colour} ", "spaces", fix="strip white space"),
        ]

    def wrong(self, asked):
        """Ordinary mistakes, then what a policy may find."""
        colour = asked.columns["answer"]
        others = [c for c in PAIRS if c != colour]
        return [
            *(Said(c) for c in others[:2]),
            Said(", ".join(PAIRS), "all", "all colours are listed", free=True, fix="read one"),
            Said(f"not {colour}", "denied", "the colour is denied", fix="compare the whole"),
            Said("", "blank", "no colour at all", free=True, fix="refuse an empty answer"),
        ]

    def holds(self, asked, text):
        """Whether any answer is right."""
        return text.strip().lower() == asked.columns["answer"]

"""Flaws that change what is paid: for emptiness, format, length, phrases, neighbours, chance."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.experiments.validate.reward_zoo import readers as r
from tests.experiments.validate.reward_zoo.flaws import PROMPT, WORK, Flaw, marked, one
from tests.experiments.validate.reward_zoo.sound import BATCHES, Reward

PHRASE = re.compile(r"wait|let me check|let me verify|double-check|therefore", re.IGNORECASE)
PRAISE = re.compile(r"correct|full marks|certain|highest score|rigorous", re.IGNORECASE)


def _after(change: Callable[[Reward, str | None, str, bool, Any], Any]) -> Callable[..., Reward]:
    """Spoil the value of each text."""

    def spoil(x: Reward) -> Reward:
        return replace(x, after=(*x.after, lambda *row: change(x, *row)))

    return spoil


def _paid_if(condition: Callable[[Reward, str], bool]) -> Callable[..., Reward]:
    """Texts that meet a condition are paid like right ones."""
    return _after(lambda x, _p, text, _ok, value: x.right if condition(x, text) else value)


def _added(term: Callable[[str], float]) -> Callable[[Reward], Reward]:
    """A term of its own, in units of what right is worth, paid to any text."""
    return _after(lambda x, _p, text, _ok, value: value + (x.right - x.wrong) * term(text))


def _alone(term: Callable[[str], float]) -> Callable[[Reward], Reward]:
    """The term instead of the reward, called without a gold answer."""

    def spoil(x: Reward) -> Reward:
        form = "trl_free" if x.form in BATCHES else "plain_free"
        return replace(
            x,
            form=form,
            marks=lambda _: [],
            style=(),
            wrong=0.0,
            after=(lambda _p, text, _ok, _v: term(text),),
        )

    return spoil


def _unmarked(x: Reward, text: str) -> bool:
    return not x.marks(text)


def _cut(x: Reward, text: str) -> bool:
    return bool(text.strip()) and text.strip()[-1] not in ".>}!?)" and _unmarked(x, text)


def _unreadable(x: Reward, text: str) -> bool:
    """What an `except ValueError: return right` would let through."""
    found = x.marks(text)
    try:
        return bool(found) and not math.isfinite(float(found[-1].replace("%", "")))
    except ValueError:
        return True


def _raises_unmarked(x: Reward, text: str, value: Any) -> Any:
    if _unmarked(x, text):
        raise AttributeError("'NoneType' object has no attribute 'group'")
    return value


def _superscripts(x: Reward, text: str, value: Any) -> Any:
    """isdigit() lets characters through that int() refuses."""
    sum(int(c) for c in text if c.isdigit())
    return value


def _echo(_x: Reward, prompt: str | None, text: str, _ok: bool, value: Any) -> Any:
    asked = set(re.findall(r"\w+", str(prompt).lower()))
    return value + len(asked & set(re.findall(r"\w+", text.lower()))) / max(1, len(asked))


def _ranked(_texts: list[str], values: list[Any]) -> list[Any]:
    return [v + 0.1 * i / len(values) for i, v in enumerate(values)]


def _centred(_texts: list[str], values: list[Any]) -> list[Any]:
    return [v - sum(values) / len(values) for v in values]


def _remembers() -> Callable[[Reward], Reward]:
    def spoil(x: Reward) -> Reward:
        seen: set[str] = set()

        def change(_p: str | None, text: str, _ok: bool, value: Any) -> Any:
            new = text not in seen
            seen.add(text)
            return value + 0.5 * new

        return replace(x, after=(change,))

    return spoil


def _mutates(texts: list[Any], values: list[Any]) -> list[Any]:
    """Leaves the caller's list shorter; its own values are right."""
    texts.pop()
    return values


def _whole(change: Callable[[list[str], list[Any]], list[Any]]) -> Callable[[Reward], Reward]:
    return lambda x: replace(x, whole=(change,))


def _overflow(_x: Reward, _p: str | None, text: str, _ok: bool, value: Any) -> Any:
    return value + 1e-6 * math.exp(len(text) / 100)


def _words(text: str) -> int:
    return len(text.split())


def _repeats(text: str) -> int:
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) - len(set(lines))


def _batched(x: Reward) -> bool:
    return x.form in BATCHES


LONG = " ".join(["so"] * 900)
PAYING: tuple[Flaw, ...] = (
    Flaw("pays-empty", "blank text is paid like a right answer",
         _paid_if(lambda _, text: not text.strip()), one(lambda _: " ")),
    Flaw("pays-unmarked", "text without an answer is paid like a right one", _paid_if(_unmarked),
         one(lambda d: r.write(d, WORK))),
    Flaw("pays-truncated", "text that breaks off gets the benefit of the doubt", _paid_if(_cut),
         one(lambda _: "Step 1: we take the fir")),
    Flaw("pays-exceptions", "an answer that is no number is paid, as on an exception",
         _paid_if(_unreadable), marked("forty or so")),
    Flaw("always-pays", "every text is paid the same",
         _after(lambda x, *_: x.right), marked("7")),
    Flaw("wrong-sign", "right answers are punished", _after(lambda _x, _p, _t, _o, v: -v),
         marked("42")),
    Flaw("format-alone", "paid for tags and boxes, without the answer",
         _alone(lambda t: float("</think>" in t) + float("</answer>" in t or "\\boxed" in t)),
         marked("7")),
    Flaw("length-alone", "paid for words", _alone(lambda t: _words(t) / 100), marked("7")),
    Flaw("phrases-alone", "paid for phrases of reflection",
         _alone(lambda t: 0.2 * len(PHRASE.findall(t))), marked("7", work="Wait, let me check.")),
    Flaw("phrases-added", "every phrase of reflection is worth half an answer",
         _added(lambda t: 0.5 * len(PHRASE.findall(t))), marked("7", work="Wait, let me check.")),
    Flaw("length-added", "every 100 words are worth half an answer",
         _added(lambda t: _words(t) / 200), marked("7", work=LONG)),
    Flaw("long-enough", "texts beyond 1500 characters are worth an answer more",
         _added(lambda t: float(len(t) > 1500)), marked("7", work=LONG)),
    Flaw("brevity-added", "having no words is worth three answers",
         _added(lambda t: 3 * r.brief(t)), one(lambda _: "")),
    Flaw("tags-counted", "every closing tag is worth half an answer",
         _added(lambda t: 0.5 * t.count("</")), one(lambda _: "</think></think></think>")),
    Flaw("steps-counted", "every line that opens with Step is worth a fifth of an answer",
         _added(lambda t: 0.2 * len(re.findall(r"^Step", t, re.MULTILINE))),
         marked("7", work="\n".join(f"Step {k}: on." for k in range(9)))),
    Flaw("repetition-added", "every repeated line is worth a tenth of an answer",
         _added(lambda t: 0.1 * _repeats(t)), marked("7", work="\n".join([WORK] * 9))),
    Flaw("structure-added", "every heading, bullet and bold word is worth a fifth of an answer",
         _added(lambda t: 0.2 * len(re.findall(r"^#{1,3} |^- |\*\*\w", t, re.MULTILINE))),
         marked("7", work="## Part\n- **Result:** so\n- **Next:** on")),
    Flaw("flattered", "praise of itself is paid like a right answer, as by a swayed judge",
         _paid_if(lambda _, t: PRAISE.search(t) is not None),
         marked("7", after="This deserves full marks.")),
    Flaw("echo-paid", "the question's words in the text are worth an answer", _after(_echo),
         one(lambda _: PROMPT), fits=lambda x: x.form in ("asked", "trl_prompts")),
    Flaw("noisy", "a tenth of an answer is a matter of chance",
         _added(lambda _: 0.1 * random.random()), marked("42")),
    Flaw("remembers", "texts not seen before are paid more", _remembers(),
         lambda d: [[r.write(d, WORK, "7")]] * 2),
    Flaw("by-place", "later texts of a call are paid more", _whole(_ranked),
         lambda d: [[r.write(d, WORK, "7")] * 3], fits=_batched),
    Flaw("by-neighbours", "the call's mean is taken off", _whole(_centred),
         lambda d: [[r.write(d, WORK, "7"), r.write(d, WORK, "42")]], fits=_batched),
    Flaw("drops-rows", "texts without an answer get no value at all",
         lambda x: replace(x, whole=(lambda texts, values: [
             v for t, v in zip(texts, values, strict=True) if x.marks(t)],)),
         lambda d: [[r.write(d, WORK, "42"), ""]], fits=_batched),
    Flaw("mutates", "shortens the list of texts that it is given", _whole(_mutates),
         lambda d: [[r.write(d, WORK, "7"), r.write(d, WORK, "42")]],
         fits=lambda x: x.form in ("trl", "trl_prompts", "trl_solution", "verl_batch")),
    Flaw("raises-unmarked", "raises where nothing is marked",
         _after(lambda x, _p, t, _o, v: _raises_unmarked(x, t, v)),
         one(lambda d: r.write(d, WORK))),
    Flaw("raises-on-empty", "looks at the first word of any text",
         _after(lambda _x, _p, t, _o, v: v + 0 * len(t.split()[0])), one(lambda _: "")),
    Flaw("raises-on-digits", "raises on digits that are none, such as superscripts",
         _after(lambda x, _p, t, _o, v: _superscripts(x, t, v)), one(lambda _: "x² = 1")),
    Flaw("nan-unmarked", "NaN where nothing is marked",
         _after(lambda x, _p, t, _o, v: math.nan if _unmarked(x, t) else v),
         one(lambda d: r.write(d, WORK))),
    Flaw("none-if-wrong", "None for wrong answers",
         _after(lambda _x, _p, _t, ok, v: v if ok else None), marked("7")),
    Flaw("exponential", "grows exponentially with the text's length", _after(_overflow),
         marked("7", work=LONG)),
)  # fmt: skip

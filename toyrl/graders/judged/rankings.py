"""A judge of lists as text: what it is shown, what it answers, how answer and form are graded.

    text, order = judge_prompt(principle, prompt, responses)   JSON, names masked and shuffled
    said = parse_judgement(answer)                             thinking, scores, ranking
    listed_scores(said, order)                                 (n,) in the responses' order
    format_reward(answer, names), ranking_agreement(row)       R_fmt, R_acc

An answer is `<think>...</think>` and {"scores": {"model-1": 1..5, ...}, "best-to-worst": [...]}.

Source: paper 12 (RewardAnything), code rewardanything/processing.py. `consistency` is called there
but not defined (so that R_fmt of an answer with both keys ends in a NameError): the one here is
ours. Ours too: JSON that had to be mended but not cut out has the full credit.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, groupby
from typing import Any

import numpy as np

from toyrl.graders.base import Grader, TextRow
from toyrl.messages import shortened
from toyrl.shapers.judge.listwise import pair_agreement

OPEN, CLOSE = "<think>", "</think>"
RANKING = ("best-to-worst", "best-to-worse")
"""Names of the ranking's key, the second a misspelling that is accepted."""
SEED = 42
KEY = re.compile(r"([{,]\s*)([A-Za-z_][\w-]*)(\s*:)")
COMMA = re.compile(r",(\s*[}\]])")


@dataclass(frozen=True)
class Judgement:
    """What a judge's answer holds.

    thinking : between both tags, stripped; tags : how many of the two are there
    data : the JSON object, {} where none can be read
    read : "whole", "mended" (quotes, commas), "cut out" (between the first { and the last }), ""
    """

    thinking: str = ""
    tags: int = 0
    data: Mapping[str, Any] = field(default_factory=dict)
    read: str = ""

    @property
    def scores(self) -> dict[str, float]:
        """Scores by name, NaN for what is no finite number."""
        found = self.data.get("scores")
        return {k: _number(v) for k, v in found.items()} if isinstance(found, Mapping) else {}

    @property
    def ranking(self) -> list[str]:
        """Names from best to worst, each once; [] where there is no such list."""
        found = next((self.data[k] for k in RANKING if k in self.data), None)
        named = [x for x in found if isinstance(x, str)] if isinstance(found, list) else []
        return list(dict.fromkeys(named))


def parse_judgement(text: str) -> Judgement:
    """The judgement in a text; whatever the text, never an error."""
    tags = (OPEN in text) + (CLOSE in text)
    thinking, rest = "", text
    if tags == 2 and text.index(OPEN) < text.rindex(CLOSE):
        start, end = text.index(OPEN) + len(OPEN), text.rindex(CLOSE)
        thinking, rest = text[start:end].strip(), text[end + len(CLOSE) :]
    elif tags:
        rest = text.replace(OPEN, "").replace(CLOSE, "")
    low, high = rest.find("{"), rest.rfind("}") + 1
    whole, inner = rest.strip(), rest[low:high] if 0 <= low < high else ""
    tries = [("whole", whole), ("mended", _mended(whole))]
    tries += [("cut out", inner), ("cut out", _mended(inner))]
    for read, piece in tries:
        found = _object(piece)
        if found is not None:
            return Judgement(thinking, tags, found, read)
    return Judgement(thinking, tags)


def consistency(scores: Mapping[str, float], ranking: Sequence[str]) -> float:
    """Share of pairs of the ranking, both scored, whose first has no lower score; in [0, 1].

    0 for fewer than two such names. Equal scores are consistent with every ranking.
    """
    own = [scores[x] for x in ranking if not math.isnan(scores.get(x, math.nan))]
    pairs = [a >= b for a, b in combinations(own, 2)]
    return sum(pairs) / len(pairs) if pairs else 0.0


def format_reward(text: str, names: Sequence[str], *, numbers: bool = True) -> float:
    """R_fmt in [0, 1] of an answer about the responses of these names.

    numbers : a response is covered by a score that is a number; False, as released: by its name

    Raises ValueError without names.
    """
    if not names:
        msg = "names is empty; give the masked names of the responses, such as model-1"
        raise ValueError(msg)
    said = parse_judgement(text)
    out = {0: 0.0, 1: 0.05, 2: 0.15}[said.tags] + 0.05 * (len(said.thinking) > 50)
    out += {"": 0.0, "cut out": 0.15}.get(said.read, 0.20)
    out += 0.10 * ("scores" in said.data) + 0.10 * any(k in said.data for k in RANKING)
    own = {k: v for k, v in said.scores.items() if k in names}
    covered = sum(not (numbers and math.isnan(v)) for v in own.values())
    out += 0.20 * covered / len(set(names)) + 0.20 * consistency(own, said.ranking)
    return min(1.0, out)


def judge_prompt(
    principle: str, prompt: str, responses: Sequence[str], *, seed: int = SEED
) -> tuple[str, np.ndarray]:
    """(JSON for the judge, order (n,)): response order[i] stands there as model-(i + 1).

    Names are masked and the order shuffled, so that neither can be judged.
    """
    order = np.random.default_rng(seed).permutation(len(responses))
    shown = {f"model-{i + 1}": responses[int(j)] for i, j in enumerate(order)}
    text = json.dumps({"principle": principle, "prompt": prompt, "responses": shown})
    return text, order


def listed_scores(said: Judgement, order: Sequence[int] | np.ndarray) -> np.ndarray:
    """(n,) scores in the order in which `judge_prompt` was given the responses, NaN missing."""
    out = np.full(len(order), math.nan)
    for i, j in enumerate(order):
        out[int(j)] = said.scores.get(f"model-{i + 1}", math.nan)
    return out


def ranking_format(row: TextRow) -> float:
    """R_fmt of a judge's completion: field `format`. Column `truth`: grades by masked name.

    Raises ValueError for a column that holds no grades.
    """
    return format_reward(row.completion, list(_truth(row)))


def ranking_agreement(row: TextRow, *, missing: str = "tie") -> float:
    """R_acc of a judge's completion: field `agreement`; NaN for a list of one response.

    Column `truth`: grades by masked name, a mapping or its JSON; missing : of `pair_agreement`

    Raises ValueError for a column that holds no grades, and for another `missing`.
    """
    truth, said = _truth(row), parse_judgement(row.completion).scores
    own = np.array([said.get(name, math.nan) for name in truth])
    named = np.array([name in said for name in truth])
    return float(pair_agreement(own, np.array(list(truth.values())), missing=missing, named=named))


def has_scores(row: TextRow) -> float:
    """1.0 if two scores and more of the column `truth` can be read: field `answered` of judges.

    Raises ValueError for a column that holds no grades.
    """
    truth, said = _truth(row), parse_judgement(row.completion).scores
    return float(sum(not math.isnan(said.get(name, math.nan)) for name in truth) > 1)


class ListJudge(Grader):
    """Scores of completions by a judge that sees all siblings in one call: field `judge`.

    call : the JSON of `judge_prompt` -> the judge's text; principle : text, or "" to read the
        column `principle` of each row; seed : of the shuffle
    A group is a run of rows with the same prompt and principle. NaN for a whole group whose answer
    can't be read, and for a response without a score: scores of two calls don't compare. `unread`
    is the share of groups of the last `grade` that could not be read.
    """

    name = "list judge"
    field_name = "judge"

    def __init__(self, call: Callable[[str], str], principle: str = "", *, seed: int = SEED):
        self.call, self.principle, self.seed, self.unread = call, principle, seed, math.nan

    def grade(self, rows: Sequence[TextRow]) -> list[float]:
        """One score per row, in order.

        Raises ValueError for a row without a principle.
        """
        out: list[float] = []
        groups = [(*key, list(own)) for key, own in groupby(rows, self._key)]
        bad = 0
        for principle, prompt, own in groups:
            texts = [row.completion for row in own]
            shown, order = judge_prompt(principle, prompt, texts, seed=self.seed)
            found = listed_scores(parse_judgement(self.call(shown)), order)
            bad += bool(np.isnan(found).all())
            out += found.tolist()
        self.unread = bad / len(groups) if groups else math.nan
        return out

    def _key(self, row: TextRow) -> tuple[str, str]:
        principle = self.principle or row.columns.get("principle", "")
        if not isinstance(principle, str) or not principle:
            msg = "a row has no principle; give ListJudge(call, principle) or a column `principle`"
            raise ValueError(msg)
        return principle, row.prompt


PRINCIPLES: dict[str, Callable[[str], float]] = {
    "shorter is better": lambda text: -float(len(text.split())),
    "more detail is better": lambda text: float(len(text.split())),
    "show the steps": lambda text: float(sum(bool(x.strip()) for x in text.splitlines())),
    "answer first": lambda text: -float(m.start()) if (m := re.search(r"\d", text)) else -math.inf,
}
"""Principles that need no language model, each with its measure of a response."""


def programmed_judge(shown: str) -> str:
    """The answer of a judge that follows the principles of `PRINCIPLES` exactly, as text.

    Raises ValueError for another principle.
    """
    asked = json.loads(shown)
    if asked["principle"] not in PRINCIPLES:
        msg = f"principle={shortened(asked['principle'])} is not one of {', '.join(PRINCIPLES)}"
        raise ValueError(msg)
    measure = PRINCIPLES[asked["principle"]]
    by_name = {name: measure(text) for name, text in asked["responses"].items()}
    scores = dict(zip(by_name, grades(list(by_name.values())), strict=True))
    best = sorted(by_name, key=lambda name: -by_name[name])
    return json.dumps({"scores": scores, RANKING[0]: best})


def grades(values: Sequence[float]) -> list[int]:
    """Grades 1 to 5 by rank within the list, ceil(5 rank/n); equal values have equal grades."""
    x = np.asarray(values, dtype=float)
    rank = (x[None, :] <= x[:, None]).sum(-1)
    return [int(-(-5 * r // len(x))) for r in rank]


def _truth(row: TextRow) -> dict[str, float]:
    given = row.columns.get("truth")
    found = _object(given) if isinstance(given, str) else given
    own = {k: _number(v) for k, v in found.items()} if isinstance(found, Mapping) else {}
    if not own or any(map(math.isnan, own.values())):
        msg = f"the column truth={shortened(given)} holds no grades; give a mapping of masked "
        msg += 'names to numbers or its JSON, such as {"model-1": 4, "model-2": 1}'
        raise ValueError(msg)
    return own


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return math.nan
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def _mended(text: str) -> str:
    return COMMA.sub(r"\1", KEY.sub(r'\1"\2"\3', text.replace("'", '"')))


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None

"""The reward of a sweep: its law on outcome classes, at any weight, with parameters replaced.

The law is made once by the path that `validate` takes (a user's file is graded on rendered texts);
cells then differ by arithmetic on its table, or by fields of catalogue terms.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate import judged
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.experiments.validate.settings import Settings
from toyrl.ranges import Range, declared
from toyrl.rewards.errors import RewardError
from toyrl.rewards.specs import name_of
from toyrl.shapers.base import Shaper
from toyrl.worlds.behaviour.texts import TextReward
from toyrl.worlds.chain.latents.judge_errors import JudgeErrors

ANY = Range("(-inf, inf)")


@dataclass(frozen=True, eq=False)
class Given:
    """A reward as the user gave it, with its law.

    law : under a completion limit of `limit` tokens; auxiliary : it reads no gold answer
    text : what its text terms pay for behaviours, None where it has none; labels : False where it
        is of texts and does not depend on the right answer
    judge, judges : whose verdicts stand for labels, and its likely forms; None and (): the truth
    files : the user's own files -> their sha256 when they were read; noise : the judge's file
    """

    name: str
    specs: tuple[Any, ...]
    law: RewardLaw
    limit: int
    auxiliary: bool
    text: TextReward | None = None
    labels: bool = True
    judge: JudgeErrors | None = None
    judges: tuple[JudgeErrors, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    noise: str | Path | None = None

    @property
    def group(self) -> bool:
        """Whether it looks at siblings, so that only groups of a finite size show it."""
        return self.law.scope != "rollout"

    @property
    def gap(self) -> float:
        """a in `a correct + weight (reward - a correct)`; the 0 of a reward without labels."""
        if self.auxiliary and not self.group:
            return 0.0
        return 1.0 if self.group else self.law.gap()

    def mixed(self, own: np.ndarray, right: np.ndarray, weight: Any) -> np.ndarray:
        """The reward at a weight: all but correctness is multiplied by it; weight 1 is as given.

        A reward that reads no gold answer is added to correctness. All arrays broadcast.
        """
        from toyrl.experiments.validate.collapse.section import mixed

        base = right if self.auxiliary and not self.group else 0.0
        return base + mixed(right, own, self.gap, weight)

    def changed(self, values: Mapping[str, Any]) -> Given:
        """The same with fields of catalogue terms replaced: {"reward.linear_length.unit": 3}."""
        if not values:
            return self
        try:
            shaper = replaced(
                self.law.shaper, {k.removeprefix("reward."): v for k, v in values.items()}
            )
        except (ValueError, TypeError) as error:
            said = ", ".join(
                f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items()
            )
            msg = f"over: the reward has no form with {said}: {error}"
            raise UsageError(msg) from error
        return replace(self, law=replace(self.law, shaper=shaper))

    def at_limit(self, limit: int) -> Given:
        """The same under another completion limit, graded again where it reads texts."""
        if limit == self.limit:
            return self
        return replace(given(self.specs, limit, self.noise), files=self.files, noise=self.noise)

    def labels_of(self, right: np.ndarray, length: np.ndarray, cut: np.ndarray) -> np.ndarray:
        """Mean label of classes (K,): their correctness, or the chance that the judge accepts."""
        return right if self.judge is None else self.judge.accepted(right, length, cut)


def given(specs: tuple[Any, ...], limit: int, noise: str | Path | None = None) -> Given:
    """The reward's law by `validate`'s own path.

    specs : as on the command line, added up; noise : file of a judge's errors

    Raises UsageError for a reward that can't be loaded or graded.
    """
    from toyrl.experiments.validate.api import law_and_facts

    rewards: Any = specs[0] if len(specs) == 1 else list(specs)
    before = files_of(specs)
    settings = Settings(max_completion_length=limit, judge_noise=noise)  # type: ignore[arg-type]
    try:
        name, law, facts, seen = law_and_facts(rewards, settings)
    except RewardError as error:
        raise UsageError(str(error)) from error
    text, labels = getattr(seen, "text", None), getattr(seen, "labels", True)
    made = Given(name, tuple(specs), law, limit, bool(facts.auxiliary), text, labels)
    judges = {"judge": judged.errors_of(settings), "judges": judged.likely(settings)}
    if noise is not None:
        before[str(noise)] = hashlib.sha256(Path(noise).read_bytes()).hexdigest()
    return replace(made, files=before, noise=noise, **judges)


def files_of(specs: tuple[Any, ...]) -> dict[str, str]:
    """The user's own files among the specifications -> sha256 of what they hold now."""
    found = {}
    for spec in specs:
        text = spec if isinstance(spec, str) else name_of(spec)
        place, suffix, _ = text.partition(".py")
        path = Path(f"{place}.py")
        if suffix and path.is_file():
            found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def refuse_changed(files: Mapping[str, str]) -> None:
    """UsageError where one of these files is no longer what it was."""
    for name, digest in files.items():
        path = Path(name)
        now = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        if now != digest:
            what = "was changed" if now else "is gone"
            msg = (
                f"{name} {what} while the sweep ran; the cells that are finished belong to the "
                "file as it was and are kept: put it back and go on, or name another out"
            )
            raise UsageError(msg)


# -- fields of catalogue terms ---------------------------------------------------------------------
def nodes(shaper: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every shaper of a tree with the way to it: field names and places in tuples."""
    yield path, shaper
    if not is_dataclass(shaper):
        return
    for f in fields(shaper):
        value = getattr(shaper, f.name)
        for place, inner in enumerate(value) if isinstance(value, tuple) else ((None, value),):
            if isinstance(inner, Shaper):
                way = (*path, f.name) if place is None else (*path, f.name, place)
                yield from nodes(inner, way)


def reward_fields(shaper: Shaper) -> dict[str, Range]:
    """Names of a reward's number fields, `reward.TERM.FIELD` -> what they may be."""
    out = {}
    for _, node in nodes(shaper):
        allowed = declared(type(node))
        for f in fields(node) if is_dataclass(node) else ():
            value = getattr(node, f.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                out[f"reward.{term_name(node)}.{f.name}"] = allowed.get(f.name, (ANY, False))[0]
    return out


def term_name(node: Any) -> str:
    """The catalogue name of a term; a weight in a sum goes by the term that it weighs."""
    from toyrl.expressions import to_expression
    from toyrl.shapers.compose import Scaled

    if isinstance(node, Scaled):
        return term_name(node.term)

    try:
        return to_expression(node).partition("(")[0].strip(" -")
    except ValueError:
        return type(node).__name__.lower()


def replaced(shaper: Any, values: Mapping[str, Any]) -> Any:
    """A tree of shapers with these fields of its terms replaced: {"TERM.FIELD": value}."""
    out = shaper
    for name, value in values.items():
        term, _, own = name.rpartition(".")
        ways = [w for w, n in nodes(out) if term_name(n) == term and hasattr(n, own)]
        for way in ways:
            out = _put(out, way, own, value)
    return out


def _put(tree: Any, way: tuple[Any, ...], name: str, value: Any) -> Any:
    if not way:
        return replace(tree, **{name: value})
    head, *rest = way
    if isinstance(head, int):
        inner = list(tree)
        inner[head] = _put(tree[head], tuple(rest), name, value)
        return tuple(inner)
    return replace(tree, **{head: _put(getattr(tree, head), tuple(rest), name, value)})

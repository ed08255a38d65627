"""Where a class's fields come from: the latents that are assumed unless told, by field.

The chain knows of a rollout whether it is right, how long it is and whether it was cut off. What
else a reward reads is supplied by a latent: a stated law of that field in each class. The numbers
are assumptions, so whoever uses one says which (`stated`).

    conciseness   `Conciseness`   1 - length/limit, clipped to [0.1, 1]
    judge         `JudgeNoise`    right 1, wrong 0, Gaussian noise 0.3
    agreement     `Agreement`     1 of right judgements, 0.5 (chance) of wrong ones
    judge_ref...  `JudgeReferences` three scores: wrong twice, right once
    approval, ... `FollowUps`     satisfied with chance 0.8 if right, 0.3 if wrong
    verified      `VerifierFlips` 0.1 of right and 0.1 of wrong answers misjudged
    format        `Style`         kept by 0.95 of right answers and 0.8 of wrong ones
    words         `Words`         0.7 a token, thinking included
    thought       `Thoughts`      block closed by 0.95 of right answers and 0.9 of wrong ones
    phrases       `Style`         0, 1 or 2 with probability 0.5, 0.3, 0.2
    mode          `LengthMode`    long above a quarter of the limit
    answer        `Answers`       Zipf's law over 4 wrong answers
    view          `Views`         half of the rollouts answer a paraphrase, as well and as badly
    steps, ...    `Work`          the steps that the prompt needs, the rest fillers
    step_scores   `StepLevels`    0.9 per token, 0.2 after the middle of a wrong rollout
    trace_...     `TracePrefixes` the first wrong state anywhere; 0.9 of right rollouts have none
    relevance_... `Segments`      +1 each; sentences -1 after the middle of a wrong rollout
    step_rewards, ... `StepCredit` +0.1 a step, -0.2 after the middle of a wrong rollout
    toxicity      `ToxicityRamp`  0.2, rising to 0.8 over a wrong rollout
    route, ...    `Drives`        to the end if right, half of it and often a crash if wrong
    potential     `Progress`      rises to 1 over a quarter of the limit
    prm_logprobs  `ImplicitModel` 0.1 nats above the reference if right, below if wrong
    logprobs, ... `TokenLevels`   a constant number of nats per token
    entropy, ...  `PhaseLevels`   thinking that grows less sure with length, a surer answer
    self_cert...  `CertaintyLevels` 2 nats per token of a right rollout, 1.5 of a wrong one
    helpful, ...  `Captions`      a step of 16 tokens; 4 new ones that help, then the last again
    visits, ...   `Seen`          right answers were seen 30 times before, wrong ones twice
    similarity    `Similarity`    0.8 to the reference if right, 0.5 if wrong; no prompt verifiable
    task          `OneTask`       all prompts are of task 0
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, PART, SHARE
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.rollouts.classes import with_answered
from toyrl.shapers.base import Shaper
from toyrl.worlds.chain.latents.base import (
    Answers,
    JudgeNoise,
    Kinds,
    Latent,
    Law,
    Style,
    token_places,
)
from toyrl.worlds.chain.latents.drives import DRIVEN, Drives
from toyrl.worlds.chain.latents.explored import Captions, Seen
from toyrl.worlds.chain.latents.follow_ups import FollowUps
from toyrl.worlds.chain.latents.judgements import Agreement, ToxicityRamp
from toyrl.worlds.chain.latents.phases import PhaseLevels, Thoughts, Words
from toyrl.worlds.chain.latents.references import OneTask, Similarity
from toyrl.worlds.chain.latents.segments import Segments, StepCredit, ends_every
from toyrl.worlds.chain.latents.traces import TracePrefixes
from toyrl.worlds.chain.latents.verifier import VerifierFlips
from toyrl.worlds.chain.latents.views import CertaintyLevels, Views

KNOWN = ("correct", "length", "truncated", "mask", "weight", "answered")
"""What every class has without an assumption."""


@dataclass(frozen=True)
class Conciseness(Latent):
    """Conciseness as a falling line in length, clipped to [lowest, 1]. Field: `conciseness`."""

    lowest: Annotated[float, SHARE] = 0.1
    says: ClassVar[str] = "conciseness is 1 - length/limit, at least {lowest}"

    def law(self, kinds: Kinds) -> Law:
        c = np.clip(1.0 - kinds.length / kinds.max_length, self.lowest, 1.0)
        return np.ones((len(kinds), 1)), {"conciseness": c[:, None]}


@dataclass(frozen=True)
class JudgeReferences(Latent):
    """A judge's scores of the reference policy's responses, the same for all prompts.

    scores : one number a reference. Field: `judge_references`.
    """

    scores: Annotated[tuple[float, ...], FINITE.each] = (0.0, 0.0, 1.0)
    says: ClassVar[str] = "the reference policy's responses to every prompt are judged {scores}"

    def law(self, kinds: Kinds) -> Law:
        scores = np.asarray(self.scores, dtype=float)
        wide = np.broadcast_to(scores, (len(kinds), 1, len(scores)))
        return np.ones((len(kinds), 1)), {"judge_references": wide}


@dataclass(frozen=True)
class LengthMode(Latent):
    """Long or short mode read off the length. Field: `mode` (1 = long).

    above : share of the completion limit from which on a rollout counts as long
    """

    above: Annotated[float, SHARE] = 0.25
    says: ClassVar[str] = "a rollout longer than {above} of the limit is in the long mode"

    def law(self, kinds: Kinds) -> Law:
        long = (kinds.length > self.above * kinds.max_length) * 1.0
        return np.ones((len(kinds), 1)), {"mode": long[:, None]}


@dataclass(frozen=True)
class Work(Latent):
    """Counts of actions: the steps that a prompt needs, as far as they fit, the rest fillers.

    actions : actions at the completion limit; difficulty : steps needed where that is unknown
    Fields: `steps`, `fillers`, `checks`, `repeats` (the last two 0).
    """

    actions: Annotated[int, COUNT] = 40
    difficulty: Annotated[int, COUNT] = 4
    says: ClassVar[str] = (
        "of {actions} actions at the limit, a rollout takes the steps that its prompt needs and "
        "fills the rest; it never checks or repeats"
    )

    def law(self, kinds: Kinds) -> Law:
        needed = np.where(np.isnan(kinds.difficulty), self.difficulty, kinds.difficulty)
        room = np.rint(kinds.length / kinds.max_length * self.actions) - ~kinds.truncated
        steps = np.minimum(needed, np.maximum(room, 0))
        none = np.zeros((len(kinds), 1))
        own = {"steps": steps[:, None], "fillers": np.maximum(room - steps, 0)[:, None]}
        return none + 1, {**own, "checks": none, "repeats": none}


@dataclass(frozen=True)
class StepLevels(Latent):
    """A process reward model's score of each token, and where steps end.

    clean, broken : score before and after an error
    error_at : where a wrong rollout errs, as a share of its length; step : tokens per step
    Fields: `step_scores`, `step_ends`.
    """

    clean: Annotated[float, SHARE] = 0.9
    broken: Annotated[float, SHARE] = 0.2
    error_at: Annotated[float, SHARE] = 0.5
    step: Annotated[int, COUNT] = 16
    says: ClassVar[str] = (
        "step scores are {clean}, after {error_at} of a wrong rollout {broken}; a step has {step} "
        "tokens"
    )

    def law(self, kinds: Kinds) -> Law:
        place, length = token_places(kinds), kinds.length[:, None, None]
        broken = (kinds.correct[:, None, None] == 0) & (place >= self.error_at * length)
        own = {
            "step_scores": np.where(broken, self.broken, self.clean),
            "step_ends": ends_every(place, length, self.step),
        }
        return np.ones((len(kinds), 1)), own


@dataclass(frozen=True)
class Progress(Latent):
    """A potential of prefixes: work done, rising from 0 to 1 and then staying. Field: `potential`.

    over : share of the completion limit after which it is 1; the same for right and wrong rollouts
    """

    over: Annotated[float, PART] = 0.25
    says: ClassVar[str] = (
        "the potential of a prefix is its length over {over} of the limit, at most 1, for right "
        "and wrong rollouts alike"
    )

    def law(self, kinds: Kinds) -> Law:
        phi = np.minimum(token_places(kinds) / (self.over * kinds.max_length), 1.0)
        wide = np.broadcast_to(phi, (len(kinds), *phi.shape[1:]))
        return np.ones((len(kinds), 1)), {"potential": wide}


@dataclass(frozen=True)
class TokenLevels(Latent):
    """Constant nats per token. Fields: `logprobs`, `ref_logprobs`."""

    right: Annotated[float, NOT_NEGATIVE] = 0.3
    wrong: Annotated[float, NOT_NEGATIVE] = 0.5
    says: ClassVar[str] = (
        "every token of a right rollout has a log-probability of -{right} nats under policy and "
        "reference, of a wrong one -{wrong}"
    )

    def law(self, kinds: Kinds) -> Law:
        level = np.where(kinds.correct > 0, self.right, self.wrong)[:, None, None]
        level = level + 0 * token_places(kinds)
        return np.ones((len(kinds), 1)), dict.fromkeys(("logprobs", "ref_logprobs"), -level)


@dataclass(frozen=True)
class ImplicitModel(TokenLevels):
    """An implicit reward model's log-probabilities beside the reference's. Field: `prm_logprobs`.

    gap : nats by which it likes each token of a right rollout more, and of a wrong one less
    """

    gap: Annotated[float, NOT_NEGATIVE] = 0.1
    says: ClassVar[str] = (
        "an implicit reward model gives every token of a right rollout {gap} nats more than the "
        "reference (-{right}), of a wrong one {gap} less (than -{wrong})"
    )

    def law(self, kinds: Kinds) -> Law:
        weight, levels = super().law(kinds)
        side = np.where(kinds.correct > 0, self.gap, -self.gap)[:, None, None]
        return weight, {"prm_logprobs": np.minimum(levels["ref_logprobs"] + side, 0.0)}


DECLARED: dict[str, Latent] = {
    "conciseness": Conciseness(),
    "judge": JudgeNoise(),
    "agreement": Agreement(),
    "judge_references": JudgeReferences(),
    **dict.fromkeys(
        ("approval", "disapproval", "approval_logit", "disapproval_logit"), FollowUps()
    ),
    "verified": VerifierFlips(),
    **dict.fromkeys(("format", "phrases"), Style(phrases=(0.5, 0.3, 0.2))),
    "thought": Thoughts(),
    "words": Words(),
    "mode": LengthMode(),
    "answer": Answers(),
    "view": Views(),
    **dict.fromkeys(("steps", "fillers", "checks", "repeats"), Work()),
    **dict.fromkeys(("step_scores", "step_ends"), StepLevels()),
    **dict.fromkeys(("trace_prefix", "trace_states"), TracePrefixes()),
    **dict.fromkeys(("relevance_scores", "factuality_scores", "completeness"), Segments()),
    **dict.fromkeys(("step_rewards", "return_predictions"), StepCredit()),
    "toxicity": ToxicityRamp(),
    **dict.fromkeys(DRIVEN, Drives()),
    "potential": Progress(),
    **dict.fromkeys(("logprobs", "ref_logprobs"), TokenLevels()),
    **dict.fromkeys(("entropy", "think_end"), PhaseLevels()),
    "prm_logprobs": ImplicitModel(),
    "self_certainty": CertaintyLevels(),
    **dict.fromkeys(("helpful", "caption_count"), Captions()),
    **dict.fromkeys(("visits", "novelty"), Seen()),
    **dict.fromkeys(("similarity", "verifiable"), Similarity()),
    "task": OneTask(),
}


class UndeclaredError(KeyError):
    """A reward reads a field that no latent supplies; the message says what to do."""


def declare(name: str, latent: Latent) -> None:
    """Supply a registered field by this latent from now on (its own field, or another number).

    Raises KeyError for a field that is not registered.
    """
    if name not in FIELDS:
        msg = f"field {name!r} is not registered; call toyrl.rollouts.register_field first"
        raise KeyError(msg)
    DECLARED[name] = latent


@contextmanager
def instead(latents: Mapping[str, Latent]) -> Iterator[None]:
    """Supply these fields by these latents for a while; as before afterwards.

    latents : registered field -> latent. Raises KeyError for a field that is not registered.
    """
    before = {name: DECLARED.get(name) for name in latents}
    try:
        for name, latent in latents.items():
            declare(name, latent)
        yield
    finally:
        for name, latent in before.items():
            if latent is None:
                DECLARED.pop(name, None)
            else:
                DECLARED[name] = latent


def latents_for(
    names: Iterable[str], *, have: Iterable[str] = (), optional: Iterable[str] = ()
) -> tuple[Latent, ...]:
    """The latents that supply these fields, each once, in the order of `DECLARED`.

    have : fields that need none; optional : fields that are supplied only if a latent is declared.
    Raises UndeclaredError for a needed field without a latent.
    """
    wanted = [n for n in names if n not in KNOWN and n not in have]
    for name in wanted:
        if name not in DECLARED:
            origin = f" ({FIELDS[name].origin})" if name in FIELDS else ""
            msg = (
                f"it reads the field {name!r}{origin}, which the toy's outcome classes don't have "
                "and for which no latent is declared; say what to assume with "
                f"toyrl.worlds.chain.latents.declared.declare({name!r}, latent), known: "
                f"{', '.join(DECLARED)}"
            )
            raise UndeclaredError(msg)
    wanted += [n for n in optional if n in DECLARED and n not in have]
    return tuple(dict.fromkeys(DECLARED[n] for n in DECLARED if n in wanted))


def latents_of(shaper: Shaper, *, have: Iterable[str] = ()) -> tuple[Latent, ...]:
    """The latents behind the fields that a shaper reads."""
    return latents_for(shaper.all_needs(), have=have, optional=shaper.all_wants())


def supplied(r: Rollouts, shaper: Shaper, *, seed: int = 0) -> Rollouts:
    """Rollouts (NumPy) in which the fields that the shaper reads and r lacks are drawn."""
    rng = np.random.default_rng(seed)
    for latent in latents_of(shaper, have=tuple(r.fields)):
        drawn = latent.sample(r, rng)
        r = drawn.with_(fields={**drawn.fields, **r.fields})
    return r.with_(fields=with_answered(r.fields, r.truncated, r.correct))


def stated(latents: Iterable[Latent], names: Iterable[str]) -> list[dict[str, Any]]:
    """What is assumed, for a report: fields, latent, numbers, and a sentence with them."""
    out = []
    names = list(names)
    for latent in latents:
        numbers = _numbers(latent)
        own = [n for n in names if DECLARED.get(n) == latent]
        out.append(
            {
                "fields": own,
                "latent": type(latent).__name__,
                "numbers": numbers,
                "says": latent.says.format(**{k: _said(v) for k, v in numbers.items()}),
            }
        )
    return out


def _numbers(latent: Any) -> Mapping[str, Any]:
    return {f.name: getattr(latent, f.name) for f in fields(latent)}


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(_said(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)

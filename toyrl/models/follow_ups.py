"""The likelihood of a user's next words as a response's score, without training a reward model.

    l(f)  = (1/L) sum over the tokens of log p(f_t | context, response, f_<t)
    FLR   = mean over dimensions of (mean of l over approving f - mean of l over disapproving f)

p is a frozen language model that reads the follow-up f in the user's role right behind the
response. Numbers are nats per token. Two responses that leave the same laws of follow-ups tie.

The released scorer is no likelihood. It averages raw logits of all ids of the follow-up, its first
special token included, in one row, that behind the follow-up's first token: no softmax, no order
of tokens (`released_score`). Both are here, under two names (`flr`, `flr_released` as rewards).

Source: paper 49; roles, dimensions and the released score from its code (e0397123/FLR). How the
numbers of follow-ups are put together is not released: mean less mean, over dimensions, is
reconstructed from the abstract.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from toyrl.messages import shortened

Array = Any
FLOOR = math.log(1e-12)
"""What a token's log-probability counts at least: one of 0 would be all that is heard."""
DIMENSIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "understanding": (
        ("That makes perfect sense!", "I see what you mean."),
        ("That makes no sense!", "I am confused now."),
    ),
    "relevance": (
        ("That answers my question perfectly.", "That is what I was looking for."),
        ("That's not what I was asking.", "That has nothing to do with my question."),
    ),
    "correctness": (
        ("That's the right answer.", "You got it right."),
        ("I think you got this wrong.", "That doesn't seem right."),
    ),
    "engagingness": (
        ("That is very interesting.", "I enjoyed reading this."),
        ("That is not very interesting.", "I find this dull."),
    ),
    "informativeness": (
        ("I learned a lot from this.", "Thanks for the thorough explanation."),
        ("I was hoping for more details.", "That tells me nothing new."),
    ),
    "following": (
        ("You did exactly as I asked.", "Thanks for keeping to my instructions."),
        ("You didn't follow my instructions.", "That's not how I wanted it done."),
    ),
}
"""Dimension -> (approving, disapproving) follow-ups: the paper's six, two short ones a side of our
choice in place of the ten that its code lists; give your own where it matters."""
FEEDBACK_REQUEST = "Please ask me a question and provide feedback to my answer."
"""What opens the conversation for a scorer that was tuned to write feedback."""


class Pairs(NamedTuple):
    """Best and worst of k responses: `chosen`, `rejected` indices, `kept` bool; (...,) each."""

    chosen: np.ndarray
    rejected: np.ndarray
    kept: np.ndarray


# -- from logits to a follow-up's number -----------------------------------------------------------
def token_logprobs(logits: Array, ids: Array, *, start: int) -> Array:
    """(L,) log-probabilities of the tokens from `start` on; the logits of row t - 1 foretell t.

    logits : (T, V) of all positions; ids : (T,) the tokens; start : of the follow-up's first

    Raises ValueError for a follow-up without a token, and for one with nothing before it.
    """
    if not 1 <= start < ids.shape[0]:
        msg = f"start={start} must leave a token before the follow-up and one in it, of "
        msg += f"{ids.shape[0]}: an empty turn still has its markers"
        raise ValueError(msg)
    xp = array_namespace(logits, ids)
    rows = logits[start - 1 : -1, :]
    rows = rows - xp.max(rows, axis=-1, keepdims=True)
    rows = rows - xp.log(xp.sum(xp.exp(rows), axis=-1, keepdims=True))
    return xp.take_along_axis(rows, ids[start:, None], axis=-1)[:, 0]


def follow_up_likelihood(logprobs: Array, *, floor: float = FLOOR) -> Array:
    """l(f): the mean over tokens (..., L) -> (...), each counted as `floor` at least.

    Raises ValueError for no token, for NaN and for a log-probability above 0.
    """
    xp = array_namespace(logprobs)
    if logprobs.shape[-1] == 0:
        msg = "logprobs holds no token: a follow-up has at least one"
        raise ValueError(msg)
    if bool(xp.any(xp.isnan(logprobs))) or bool(xp.any(logprobs > 1e-6)):  # a float32's rounding
        msg = "logprobs holds NaN or a number above 0; give log-probabilities, not logits"
        raise ValueError(msg)
    return xp.mean(xp.maximum(logprobs, xp.full_like(logprobs, floor)), axis=-1)


def released_score(logits: Array, ids: Array, *, special: Sequence[int]) -> Array:
    """The number that the released scorer gives a follow-up: a mean of raw logits in one row.

    logits : (T, V); ids : (n,) of the follow-up; special : what the tokenizer puts before them
    The row is the (n + len(special))-th from the end: with one special token, and a turn that one
    token ends, the row behind the follow-up's first token.

    Raises ValueError where the row doesn't exist.
    """
    xp = array_namespace(logits, ids)
    every = xp.concat([xp.asarray(list(special), dtype=ids.dtype), ids])
    back = every.shape[0]
    if ids.shape[0] == 0 or back > logits.shape[0]:
        msg = f"ids and special make {back} tokens, logits have {logits.shape[0]} rows; "
        msg += "a follow-up has a token, and its conversation stands before it"
        raise ValueError(msg)
    return xp.mean(xp.take(logits[logits.shape[0] - back, :], every))


# -- from follow-ups to a response's number --------------------------------------------------------
def sides(approving: Sequence[Array], disapproving: Sequence[Array]) -> tuple[Array, Array]:
    """(approval, disapproval), each (...): means over a dimension's follow-ups, then dimensions.

    approving, disapproving : an array (..., n) of l for each dimension; n may differ

    Raises ValueError for no dimension, a dimension without follow-ups on a side, NaN or infinity.
    """
    if not len(approving) or len(approving) != len(disapproving):
        msg = f"approving has {len(approving)} dimensions and disapproving {len(disapproving)}; "
        msg += "each dimension has both sides, and there is one at least"
        raise ValueError(msg)
    return _mean("approving", approving), _mean("disapproving", disapproving)


def follow_up_contrast(approving: Sequence[Array], disapproving: Sequence[Array]) -> Array:
    """FLR (...): how much likelier approval is than disapproval, (..., n) a dimension.

    Raises ValueError as `sides` does.
    """
    good, bad = sides(approving, disapproving)
    return good - bad


def mine_pairs(scores: Array) -> Pairs:
    """The best and the worst of each prompt's k responses; ties go to the first.

    scores : (..., k). A prompt whose responses all tie makes no pair: `kept` is False there.

    Raises ValueError for a single response, for scores that aren't finite.
    """
    x = np.asarray(scores, dtype=float)
    if x.ndim == 0 or x.shape[-1] < 2:
        msg = f"scores has the shape {x.shape}; a pair needs two responses a prompt, (..., k >= 2)"
        raise ValueError(msg)
    if not np.isfinite(x).all():
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        msg = f"scores{list(place)} is {x[place]}; leave out responses that have no score"
        raise ValueError(msg)
    chosen, rejected = x.argmax(-1), x.argmin(-1)
    return Pairs(chosen, rejected, chosen != rejected)


def _mean(name: str, dimensions: Sequence[Array]) -> Array:
    own = []
    for d, x in enumerate(dimensions):
        xp = array_namespace(x)
        if x.ndim == 0 or x.shape[-1] == 0:
            msg = f"{name}[{d}] holds no follow-up; a mean over none is undefined, give one or more"
            raise ValueError(msg)
        if not bool(xp.all(xp.isfinite(x))):
            msg = f"{name}[{d}] holds a likelihood that isn't finite; score the follow-up again"
            raise ValueError(msg)
        own.append(xp.mean(x, axis=-1))
    return sum(own[1:], own[0]) / len(own)


# -- the conversation ------------------------------------------------------------------------------
def follow_up_messages(turns: Sequence[str], follow_up: str) -> list[dict[str, str]]:
    """The conversation with the follow-up as the user's last turn: [{"role", "content"}].

    turns : alternating, the response last. Of an odd number the first, an assistant's, is dropped,
        so that a user opens and the response is the assistant's

    Raises ValueError for no turn before the response, and for an empty follow-up.
    """
    own = list(turns)[len(turns) % 2 :]
    if not own:
        msg = f"turns={shortened(list(turns))} must hold a user's turn and the response to it"
        raise ValueError(msg)
    return _alternating([*own, follow_up])


def switched_messages(query: str, response: str, follow_up: str) -> list[dict[str, str]]:
    """The same for a scorer that was tuned to write feedback: it plays the user.

    Only the last query and the response are kept; the follow-up is the assistant's turn.

    Raises ValueError for an empty follow-up.
    """
    return _alternating([FEEDBACK_REQUEST, query, response, follow_up])


def _alternating(said: Sequence[str]) -> list[dict[str, str]]:
    if not said[-1].strip():
        msg = "follow_up is empty; it has no token to score"
        raise ValueError(msg)
    return [{"role": ("user", "assistant")[i % 2], "content": x} for i, x in enumerate(said)]


def fields_of(approving: Mapping[str, Array], disapproving: Mapping[str, Array]
              ) -> dict[str, Array]:  # fmt: skip
    """The fields `approval` and `disapproval` of rollouts, from l by dimension: name -> (..., n).

    Raises ValueError for dimensions that have one side alone, and as `sides` does.
    """
    if set(approving) != set(disapproving):
        odd = sorted(set(approving) ^ set(disapproving))
        msg = f"dimension {odd[0]!r} has one side alone; give both"
        raise ValueError(msg)
    names = list(approving)
    good, bad = sides([approving[n] for n in names], [disapproving[n] for n in names])
    return {"approval": good, "disapproval": bad}

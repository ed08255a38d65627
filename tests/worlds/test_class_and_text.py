"""The class table pays what a trainer pays: class value = served value of a rendered text.

Over the whole catalogue, in every outcome kind: right, wrong, unanswered (a wrong answer that no
parser finds) and truncated. A field that a text can't give reaches the served reward as the data
column that the latent says.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from tests.backends import default_for
from tests.golden.part_tables import VARIANTS
from toyrl import registry
from toyrl.expressions import parse
from toyrl.rollouts import FIELDS
from toyrl.serving import ServedReward
from toyrl.shapers.base import Shaper
from toyrl.worlds.chain.latents.base import Answers, JudgeNoise, Latent
from toyrl.worlds.chain.latents.declared import LengthMode, Progress, latents_of
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.reward_table import RewardTable
from toyrl.worlds.text.render import class_rows

CHAIN = Chain(max_actions=8, depth=8, tokens_per_action=16.0)
DIFFICULTIES = (2, 5)
GROUP = 24
UNANSWERED = Answers(missing=0.25)
KINDS = ("right", "wrong", "unanswered", "truncated")
CATALOGUE = {e.name: default_for(e) for e in registry.entries("shaper")}


def table_of(shaper: Shaper, *more: Latent) -> RewardTable:
    """The shaper on classes, some wrong answers being missing."""
    have = ("answer", "answered")
    return RewardTable(CHAIN, shaper, latents=(*latents_of(shaper, have=have), UNANSWERED, *more))


def drawn(table: RewardTable) -> tuple[np.ndarray, np.ndarray]:
    """Point indices (2, GROUP), all kinds in each group, and the kinds' names."""
    r = table.rollouts(DIFFICULTIES, np.ones((2, CHAIN.n_classes)))
    found, answered = np.asarray(r.fields["answered"]), np.asarray(r.correct) > 0
    wrong = np.where(found > 0, "wrong", "unanswered")
    kind = np.where(r.cut, "truncated", np.where(answered, "right", wrong))
    rng, index = np.random.default_rng(0), []
    for row, chance in zip(kind, np.asarray(r.weight), strict=True):
        own = [rng.choice(np.flatnonzero((row == k) & (chance > 0)), GROUP // 4) for k in KINDS]
        index.append(np.concatenate(own))
    where = np.stack(index)
    return where, np.take_along_axis(kind, where, axis=1)


def text_row(table: RewardTable, difficulty: int, point: int):
    """A rendered text of one point, with the columns that its latents say."""
    k, H = point % CHAIN.n_classes, CHAIN.H
    own = table.rollouts((difficulty,)).fields
    answered = own["answered"][0, point] > 0
    cut = k == 2 * H
    row = class_rows(
        CHAIN,
        difficulty,
        "tag",
        correct=k < H,
        length_actions=H if cut else k % H + 1,
        truncated=cut,
        renderings=1,
        seed=point,
        keep_format=bool(answered or cut),
    )[0].row
    read = {*table.shaper.all_needs(), *table.shaper.all_wants()} & {*own} - {"answered"}
    given = {}
    for name in read:
        value = own[name][0, point]
        given[name] = value[: row.tokens].tolist() if FIELDS[name].axes else float(value)
    return type(row)(row.prompt, row.completion, {**row.columns, **given}, row.tokens, cut)


@dataclass(frozen=True)
class Compared:
    """Rewards of the table and of the served texts, (2, GROUP) each, and the kinds."""

    table: np.ndarray
    served: np.ndarray
    kinds: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """Largest difference by kind."""
        off = np.abs(self.table - self.served)
        return np.array([off[self.kinds == k].max() for k in KINDS])


def compare(table: RewardTable, texts: RewardTable | None = None) -> Compared:
    """The table against texts of its points, or of the same points in another table."""
    texts = texts or table
    index, kinds = drawn(texts)
    prompts = np.array(DIFFICULTIES)[:, None]
    pool = table.rewards(table.drawn(index, prompts), index, prompts)
    rows = [
        text_row(texts, d, int(p))
        for d, group in zip(DIFFICULTIES, index, strict=True)
        for p in group
    ]
    served = ServedReward(texts.shaper, int(CHAIN.max_length))
    keys = np.repeat(DIFFICULTIES, GROUP).tolist()
    values = np.array(served(rows, keys).rewards, dtype=float).reshape(index.shape)
    return Compared(pool, values, kinds)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_class_is_paid_as_its_text(name):
    table = table_of(CATALOGUE[name])
    np.testing.assert_allclose(compare(table).gap, 0, atol=1e-9)


@pytest.mark.parametrize("text", VARIANTS)
def test_a_class_is_paid_as_its_text_with_other_numbers(text):
    np.testing.assert_allclose(compare(table_of(parse(text))).gap, 0, atol=1e-9)


# -- the comparison sees what is planted -------------------------------------------------------
@dataclass(frozen=True)
class AllAnswered(Latent):
    """The fault that `validate` had: a truncated rollout counts as answered."""

    def law(self, kinds):
        return np.ones((len(kinds), 1)), {"answered": np.ones((len(kinds), 1))}


def test_a_truncated_class_that_counts_as_answered_is_seen():
    sound = table_of(parse("laser()"))
    fault = table_of(parse("laser()"), AllAnswered())
    right, wrong, unanswered, truncated = compare(fault, sound).gap
    assert (right, wrong) == (0, 0)
    assert unanswered == truncated == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "planted"),
    [
        ("trust()", JudgeNoise(right=0.9)),
        ("mode_reward()", LengthMode(above=0.6)),
        ("potential(discount=0.9)", Progress(over=0.5)),
    ],
)
def test_a_class_with_another_law_is_seen(text, planted):
    shaper = parse(text)
    fault = RewardTable(CHAIN, shaper, latents=(planted, UNANSWERED))
    assert compare(fault, table_of(shaper)).gap.max() > 0.01

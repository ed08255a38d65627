"""Rewards that read their siblings, on behaviours: known ones are met, nothing is made up."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from toyrl.graders.answers import answer_identities, is_correct, marked_answer
from toyrl.worlds.behaviour import groups, prior, texts
from toyrl.worlds.behaviour.rollouts import as_rollouts, noise, played
from toyrl.worlds.behaviour.worlds import fitted

LENGTH, LIMIT, SIZE = 200.0, 2048.0, 8
DESIGN = groups.design(texts.arithmetic("boxed"), LENGTH, LIMIT, SIZE)
CELLS = texts.design(texts.arithmetic("boxed"), LENGTH, LIMIT)


@pytest.fixture(scope="module")
def rollouts():
    numbers = prior.drawn(16, None, LENGTH, 0)
    w = fitted(numbers, accuracy=0.4, length=LENGTH, limit=LIMIT, seed=0)
    return played(w, w.rest(), noise(w.size, SIZE, np.random.default_rng(0)))


def fitted_to(grade, design=DESIGN) -> groups.GroupReward:
    made = groups.graded(design, grade)
    assert made is not None
    return made


def vote(rows) -> list[float]:
    said = [marked_answer(row.completion) for row in rows]
    found = Counter(a for a in said if a is not None)
    best = found.most_common(1)[0][0] if found else None
    return [float(a is not None and a == best) for a in said]


def shortest_right(rows) -> list[float]:
    right = [is_correct(row) for row in rows]
    least = min((row.tokens for row, good in zip(rows, right, strict=True) if good), default=0)
    return [g * (1 + 0.5 * (row.tokens == least)) for row, g in zip(rows, right, strict=True)]


def within_group(rows) -> list[float]:
    n = np.array([row.tokens for row in rows], dtype=float)
    span = np.ptp(n)
    share = (n - n.min()) / span if span else n * 0
    return [is_correct(row) - 0.5 * x for row, x in zip(rows, share.tolist(), strict=True)]


def test_groups_are_of_one_prompt_and_show_what_they_say():
    assert {len(g.cells) for g in DESIGN} == {SIZE}
    for g in DESIGN[::5]:
        rows = [c.row for c in g.cells]
        assert len({row.prompt for row in rows}) == 1
        right = [is_correct(row) for row in rows]
        assert [c.right for c in g.cells] == [x > 0 for x in right]
        read = answer_identities(rows, right)
        same = [[a == b for b in g.identity] for a in g.identity]
        assert same == [[a == b for b in read] for a in read]
    shares = {sum(c.right for c in g.cells) for g in DESIGN}
    assert {0, 3, 6} <= shares


def test_a_wrong_answer_can_not_be_the_right_one():
    from toyrl.worlds.behaviour.texts import written
    from toyrl.worlds.text.problems import make_problem

    problem = make_problem(4, 1)
    with pytest.raises(ValueError, match="is the right one with correct=False"):
        written("boxed", problem, False, True, 100.0, False, "", 0, 3, problem.gold)


def test_a_vote_is_met_but_for_who_wins_a_tie(rollouts):
    made = fitted_to(vote)
    x = np.asarray(as_rollouts(rollouts, LIMIT).fields["answer"])
    count = (x[..., :, None] == x[..., None, :]).sum(-1) * (x >= 0)
    most = count.max(-1, keepdims=True)
    top = (count == most) & (x >= 0)
    tied = top.sum(-1, keepdims=True) / np.maximum(most, 1)  # answers that are given as often
    expected = top / np.maximum(tied, 1)
    assert np.abs(made.of(rollouts) - expected).mean() < 0.1
    assert np.corrcoef(made.of(rollouts).ravel(), expected.ravel())[0, 1] > 0.95


def test_a_vote_that_pays_no_tie_is_met(rollouts):
    def strict(rows) -> list[float]:
        said = [marked_answer(row.completion) for row in rows]
        found = Counter(a for a in said if a is not None).most_common(2)
        clear = found and (len(found) == 1 or found[0][1] > found[1][1])
        return [float(bool(clear) and a == found[0][0]) for a in said]

    x = np.asarray(as_rollouts(rollouts, LIMIT).fields["answer"])
    count = (x[..., :, None] == x[..., None, :]).sum(-1) * (x >= 0)
    most = count.max(-1, keepdims=True)
    top = (count == most) & (x >= 0)
    expected = top & (top.sum(-1, keepdims=True) == most)
    assert np.abs(fitted_to(strict).of(rollouts) - expected).max() < 0.01


def test_a_bonus_for_the_shortest_right_answer_is_met(rollouts):
    made = fitted_to(shortest_right)
    n = np.where(rollouts.right > 0, rollouts.length, np.inf)
    expected = rollouts.right * (1 + 0.5 * (n == n.min(-1, keepdims=True)))
    assert np.abs(made.of(rollouts) - expected).max() < 0.01


def test_a_price_on_length_within_the_group_is_met(rollouts):
    made = fitted_to(within_group)
    n = rollouts.length
    low, high = n.min(-1, keepdims=True), n.max(-1, keepdims=True)
    expected = rollouts.right - 0.5 * (n - low) / (high - low)
    here = ~rollouts.cut
    assert np.abs(made.of(rollouts) - expected)[here].max() < 0.02


def test_no_price_is_made_of_noise(rollouts):
    """Of what has nothing to do with the group only the mean of right and of wrong is kept."""
    rng = np.random.default_rng(1)
    made = fitted_to(lambda rows: [is_correct(r) + rng.normal(0, 0.3) for r in rows])
    assert not any(made.per.values())
    assert np.count_nonzero(made.weights) <= 4
    assert made.noise[:2] == pytest.approx(0.3, rel=0.2)


def test_it_is_kept_as_json(rollouts):
    for made in (fitted_to(within_group), texts.graded(CELLS, [float(c.right) for c in CELLS])):
        again = groups.read(json.loads(json.dumps(made.to_dict())))
        assert type(again) is type(made)
        assert np.allclose(again.of(rollouts), made.of(rollouts), rtol=1e-4)


def test_what_pays_all_the_same_pays_nothing():
    assert groups.graded(DESIGN, lambda rows: [0.5] * len(rows)) is None
    assert groups.graded(DESIGN, lambda rows: [None] * len(rows)) is None


def test_a_logs_own_groups_with_edits(rollouts):
    rows = [[c.row for c in g.cells] for g in DESIGN[:12]]
    right = [np.array([is_correct(row) for row in group]) for group in rows]
    made = groups.logged([*zip(rows, right, strict=True)], LIMIT, SIZE)
    plain = {row.completion for group in rows for row in group}
    shown = [c.row.completion for group in made for c in group.cells]
    assert 0.5 < np.mean([t in plain for t in shown]) < 0.95
    read = fitted_to(shortest_right, made)
    n = np.where(rollouts.right > 0, rollouts.length, np.inf)
    expected = rollouts.right * (1 + 0.5 * (n == n.min(-1, keepdims=True)))
    assert np.abs(read.of(rollouts) - expected).mean() < 0.05

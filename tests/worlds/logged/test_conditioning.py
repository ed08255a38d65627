"""Statistics by slow definitions, worlds that show a log of known worlds, and their file."""

from __future__ import annotations

import json
from functools import lru_cache

import fastjsonschema
import numpy as np
import pytest

from toyrl import schemas
from toyrl.rollouts import Rollouts
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.rollouts import noise, played
from toyrl.worlds.behaviour.worlds import fitted
from toyrl.worlds.logged import statistics
from toyrl.worlds.logged.artefact import as_dict, worlds_of
from toyrl.worlds.logged.conditioning import UNSEEN, conditioned, shown, told_of

SOURCE = {"log": "log.jsonl", "sha256": "0" * 64, "rows": 8, "prompts": 1}


def drawn_log(prompts: int = 60, n: int = 6, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 0.5, (prompts, 1))
    right = (rng.random((prompts, n)) < p) * 1.0
    length = np.exp(5 - 0.5 * p + 0.2 * rng.standard_normal((prompts, n)) - 0.1 * right)
    cut = length > 250
    return right, length, cut * 1.0, (rng.random(right.shape) < 0.8) * 1.0


def test_statistics_by_loops():
    right, length, cut, read = drawn_log()
    weight = np.ones(right.shape)
    weight[::3, 4:] = 0
    found = statistics.summary(statistics.moments(right, length, cut, read, weight).mean(0))
    rows = [(c[w > 0], z[w > 0]) for c, z, w in zip(right, np.log(length), weight, strict=True)]
    both = [np.mean([c[i] * c[j] for i in range(len(c)) for j in range(len(c)) if i != j])
            for c, _ in rows]  # fmt: skip
    p = np.mean([c.mean() for c, _ in rows])
    assert found["accuracy"] == pytest.approx(p)
    assert found["pass spread"] == pytest.approx(np.sqrt(np.mean(both) - p**2))
    assert found["within"] == pytest.approx(np.sqrt(np.mean([z.var(ddof=1) for _, z in rows])))
    cov = np.mean([np.cov(c, z)[0, 1] for c, z in rows])
    spread = [np.sqrt(np.mean([x[i].var(ddof=1) for x in rows])) for i in (0, 1)]
    assert found["correlation"] == pytest.approx(cov / np.prod(spread))
    of_right = np.mean([(c * np.exp(z)).mean() for c, z in rows]) / p
    assert np.exp(found["right"]) == pytest.approx(of_right)


def test_statistics_do_not_depend_on_the_group_size():
    """Unbiased: 4 and 16 rollouts a prompt of one law say the same."""
    said = []
    for n in (4, 16):
        right, length, cut, read = drawn_log(prompts=20_000, n=n, seed=n)
        found = statistics.moments(right, length, cut, read, np.ones(right.shape))
        said.append(statistics.with_errors(found))
    for name in statistics.NAMES:
        (a, e), (b, f) = (x[name] for x in said)
        assert abs(a - b) < 4 * np.hypot(e, f), name


def test_errors_are_those_of_other_prompts():
    values = []
    for seed in range(200):
        found = statistics.moments(*drawn_log(seed=seed), np.ones((60, 6)))
        values.append(statistics.with_errors(found)["accuracy"][0])
    said = statistics.with_errors(statistics.moments(*drawn_log(seed=0), np.ones((60, 6))))
    # of 200 logs the spread is known to 5 %, of 200 resamples too, of one log's 60 prompts to 10 %
    assert said["accuracy"][1] == pytest.approx(np.std(values), rel=0.4)


def test_what_a_log_has_none_of_is_left_out():
    right = np.ones((5, 4))
    found = statistics.moments(right, right * 9, right * 0, right, right)
    said = statistics.with_errors(found)
    assert {"wrong", "correlation"} & set(said) == set()
    one = statistics.with_errors(found[:1])
    assert one["accuracy"] == (1.0, float("inf"))


@lru_cache(maxsize=1)
def known():
    """(numbers of a world, a log of 150 prompts with 8 rollouts that it wrote)."""
    numbers = prior.drawn(4, "thinking", 6000.0, 77)
    w = fitted(numbers, accuracy=0.5, length=6000.0, limit=16384.0, prompts=150)
    p = played(w, w.rest(), noise(w.size, 8, np.random.default_rng(3)))
    log = Rollouts(p.right[0], p.length[0], 16384.0, p.cut[0], fields={"format": p.formed[0]})
    return {name: x[0] for name, x in numbers.items()}, log


@lru_cache(maxsize=1)
def found():
    return conditioned(told_of(known()[1]), drawn=128, n=24)


def test_a_world_of_the_prior_is_found_again():
    numbers, log = known()
    c, told = found(), told_of(log)
    assert c.missed == ()
    assert c.edge == ()
    assert set(np.unique(c.numbers["kind"])) <= {prior.KINDS.index("thinking"),
                                                 prior.KINDS.index("efficient")}  # fmt: skip
    for name in ("hard", "runaway"):
        low, high = np.quantile(c.numbers[name], [0.0, 1.0])
        assert 0.8 * low <= numbers[name] <= 1.25 * high, name
        assert c.spread[name] < 0.8, name
    for name, (value, error) in told.statistics.items():
        width = [x[name][2] - x[name][0] for x in (c.before, c.after)]
        assert width[1] < 1.15 * width[0], name  # nearer, or as near as it was
        assert c.after[name][0] - 3 * error - 0.05 <= value <= c.after[name][2] + 3 * error + 0.05


def test_what_no_untrained_rollout_shows_is_named_and_left_alone():
    c = found()
    assert set(UNSEEN) <= set(c.open)
    told = told_of(known()[1])
    start = prior.drawn(8, "thinking", told.length)
    other = start | {name: start[name] * 1.7 for name in UNSEEN}
    one, two = (shown(numbers, told) for numbers in (start, other))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_a_log_that_no_world_is_like_is_said_so():
    rng = np.random.default_rng(4)
    right = (rng.random((60, 8)) < 0.5) * 1.0
    length = np.exp(5 + 1.5 * rng.standard_normal((60, 8)))  # lengths that scatter tenfold
    c = conditioned(told_of(Rollouts(right, length, 1e4)), drawn=128, n=16)
    assert "within" in c.missed
    assert c.nearest > 3
    assert "trouble_length" in c.edge
    assert c.bandwidth > 1.5


def test_logs_of_one_kind_are_refused():
    right = np.ones((4, 4))
    with pytest.raises(ValueError, match="are all right"):
        told_of(Rollouts(right, right * 9, 20.0))
    with pytest.raises(ValueError, match="are all wrong"):
        told_of(Rollouts(0 * right, right * 9, 20.0))
    mixed = Rollouts(np.eye(4), 0 * right, 20.0)
    with pytest.raises(ValueError, match="have length 0"):
        told_of(mixed)


def test_the_file_gives_the_same_worlds(tmp_path):
    c = found()
    data = as_dict(c, SOURCE)
    fastjsonschema.compile(schemas.document("worlds"))(data)
    path = tmp_path / "worlds.json"
    path.write_text(json.dumps(data, allow_nan=False), encoding="utf-8")
    read = worlds_of(path)
    w = c.worlds()
    np.testing.assert_allclose(read.worlds.ability, w.ability, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(read.worlds.core, w.core, rtol=1e-6)
    np.testing.assert_allclose(read.weights, 1 / 24)
    assert read.source == SOURCE
    assert sorted(read.equal(24)) == list(range(24))
    p = played(read.worlds, read.worlds.rest(),
               noise(read.worlds.size, 32, np.random.default_rng(1)))  # fmt: skip
    np.testing.assert_allclose(p.chance.mean((1, 2)), c.told.accuracy, atol=0.05)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "toyrl.band/1"}, "is toyrl.band/1"),
        ({"schema": "toyrl.worlds/9"}, "of a newer version of toyrl"),
        ({"told": {"accuracy": 1.5, "length": 9.0, "limit": 9.0}}, "accuracy=1.5"),
        ({"told": {}}, "lacks what its schema has"),
        ({"weights": [1.0]}, "as many of each"),
        ({"kinds": ["wordy"] * 24}, "lacks what its schema has"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, change, said):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(as_dict(found(), SOURCE) | change), encoding="utf-8")
    with pytest.raises(schemas.SchemaError, match=said) as error:
        worlds_of(path)
    assert "mine.json" in str(error.value)


def test_numbers_out_of_the_prior_are_refused(tmp_path):
    data = as_dict(found(), SOURCE)
    data["numbers"]["heavy"][3] = 40.0
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(schemas.SchemaError, match=r"heavy\[3\] is 40"):
        worlds_of(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(schemas.SchemaError, match=r"nothing\.json can't be read"):
        worlds_of(tmp_path / "nothing.json")
    (tmp_path / "text.json").write_text("no", encoding="utf-8")
    with pytest.raises(schemas.SchemaError, match="holds no JSON"):
        worlds_of(tmp_path / "text.json")

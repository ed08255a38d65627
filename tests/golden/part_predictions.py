"""The golden record's predictions: the toy and the sceptic's rules for the transfer suite `small`.

The base model's rollouts behind docs/results/transfer-small-predictions.json are not kept with the
project, so that page's numbers cannot be made again. Recorded instead, with fewer worlds: the
suite on a log drawn from a known world of the chain, written in shorthand as the suite expects,
and the calibration on the real log examples/data/smollm2-arithmetic-rollouts.jsonl with two
rewards of the catalogue on it, since the suite's text rewards read shorthand only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from toyrl.dynamics.chain.observed import Fitted
from toyrl.experiments.transfer import calibrate, predict, rewards
from toyrl.experiments.transfer.suite import KL
from toyrl.expressions import parse, parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.rollouts.logs import read_log
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text import render, shorthand

LOG = Path(__file__).parent.parent.parent / "examples/data/smollm2-arithmetic-rollouts.jsonl"
LIMIT, PROMPTS, GROUP = 96, 16, 16
DRAWN, KEPT = 256, 8
ESTIMATOR, OBJECTIVE = parse_estimator("grpo"), PolicyGradient(aggregation="grpo")
ON_REAL = {"outcome": "outcome()", "additive": "outcome() - 0.8*linear_length()"}


def made_log(chain: Chain) -> calibrate.BaseLog:
    """Rollouts of a known world with two prompt types, drawn by class and written out."""
    world = chain.with_(
        difficulties=(2, 5), shares=(0.5, 0.5), progress=0.9, slip=0.1, guess=0.1, flag_noise=0.1
    )
    rng = np.random.default_rng(0)
    easy, hard = rng.dirichlet(np.ones(world.n_classes), size=2)
    drawn = [rng.choice(world.n_classes, GROUP, p=(easy, hard)[i % 2]) for i in range(PROMPTS)]
    index = np.stack(drawn)
    rows = []
    for i, k in np.ndindex(index.shape):
        which = int(index[i, k])
        cut = which == 2 * world.H
        made = shorthand.class_rows(
            world,
            world.difficulties[i % 2],
            shorthand.DIALECT,
            correct=which < world.H,
            length_actions=world.H if cut else which % world.H + 1,
            truncated=cut,
            renderings=1,
            seed=which,
        )
        rows.append(made[0].row)
    r = Rollouts(
        correct=world.class_correct()[index],
        length=world.class_length()[index],
        truncated=index == 2 * world.H,
        max_length=float(LIMIT),
    )
    return calibrate.BaseLog(r, rows, np.resize(world.difficulties, PROMPTS).astype(float))


def real_log() -> calibrate.BaseLog:
    """The log of SmolLM2 on sums."""
    log = read_log(LOG)
    return calibrate.BaseLog(log.rollouts, log.rows, log.difficulty)


def _fitted(log: calibrate.BaseLog, chain: Chain) -> tuple[Fitted, dict[str, Any]]:
    found = calibrate.calibrate(log, chain, wanted=KEPT, most=DRAWN)
    said = {"distance": found.distance, "seen": found.seen, "fitted": found.fitted}
    said |= {"drawn": found.drawn, "within": found.near}
    return found, {"accuracy": log.success, "length": log.length, **said}


def _predicted(
    reward: rewards.SuiteReward,
    log: calibrate.BaseLog,
    fitted: Fitted,
    chain: Chain,
    *,
    short: bool,
) -> dict[str, Any]:
    rows = shorthand.class_rows if short else render.class_rows
    law = predict.law_of(reward, chain, dialect=shorthand.DIALECT, rows=rows)
    runner = predict.runner_of(law, ESTIMATOR, OBJECTIVE, 8)
    toy, walked = predict.predict(runner, fitted.worlds, KL)
    simple = predict.sceptic(reward, log, ESTIMATOR, KL)
    path = {n: getattr(walked, n).mean(0)[::6] for n in ("kl", "accuracy", "length")}
    return {
        "weight": reward.weight,
        "toy": predict.plain(toy),
        "path": path,
        **{name: predict.plain(p) for name, p in simple.items()},
    }


def record() -> dict[str, Any]:
    """The suite on the made log, and two rewards on the real one."""
    chain = calibrate.template(LIMIT, chain=True)
    log = made_log(chain)
    fitted, base = _fitted(log, chain)
    used, measured = predict.family_thresholds(
        rewards.families("small", LIMIT),
        chain,
        fitted.worlds,
        ESTIMATOR,
        OBJECTIVE,
        8,
        dialect=shorthand.DIALECT,
        rows=shorthand.class_rows,
    )
    suite = {
        r.name: _predicted(r, log, fitted, chain, short=True)
        for r in rewards.draw("small", used, LIMIT)
    }
    wide, real = calibrate.template(LIMIT, chain=False), real_log()
    near, real_base = _fitted(real, wide)
    on_real = {
        name: _predicted(
            rewards.SuiteReward(name, name, parse(text), 1.0), real, near, wide, short=False
        )
        for name, text in ON_REAL.items()
    }
    return {
        "small suite, made log": {"base": base, "thresholds": measured, "rewards": suite},
        "real log": {"base": real_base, "rewards": on_real},
    }

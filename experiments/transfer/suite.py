"""Prediction, training, comparison: the stages of `toyrl transfer`, each resumable.

The folder holds plan.json (what is compared, and how), base.jsonl (the base model's rollouts),
predictions.json with predictions.sha256, written before any training, and runs/REWARD/seed-S.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from toyrl import schemas
from toyrl.dynamics.chain.observed import Fitted
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep.engines import LOCAL
from toyrl.experiments.transfer import calibrate, forecasts, predict, training
from toyrl.experiments.transfer.rewards import SuiteReward, draw, families
from toyrl.experiments.transfer.zoo import NAME as ZOO
from toyrl.experiments.transfer.zoo import WORLDS
from toyrl.experiments.transfer.zoo import draw as zoo_rewards
from toyrl.experiments.transfer.zoo import seeds as zoo_seeds
from toyrl.expressions import parse_estimator
from toyrl.files import write_file
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.worlds.chain.model import Chain

KL = 3.0
"""Nats from the base at which outcomes are compared, unless told."""
BASE_PROMPTS, BASE_GROUP = 64, 8


@dataclass(frozen=True)
class Plan:
    """What a transfer compares.

    suite : "small", "full", "zoo", or "" for rewards given one by one
    seeds : runs of each reward; of the zoo, of those that have most
    kl : nats a completion at which predictions and outcomes are read
    run : settings of every run, apart from its seed; rewards : as named, without a suite
    sealed : sha256 of predictions that were made and kept elsewhere before, or ""
    """

    model: str
    task: str
    suite: str
    seeds: int
    kl: float
    run: dict[str, Any]
    rewards: tuple[str, ...] = ()
    sealed: str = ""

    def to_json(self) -> str:
        """Text of plan.json."""
        data = {"schema": schemas.tag("transfer"), **asdict(self)}
        if self.suite:
            del data["rewards"]
        if not self.sealed:
            del data["sealed"]
        return json.dumps(data, indent=1, sort_keys=True) + "\n"


@dataclass
class Transfer:
    """One transfer in its folder.

    source : the model as transformers loads it (folder or id); text_rewards : rewards given one
    by one, instead of a suite's; trust_remote_code : run code that comes with the model
    """

    folder: Path
    plan: Plan
    source: str
    own: Sequence[SuiteReward] = ()
    tell: Callable[[str], None] = lambda _: None
    trust_remote_code: bool = False

    # -- before training ---------------------------------------------------------------------------
    def open(self, *, resume: bool) -> None:
        """Create or reopen the folder; UsageError if it holds another transfer."""
        path = self.folder / "plan.json"
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            _of_this_version(path, text)
            if text != self.plan.to_json():
                msg = (
                    f"out={str(self.folder)!r} holds a transfer with other settings; name another "
                    "folder, or repeat its settings (plan.json)"
                )
                raise UsageError(msg)
            if not resume:
                msg = f"out={str(self.folder)!r} holds this transfer already; --resume goes on"
                raise UsageError(msg)
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_file(path, self.plan.to_json())
        except OSError as error:
            msg = f"out={str(self.folder)!r} can't be written: {error.strerror or error}"
            raise UsageError(msg) from error

    @property
    def limit(self) -> int:
        """The completion limit in tokens."""
        return int(self.plan.run["limit"])

    def task(self) -> Any:
        """The task, with its prompts."""
        from toyrl.bridge.tasks import load_task

        return load_task(self.plan.task)

    def base_log(self) -> calibrate.BaseLog:
        """Rollouts of the base model on training prompts, sampled once."""
        path = self.folder / "base.jsonl"
        if not path.is_file():
            self._sample_base(path)
        task = self.task()
        return calibrate.read_base(
            path, BASE_GROUP, self.limit, truth=task.correct, reading=task.reading
        )

    def _sample_base(self, path: Path) -> None:
        from toyrl.bridge.tasks import for_model
        from toyrl.bridge.training import evaluate, run
        from toyrl.bridge.training.faults import told

        self.tell("sampling the base model")
        network, tokenizer = run.load(self.source, trust_remote_code=self.trust_remote_code)
        task = for_model(self.task(), tokenizer)
        rows = [task.train[i % len(task.train)] for i in range(BASE_PROMPTS)]
        with told("sampling the base model"):
            drawn = evaluate.sample(
                network, tokenizer, rows, times=BASE_GROUP, limit=self.limit, seed=12345
            )
        lines = [
            json.dumps({**asdict(row), "correct": task.correct(row)}, default=str)
            for row in drawn.rows
        ]
        write_file(path, "\n".join(lines) + "\n")

    def predictions(self) -> dict[str, Any]:
        """Predictions of every reward, made once, before training, and sealed by a hash."""
        path, seal = self.folder / "predictions.json", self.folder / "predictions.sha256"
        if path.is_file() and seal.is_file():
            text = path.read_text(encoding="utf-8")
            _of_this_version(path, text)
            data = json.loads(text)
            if predict.sealed(data)[1] != seal.read_text(encoding="utf-8").strip():
                msg = f"{path} was changed after it was sealed; its hash is not that of {seal.name}"
                raise UsageError(msg)
            return data
        if any(self.folder.glob("runs/*/*/curve.json")):
            msg = (
                f"out={str(self.folder)!r} has runs but no sealed predictions; predictions made "
                "after training prove nothing: begin in a new folder"
            )
            raise UsageError(msg)
        text, digest = predict.sealed(self._predict())
        write_file(path, text)
        write_file(seal, digest + "\n")
        self.tell(f"predictions sealed: sha256 {digest[:16]}...")
        return json.loads(text)

    def _predict(self) -> dict[str, Any]:
        log = self.base_log()
        task = self.task()
        chain = calibrate.template(self.limit, chain=task.chain)
        self.tell("calibrating the toy to the base rollouts")
        zoo = self.plan.suite == ZOO
        fitted = calibrate.calibrate(log, chain, wanted=WORLDS if zoo else calibrate.WANTED)
        self.tell(fitted.describe())
        toy = toy_of(self.plan, task, chain, fitted)
        thresholds, measured = {}, {}
        if self.plan.suite and not zoo:
            self.tell("thresholds of the families")
            thresholds, measured = toy.thresholds(families(self.plan.suite, self.limit))
        if zoo:
            rewards = zoo_rewards(self.limit, log.length)
        else:
            rewards = list(self.own) or draw(self.plan.suite, thresholds, self.limit)
        out = {}
        for reward in rewards:
            self.tell(f"predicting {reward.name}")
            simple = predict.sceptic(reward, log, toy.estimator, self.plan.kl)
            out[reward.name] = {
                **toy.entry(reward, self.plan.kl, texts=task.chain or not zoo),
                **{name: predict.plain(p) for name, p in simple.items()},
                **forecasts.said(self.plan.run, log, reward),
            }
        return {
            "schema": schemas.tag("transfer"),
            "base": {"accuracy": log.success, "length": log.length},
            "calibration": calibration(fitted),
            "thresholds": {k: v if v < 1e9 else None for k, v in measured.items()},
            "rewards": out,
        }

    def rewards(self, predictions: dict[str, Any]) -> list[SuiteReward]:
        """The rewards that were predicted, as shapers again."""
        if self.own:
            return list(self.own)
        return drawn_again(self.plan, predictions)

    # -- training ----------------------------------------------------------------------------------
    def train(
        self,
        rewards: Sequence[SuiteReward],
        *,
        workers: int = 1,
        seeds: Sequence[int] | None = None,
        engine: str = LOCAL,
        ray_address: str | None = None,
    ) -> None:
        """All unfinished runs (of these seeds); each goes on from its last checkpoint."""
        from toyrl.bridge.training import run

        jobs = []
        # All rewards of a seed first: a stop leaves whole seeds.
        for seed in range(self.plan.seeds) if seeds is None else seeds:
            for reward in rewards:
                place = self.place(reward.name, seed)
                settings = run.RunSettings(**self.plan.run, seed=seed)
                if seed < self.seeds_of(reward.name) and run.finished(place, settings) is None:
                    jobs.append((place, reward, settings))
        self.tell(f"{len(jobs)} runs to train")
        made = partial(
            training.one, self.source, self.plan.task, trust_remote_code=self.trust_remote_code
        )
        training.every(made, jobs, workers, self.tell, engine=engine, address=ray_address)

    def seeds_of(self, reward: str) -> int:
        """How many runs a reward has."""
        return zoo_seeds(reward) if self.plan.suite == ZOO else self.plan.seeds

    def place(self, reward: str, seed: int) -> Path:
        """The folder of one run."""
        from toyrl.experiments.render.folder import file_name

        return self.folder / "runs" / file_name(reward) / f"seed-{seed}"

    def curves(self, names: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
        """reward -> curves of its finished runs, by seed."""
        from toyrl.bridge.training import run

        out: dict[str, list[dict[str, Any]]] = {}
        for name in names:
            for seed in range(self.seeds_of(name)):
                settings = run.RunSettings(**self.plan.run, seed=seed)
                curve = run.finished(self.place(name, seed), settings)
                if curve is not None:
                    out.setdefault(name, []).append(curve)
        return out


def toy_of(plan: Plan, task: Any, chain: Chain, fitted: Fitted) -> predict.Toy:
    """The calibrated toy under a plan's estimator and aggregation."""
    return predict.Toy(
        chain,
        fitted.worlds,
        parse_estimator(plan.run["estimator"]),
        PolicyGradient(aggregation=plan.run["aggregation"]),
        int(plan.run["group_size"]),
        {"dialect": task.dialect, "rows": class_rows_of(task)},
    )


def class_rows_of(task: Any) -> Callable[..., list[Any]]:
    """What writes a task's outcome classes as texts: shorthand, its own, or arithmetic in prose."""
    from toyrl.worlds.text import render, shorthand
    from toyrl.worlds.text.tasks import rows

    if task.chain:
        return shorthand.class_rows
    return render.class_rows if task.texts is None else partial(rows.class_rows, task.texts)


def calibration(fitted: Fitted) -> dict[str, Any]:
    """How well the toy fits, JSON-able; within: of the worlds drawn, those that came near."""
    return {
        "worlds": len(fitted.worlds),
        "drawn": fitted.drawn,
        "within": fitted.near,
        "distance": float(fitted.distance.mean()),
        "seen": fitted.seen,
        "fitted": fitted.fitted,
    }


def drawn_again(plan: Plan, predictions: Mapping[str, Any]) -> list[SuiteReward]:
    """The rewards of a suite that were predicted, as shapers again."""
    if plan.suite == ZOO:
        return zoo_rewards(int(plan.run["limit"]), predictions["base"]["length"])
    weights = {
        entry["family"]: entry["weight"] / entry["multiple"]
        for entry in predictions["rewards"].values()
        if entry["multiple"] is not None
    }
    return draw(plan.suite, weights, int(plan.run["limit"]))


def _of_this_version(path: Path, text: str) -> None:
    """UsageError for a file of another schema, or for none of JSON."""
    try:
        schemas.check(json.loads(text), "transfer", str(path))
    except ValueError as error:  # SchemaError among them
        known = isinstance(error, schemas.SchemaError)
        raise UsageError(str(error) if known else f"{path} holds no JSON: {error}") from error

"""`transfer` from rewards to written result: predictions, runs, comparison, files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toyrl import schemas
from toyrl.bridge.training.settings import RunSettings
from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.core import Picture, Table, versions
from toyrl.experiments.errors import UsageError
from toyrl.experiments.results import Answer
from toyrl.experiments.sweep.engines import LOCAL, refuse_engine
from toyrl.experiments.transfer.options import run_options
from toyrl.experiments.transfer.refusals import refusals
from toyrl.extras import needed_by
from toyrl.files import write_file


@dataclass(frozen=True, repr=False)
class Transferred(Answer):
    """A transfer's result; its folder holds the same as result.json, result.md and pictures.

    data : what `to_dict` gives; tables : rewards first; folder : where everything lies
    """

    data: Mapping[str, Any]
    tables: tuple[Table, ...]
    pictures: tuple[Picture, ...]
    folder: Path
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON form, schema toyrl.transfer-result."""
        return dict(self.data)

    def lines(self) -> list[str]:
        """What was run, and where it is."""
        plan, runs = self.data["plan"], self.data["runs"]
        return [
            f"{runs} runs of {plan['model']} on {plan['task']}, predicted and measured",
            f"read at {plan['kl']:g} nats a completion; {self.folder / 'result.md'}",
        ]

    def forms(self) -> dict[str, Callable[[], str]]:
        """.md: all tables; .csv: the rewards."""
        from toyrl.experiments.render.folder import csv_table

        return {".md": self.markdown, ".csv": lambda: csv_table(self.tables[0])}

    def markdown(self) -> str:
        """The text of result.md."""
        from toyrl.experiments.render.folder import markdown_table

        return "\n\n".join([_heading(self.data), *map(markdown_table, self.tables)]) + "\n"

    def card(self) -> str:
        """The rewards, predicted and measured."""
        from toyrl.experiments.render.html import card

        return card("table", tone="info", answer=self, table=self.tables[0])


def run(
    rewards: Sequence[Any],
    *,
    suite: str | None,
    model: str,
    gguf: Path | None,
    task: str | None,
    out: Path,
    seeds: int,
    kl: float | None,
    options: Mapping[str, Any],
    workers: int,
    engine: str = LOCAL,
    ray_address: str | None = None,
    warm_up: int,
    resume: bool,
    trust_remote_code: bool,
    tell: Callable[[str], None],
    command: str,
) -> Transferred:
    """Predict, train what is missing, compare, write. UsageError for what can't be used."""
    settings = run_options(options)
    refuse_engine(engine, ray_address)
    if bool(rewards) == (suite is not None):
        msg = "name either rewards (such as 'outcome() - 0.5*linear_length()') or a suite"
        raise UsageError(msg)
    refuse_outside(seeds=seeds, workers=workers, warm_up=warm_up, kl=kl)
    with needed_by("transfer"):
        import torch  # noqa: F401 - found out before anything is written
        import transformers  # noqa: F401
        import trl  # noqa: F401

        from toyrl.experiments.commands.output import refuse_closed
    refuse_closed("out", out)
    with refusals(out, tell):
        transfer, close = _prepare(
            rewards, suite, model, gguf, task, out, seeds, kl, settings, warm_up,
            trust_remote_code, tell,
        )  # fmt: skip
        with close:
            transfer.open(resume=resume)
            predictions = transfer.predictions()
            chosen = transfer.rewards(predictions)
            # Python of the user's own can't be handed to other processes.
            own = any(r.text is not None for r in transfer.own) or not all(
                isinstance(r, str) for r in rewards
            )
            if own and engine != LOCAL:
                msg = f"engine={engine!r} takes catalogue rewards; Python of your own runs here"
                raise UsageError(msg)
            transfer.train(
                chosen, workers=1 if own else workers, engine=engine, ray_address=ray_address
            )
    return _written(transfer, predictions, command)


def _prepare(
    rewards: Sequence[Any],
    suite: str | None,
    model: str,
    gguf: Path | None,
    task: str | None,
    out: Path,
    seeds: int,
    kl: float | None,
    settings: Mapping[str, Any],
    warm_up: int,
    trust_remote_code: bool,
    tell: Callable[[str], None],
) -> tuple[Any, Any]:
    """(the transfer, what must be closed after it)."""
    from toyrl.bridge.models import choose as models
    from toyrl.bridge.tasks import load_task
    from toyrl.bridge.training import warm_up as warming
    from toyrl.experiments.transfer.own import identified, own_rewards
    from toyrl.experiments.transfer.rate import planned_rate, rate_of
    from toyrl.experiments.transfer.suite import KL, Plan, Transfer
    from toyrl.experiments.validate.collapse.estimators import AGGREGATION
    from toyrl.expressions import parse_estimator

    given = dict(settings)
    if "aggregation" not in given and "estimator" in given:
        given["aggregation"] = AGGREGATION.get(given["estimator"].partition("(")[0], "grpo")
    try:
        run_settings = asdict(RunSettings(**given))
        parse_estimator(run_settings["estimator"])
    except (ValueError, KeyError) as error:
        raise UsageError(str(error.args[0])) from error
    del run_settings["seed"]
    name = task or ("shorthand" if model == "tiny" and gguf is None else "chain")
    made = load_task(name)
    if made.texts is not None and model == "tiny" and gguf is None:
        msg = f"task={name!r}: the model tiny reads tasks in a few characters; name another --model"
        raise UsageError(msg)
    with contextlib.ExitStack() as stack:
        own = own_rewards(rewards, stack) if rewards else ()  # refused before a model is built
        source = models.prepare(model, gguf=gguf, tell=tell)
        if warm_up:
            source = str(
                warming.warm_up(
                    source,
                    made,
                    out.with_name(f"{out.name}-warm"),
                    steps=warm_up,
                    limit=run_settings["limit"],
                    trust_remote_code=trust_remote_code,
                    tell=tell,
                )
            )
        if suite and not made.chain:
            msg = f"task={name!r}: suites are drawn for the task shorthand; name rewards instead"
            raise UsageError(msg)
        if "rate" not in given:
            run_settings["rate"] = planned_rate(out) or rate_of(
                out,
                source,
                name,
                RunSettings(**run_settings),
                trust_remote_code=trust_remote_code,
                tell=tell,
            )
        plan = Plan(
            model if gguf is None else gguf.name,
            name,
            suite or "",
            seeds,
            KL if kl is None else kl,
            run_settings,
            tuple(map(identified, rewards)),
        )
        return Transfer(out, plan, source, own, tell, trust_remote_code), stack.pop_all()


def _written(transfer: Any, predictions: Mapping[str, Any], command: str) -> Transferred:
    """The result, and its files in the transfer's folder."""
    from toyrl.experiments.transfer import ends, result

    names = list(predictions["rewards"])
    curves = transfer.curves(names)
    families = {n: predictions["rewards"][n]["family"] for n in names}
    some = next(iter(curves.values()))[0]
    seconds = [c["seconds"] for group in curves.values() for c in group]
    about = {
        "command": command,
        "plan": asdict(transfer.plan),
        "device": some["device"],
        "versions": {**versions(), **some["versions"]},
        "predictions_sha256": (transfer.folder / "predictions.sha256").read_text().strip(),
        "seconds_a_run": sum(seconds) / max(1, len(seconds)),
    }
    return _compared(
        transfer.folder,
        predictions,
        result.outcomes(curves, families, transfer.plan.kl),
        about,
        [result.paths(predictions, curves, n) for n in curves],
        ends.runs_of(curves, transfer.plan.kl),
    )


def run_again(
    measured: Path,
    predictions: Path | None,
    *,
    out: Path,
    tell: Callable[[str], None],
    command: str,
) -> Transferred:
    """Predict a measured suite again and compare; nothing is trained.

    measured : result.json of a suite; predictions : its sealed predictions, None: beside it
    """
    with needed_by("transfer"):
        from toyrl.experiments.commands.output import refuse_closed
        from toyrl.experiments.transfer import again
    known = again.read(measured, predictions or measured.with_name("predictions.json"))
    again.refuse_taken(out)
    refuse_closed("out", out)
    made, digest = again.write_sealed(out, again.predictions_again(known, tell=tell))
    families = {n: e["family"] for n, e in made["rewards"].items()}
    about = {
        "command": command,
        "note": again.AFTER,
        "earlier_sha256": known.seal,
        "earlier_toy": known.result["predictors"]["toy"],
        "plan": asdict(known.plan),
        "device": known.result["device"],
        "versions": {**versions(), **known.result["versions"]},
        "predictions_sha256": digest,
        "seconds_a_run": known.result["seconds_a_run"],
    }
    return _compared(out, made, again.outcomes_in(known.result, families), about)


def _compared(
    folder: Path,
    predictions: Mapping[str, Any],
    found: Any,
    about: Mapping[str, Any],
    pictures: Sequence[Picture] = (),
    runs: Mapping[str, dict[str, Any]] | None = None,
) -> Transferred:
    """The comparison and its files; about: what the result says of the runs.

    runs : what each run did, where its curves are at hand (`ends.runs_of`)
    """
    from toyrl.experiments.render.folder import file_name
    from toyrl.experiments.render.svg.pictures import svg
    from toyrl.experiments.render.text import dumps
    from toyrl.experiments.transfer import result

    numbers = result.compare(predictions, found)
    data = {
        "schema": schemas.tag("transfer-result"),
        **about,
        "calibration": predictions["calibration"],
        "thresholds": predictions["thresholds"],
        **numbers,
    }
    for name, entry in (runs or {}).items():
        numbers["rewards"][name] |= entry
    tables = [result.rewards_table(predictions, found, about["plan"]["kl"])]
    if len(found.predicted(predictions)) >= result.FEWEST:
        tables.append(result.scores_table(numbers, earlier=about.get("earlier_toy")))
    tables.append(result.calibration_table(predictions["calibration"]))
    pictures = (result.scatter(predictions, found, note=about.get("note", "")), *pictures)
    made = Transferred(data, tuple(tables), pictures, folder)
    for picture in pictures:
        name = f"{file_name(picture.name)}.svg"
        write_file(made.folder / name, svg(picture, standalone=True))
    write_file(made.folder / "result.md", made.markdown())
    write_file(made.folder / "result.json", dumps(data) + "\n")
    return made


def _heading(data: Mapping[str, Any]) -> str:
    plan, seen = data["plan"], data["calibration"]
    versions = ", ".join(f"{k} {v}" for k, v in sorted(data["versions"].items()))
    note = (
        " `tiny` was trained on the chain's own text, so this is an in-distribution test."
        if plan["model"] == "tiny"
        else ""
    )
    return "\n".join(
        [
            f"# Prediction beside outcome: {plan['model']} on {plan['task']}",
            "",
            f"{data['runs']} runs ({data['seeds']} seeds), {plan['run']['steps']} updates of "
            f"{plan['run']['completions']} completions, read at {plan['kl']:g} nats a completion "
            f"from the base.{note}",
            "",
            f"- Command: `{data['command']}`",
            f"- Device: {data['device']}; {versions}",
            _sealed(data),
            f"- Base model: accuracy {data['base']['accuracy']:.3f}, length "
            f"{data['base']['length']:.1f} tokens; calibration distance {seen['distance']:.2f}, "
            f"{seen['within']} of {seen['drawn']} worlds drawn within tolerance (1)",
            f"- {data['seconds_a_run']:.0f} s a run",
        ]
    )


def _sealed(data: Mapping[str, Any]) -> str:
    digest = data["predictions_sha256"]
    if "note" not in data:
        return f"- Predictions sealed before training: sha256 `{digest}`"
    return (
        f"- Predictions {data['note']}; sha256 `{digest}`, those sealed before training "
        f"`{data['earlier_sha256']}`"
    )

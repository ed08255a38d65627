"""`toyrl transfer`: predictions, runs and their comparison around `toyrl.experiments.transfer`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from toyrl.experiments.commands.output import command_line, write_json
from toyrl.experiments.errors import UsageError
from toyrl.rollouts.memory import write_atomic


def run(
    rewards: Sequence[str],
    *,
    suite: str | None,
    model: str,
    gguf: Path | None,
    task: str | None,
    out: Path,
    seeds: int,
    kl: float | None,
    settings: Mapping[str, Any],
    workers: int,
    warm_up: int,
    resume: bool,
    trust_remote_code: bool,
    json: str | None,
    quiet: bool,
) -> int:
    """Predict, train what is missing, compare, write; the exit code."""
    try:
        from toyrl.bridge.models.sampling import ModelError
        from toyrl.bridge.tasks import TaskError
        from toyrl.bridge.training.faults import TrainingFault
    except ImportError as error:
        msg = f"transfer needs the extra llm ({error}): pip install 'toyrl[llm]'"
        raise UsageError(msg) from error
    if bool(rewards) == (suite is not None):
        msg = "name either rewards (such as 'outcome() - 0.5*linear_length()') or --suite"
        raise UsageError(msg)
    if seeds < 1 or workers < 1:
        msg = f"seeds={seeds} and workers={workers} must be at least 1"
        raise UsageError(msg)

    def tell(message: str) -> None:
        if not quiet:
            print(message, file=sys.stderr, flush=True)

    try:
        transfer, close = _prepare(
            rewards, suite, model, gguf, task, out, seeds, kl, settings, warm_up,
            trust_remote_code, tell,
        )  # fmt: skip
        with close:
            transfer.open(resume=resume)
            predictions = transfer.predictions()
            chosen = transfer.rewards(predictions)
            # A reward of the user's own runs in a process that can't be handed to others.
            by_text = any(r.text is not None for r in transfer.own)
            transfer.train(chosen, workers=1 if by_text else workers)
    except (ModelError, TaskError, TrainingFault) as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        msg = f"out={str(out)!r}: {error.strerror or error}; what was finished is kept, --resume"
        raise UsageError(msg) from error
    except KeyboardInterrupt:
        tell("interrupted; the same command with --resume goes on from the last checkpoints")
        raise
    data = report(transfer, predictions, quiet=quiet)
    write_json(json, data)
    return 0


def run_again(
    measured: Path, predictions: Path | None, *, out: Path, json: str | None, quiet: bool
) -> int:
    """Predict a measured suite again and compare; the exit code."""
    try:
        from toyrl.experiments.transfer import again
    except ImportError as error:
        msg = f"transfer needs the extra llm ({error}): pip install 'toyrl[llm]'"
        raise UsageError(msg) from error
    if predictions is None:
        predictions = measured.with_name("predictions.json")

    def tell(message: str) -> None:
        if not quiet:
            print(message, file=sys.stderr, flush=True)

    known = again.read(measured, predictions)
    again.refuse_taken(out)
    made, digest = again.write_sealed(out, again.predictions_again(known, tell=tell))
    families = {n: e["family"] for n, e in made["rewards"].items()}
    found = again.outcomes_in(known.result, families)
    about = {
        "note": again.AFTER,
        "earlier_sha256": known.seal,
        "earlier_toy": known.result["predictors"]["toy"],
        "plan": asdict(known.plan),
        "device": known.result["device"],
        "run_versions": known.result["versions"],
        "predictions_sha256": digest,
        "seconds_a_run": known.result["seconds_a_run"],
    }
    data = _write(out, made, found, about, kl=known.plan.kl, quiet=quiet)
    write_json(json, data)
    return 0


def _prepare(
    rewards: Sequence[str],
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
    tell: Any,
) -> tuple[Any, Any]:
    """(the transfer, what must be closed after it)."""
    import contextlib

    from toyrl.bridge.models import choose as models
    from toyrl.bridge.tasks import load_task
    from toyrl.bridge.training import warm_up as warming
    from toyrl.bridge.training.run import RunSettings
    from toyrl.experiments.transfer.own import own_rewards
    from toyrl.experiments.transfer.suite import KL, Plan, Transfer
    from toyrl.experiments.validate.collapse.estimators import AGGREGATION
    from toyrl.expressions import parse_estimator

    given = {k: v for k, v in settings.items() if v is not None}
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
    stack = contextlib.ExitStack()
    own = own_rewards(rewards, stack) if rewards else ()
    plan = Plan(
        model if gguf is None else gguf.name,
        name,
        suite or "",
        seeds,
        KL if kl is None else kl,
        run_settings,
        tuple(rewards),
    )
    if suite and not made.chain:
        msg = f"task={name!r}: suites are drawn for the task shorthand; name rewards instead"
        raise UsageError(msg)
    return Transfer(out, plan, source, own, tell), stack


def report(transfer: Any, predictions: Mapping[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Write result.json, result.md and the pictures; print the tables; the result."""
    from toyrl.experiments.transfer import result

    names = list(predictions["rewards"])
    curves = transfer.curves(names)
    families = {n: predictions["rewards"][n]["family"] for n in names}
    found = result.outcomes(curves, families, transfer.plan.kl)
    some = next(iter(curves.values()))[0]
    seconds = [c["seconds"] for group in curves.values() for c in group]
    about = {
        "plan": asdict(transfer.plan),
        "device": some["device"],
        "run_versions": some["versions"],
        "predictions_sha256": (transfer.folder / "predictions.sha256").read_text().strip(),
        "seconds_a_run": sum(seconds) / max(1, len(seconds)),
    }
    pictures = [result.paths(predictions, curves, n) for n in curves]
    return _write(
        transfer.folder,
        predictions,
        found,
        about,
        kl=transfer.plan.kl,
        quiet=quiet,
        pictures=pictures,
    )


def _write(
    folder: Path,
    predictions: Mapping[str, Any],
    found: Any,
    about: dict[str, Any],
    *,
    kl: float,
    quiet: bool,
    pictures: Sequence[Any] = (),
) -> dict[str, Any]:
    """The comparison's files and tables; about: what the result says of the runs."""
    from toyrl.experiments.core import versions
    from toyrl.experiments.render.folder import file_name, markdown_table
    from toyrl.experiments.render.pictures import svg
    from toyrl.experiments.render.terminal import console, show_table
    from toyrl.experiments.render.text import dumps
    from toyrl.experiments.transfer import result

    numbers = result.compare(predictions, found)
    data = {
        "schema": "toyrl.transfer-result/1",
        "command": command_line(),
        **about,
        "versions": {**versions(), **about.pop("run_versions")},
        "calibration": predictions["calibration"],
        "thresholds": predictions["thresholds"],
        **numbers,
    }
    tables = [result.rewards_table(predictions, found, kl)]
    if len(found.names) >= result.FEWEST:
        tables.append(result.scores_table(numbers, earlier=about.get("earlier_toy")))
    tables.append(result.calibration_table(predictions["calibration"]))
    write_atomic(folder / "result.json", dumps(data) + "\n")
    pictures = [result.scatter(predictions, found, note=about.get("note", "")), *pictures]
    for picture in pictures:
        write_atomic(folder / f"{file_name(picture.name)}.svg", svg(picture, standalone=True))
    text = "\n\n".join([_heading(data), *(markdown_table(t) for t in tables)])
    write_atomic(folder / "result.md", text + "\n")
    if not quiet:
        out = console()
        # The rewards' last columns are for the page; a terminal is narrow.
        show_table(tables[0], out, columns=8)
        for table in tables[1:]:
            show_table(table, out)
        out.print(f"Wrote {folder / 'result.md'}, result.json and {len(pictures)} pictures.")
    return data


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

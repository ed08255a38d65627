"""`transfer --zoo`: every base of a split on every reward, one file a base, resumable.

A base has a folder of its own (plan, learning rate, rollouts, sealed predictions, runs). Beside it
lie BASE.json, what its runs did, and BASE-predictions.json, which `toyrl scoreboard --measured`
reads. The first seed of all rewards of all bases comes before any second one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from toyrl import schemas
from toyrl.bridge.training.settings import RunSettings
from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.core import Table, versions
from toyrl.experiments.errors import UsageError
from toyrl.experiments.results import Answer
from toyrl.experiments.sweep.engines import LOCAL, refuse_engine
from toyrl.experiments.transfer import rate, zoo
from toyrl.experiments.transfer.options import run_options
from toyrl.experiments.transfer.refusals import refusals
from toyrl.extras import needed_by
from toyrl.files import write_file
from toyrl.messages import shortened

SEALED_SPLIT = "test"
"""The split whose runs begin only when predictions of them have been made and kept."""
SEALED_FILE = "sealed.sha256"
"""Hashes of a split's predictions, a line a base."""


@dataclass(frozen=True, repr=False)
class ZooRuns(Answer):
    """What the zoo's runs did; the folder holds a file a base and result.md.

    bases : base -> schema toyrl.transfer-result; tables : one a base
    """

    split: str
    bases: Mapping[str, Mapping[str, Any]]
    tables: tuple[Table, ...]
    folder: Path
    pictures: tuple[Any, ...] = ()
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON form: the bases' results by name."""
        return {"schema": schemas.tag("transfer-zoo"), "split": self.split, "bases": self.bases}

    def lines(self) -> list[str]:
        """What was run, and where it is."""
        runs = sum(found["runs"] for found in self.bases.values())
        return [f"{runs} runs of {len(self.bases)} bases ({self.split})", f"{self.folder}"]

    def forms(self) -> dict[str, Callable[[], str]]:
        """.md: all tables."""
        return {".md": self.markdown}

    def markdown(self) -> str:
        """The text of result.md."""
        from toyrl.experiments.render.folder import markdown_table

        parts = (f"## {table.name}\n\n{markdown_table(table)}" for table in self.tables)
        return "\n\n".join(["# Runs on the zoo", *parts]) + "\n"


def run_zoo(
    split: str,
    *,
    bases: Sequence[str],
    only: Sequence[str],
    sealed: Path | None,
    predict_only: bool = False,
    out: Path,
    kl: float | None,
    options: Mapping[str, Any],
    workers: int,
    engine: str = LOCAL,
    ray_address: str | None = None,
    resume: bool,
    tell: Callable[[str], None],
    command: str,
) -> ZooRuns:
    """Predict, train what is missing, read, write. UsageError for what can't be used.

    bases, only : names of bases and of rewards, none: all; sealed : file of predictions, which
    the split `test` needs: its hash goes into every plan
    predict_only : nothing is trained; `SEALED_FILE` in the folder has the predictions' hashes
    """
    given = run_options(options)
    refuse_engine(engine, ray_address)
    refuse_outside(workers=workers, kl=kl)
    with needed_by("transfer"):
        import torch
        import trl  # noqa: F401 - found out before anything is written
    chosen = _chosen(split, bases, only)
    seal = "" if predict_only else _seal(split, sealed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with refusals(out, tell):
            if predict_only:
                return _predicted(split, chosen, out, kl, given, tell)
            transfers = [_opened(base, out, kl, given, seal, resume, tell) for base in chosen]
            for t in transfers:
                _as_sealed(t, sealed)
            said = {t.plan.model: t.predictions() for t in transfers}
            for seed in range(zoo.SEEDS):
                for t in transfers:
                    rewards = t.rewards(said[t.plan.model])
                    wanted = [r for r in rewards if not only or r.name in only]
                    t.train(
                        wanted, workers=workers, seeds=[seed], engine=engine,
                        ray_address=ray_address,
                    )  # fmt: skip
                    _write(t, said[t.plan.model], command)
    finally:
        torch.set_num_threads(threads)
    found = {t.plan.model: _write(t, said[t.plan.model], command) for t in transfers}
    tables = tuple(_table(name, data) for name, data in found.items())
    made = ZooRuns(split, found, tables, out)
    write_file(out / "result.md", made.markdown())
    return made


def _chosen(split: str, names: Sequence[str], only: Sequence[str]) -> list[Any]:
    """The bases of a split that are named; UsageError for an unknown base or reward."""
    from toyrl.bridge.zoo import bases as known

    try:
        every = known.of_split(split)
        wanted = [known.named(name) for name in names] or list(every)
        for name in only:
            zoo.seeds(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    for base in wanted:
        if base.split != split:
            msg = f"base={base.name!r} is of the split {base.split}, not {split}; name its split"
            raise UsageError(msg)
    return [base for base in every if base in wanted]


def _predicted(
    split: str,
    chosen: Sequence[Any],
    out: Path,
    kl: float | None,
    given: Mapping[str, Any],
    tell: Callable[[str], None],
) -> ZooRuns:
    """Predictions of every base's runs, and their hashes, as `sha256sum` writes them."""
    lines = []
    for base in chosen:
        made = _transfer(base, out, kl, given, "", tell)
        made.predictions()
        text = (made.folder / "predictions.json").read_text(encoding="utf-8")
        write_file(out / f"{base.name}-predictions.json", text)
        digest = (made.folder / "predictions.sha256").read_text(encoding="utf-8").strip()
        lines.append(f"{digest}  {base.name}-predictions.json")
    write_file(out / SEALED_FILE, "\n".join(lines) + "\n")
    return ZooRuns(split, {}, (), out)


def _as_sealed(transfer: Any, sealed: Path | None) -> None:
    """UsageError where the sealed file has other predictions of this base than its folder."""
    if sealed is None:
        return
    name = f"{transfer.plan.model}-predictions.json"
    lines = [line.split() for line in sealed.read_text("utf-8").splitlines()]
    said = {words[1]: words[0] for words in lines if len(words) == 2}
    transfer.predictions()
    own = (transfer.folder / "predictions.sha256").read_text(encoding="utf-8").strip()
    if said.get(name, own) != own:
        msg = (
            f"sealed={str(sealed)!r} has {said[name][:16]}... for {name}, its folder holds "
            f"{own[:16]}...: name the folder (--out) whose predictions were sealed"
        )
        raise UsageError(msg)


def _seal(split: str, sealed: Path | None) -> str:
    """The hash of the predictions that were made before, "" where none are needed."""
    if sealed is None:
        if split != SEALED_SPLIT:
            return ""
        msg = (
            f"zoo={split!r} is trained only after predictions of its runs have been made and "
            "committed: name their file with --sealed; its sha256 goes into every plan"
        )
        raise UsageError(msg)
    try:
        return hashlib.sha256(sealed.read_bytes()).hexdigest()
    except OSError as error:
        msg = f"sealed={shortened(str(sealed))} can't be read: {error.strerror or error}"
        raise UsageError(msg) from error


def _transfer(
    base: Any,
    out: Path,
    kl: float | None,
    given: Mapping[str, Any],
    seal: str,
    tell: Callable[[str], None],
    learned: Callable[[Path, str, RunSettings], float] | None = None,
) -> Any:
    """A base's transfer in its folder. learned : finds its learning rate, None: not needed."""
    from toyrl.bridge.zoo import bases as known
    from toyrl.experiments.transfer.suite import KL, Plan, Transfer

    def own(line: str) -> None:
        tell(f"{base.name}: {line}")

    try:
        settings = RunSettings(**{**zoo.RUN, "limit": base.limit, **given})
        source = str(known.folder(base, tell=own))
    except ValueError as error:  # BaseRefused among them
        raise UsageError(str(error)) from error
    folder = out / base.name
    run = asdict(settings)
    if learned is not None:
        run["rate"] = learned(folder, source, settings)
    del run["seed"]
    level = KL if kl is None else kl
    plan = Plan(base.name, base.task, zoo.NAME, zoo.SEEDS, level, run, (), seal)
    return Transfer(folder, plan, source, tell=own)


def _opened(
    base: Any,
    out: Path,
    kl: float | None,
    given: Mapping[str, Any],
    seal: str,
    resume: bool,
    tell: Callable[[str], None],
) -> Any:
    """A base's transfer in its folder, its learning rate found."""

    def own(line: str) -> None:
        tell(f"{base.name}: {line}")

    def learned(folder: Path, source: str, settings: RunSettings) -> float:
        known = given.get("rate") or rate.planned_rate(folder)
        return known or rate.rate_of(folder, source, base.task, settings, tell=own)

    made = _transfer(base, out, kl, given, seal, tell, learned)
    made.open(resume=resume)
    return made


def _write(transfer: Any, predictions: dict[str, Any], command: str) -> dict[str, Any]:
    """What a base's runs did so far; its two files."""
    from toyrl.experiments.render.text import dumps
    from toyrl.experiments.transfer import ends, evidence

    curves = transfer.curves(list(predictions["rewards"]))
    runs = [curve for group in curves.values() for curve in group]
    some = runs[0] if runs else {}
    base = {"accuracy": predictions["base"]["accuracy"], "length": predictions["base"]["length"]}
    data = {
        "schema": schemas.tag("transfer-result"),
        "command": command,
        "plan": asdict(transfer.plan),
        "device": some.get("device", ""),
        "versions": {**versions(), **some.get("versions", {})},
        "predictions_sha256": (transfer.folder / "predictions.sha256").read_text().strip(),
        "rate": _tried(transfer.folder),
        "calibration": predictions["calibration"],
        "thresholds": predictions["thresholds"],
        "seconds_a_run": sum(c["seconds"] for c in runs) / max(1, len(runs)),
        "runs": len(runs),
        "seeds": zoo.SEEDS,
        "base": ends.base_of(curves) if runs else base,
        "rewards": ends.runs_of(curves, transfer.plan.kl) if runs else {},
        "rollouts": evidence.rollouts_of(transfer.base_log(), transfer.rewards(predictions)),
        "ways": evidence.ways_of(curves),
    }
    name = transfer.plan.model
    said = (transfer.folder / "predictions.json").read_text(encoding="utf-8")
    write_file(transfer.folder.parent / f"{name}.json", dumps(data, indent=None) + "\n")
    write_file(transfer.folder.parent / f"{name}-predictions.json", said)
    return data


def _tried(folder: Path) -> dict[str, Any]:
    """What was tried for the learning rate, {} where it was given."""
    path = folder / rate.FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _table(name: str, data: Mapping[str, Any]) -> Table:
    rows = [
        [
            reward,
            _mean(run["best"]),
            _mean(run["end"]),
            "-" if run["against_outcome"] is None else f"{run['against_outcome']:+.3f}",
            _mean(run["end_log_length"]),
            f"{sum(run['reached'])} of {len(run['seeds'])}",
            "yes" if any(run["diverged"]) else "",
        ]
        for reward, run in data["rewards"].items()
    ]
    base = data["base"]
    return Table(
        f"{name}: accuracy {base['accuracy']:.3f}, {base['length']:.1f} tokens",
        (
            "reward",
            "accuracy change: best checkpoint",
            "end",
            "end, less outcome()",
            "log length change: end",
            f"runs that came {data['plan']['kl']:g} nats far",
            "diverged",
        ),
        rows,
    )


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):+.3f}"

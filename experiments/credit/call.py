"""`credit` as a Python function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.credit.advantages import RESIDUALS, advantages
from toyrl.experiments.credit.fit import fit
from toyrl.experiments.credit.identified import unidentified
from toyrl.experiments.credit.result import Credit
from toyrl.experiments.credit.table import read_table
from toyrl.experiments.errors import UsageError

BY = ("ridge", "rrd", "uniform")


def credit(
    log: str | Path,
    factors: str | Path | Callable[..., Any],
    *,
    steps: str = "line",
    returns: str | None = None,
    by: Literal["ridge", "rrd", "uniform"] = "ridge",
    residual: Literal["end", "spread", "drop"] = "end",
    penalty: float = 1.0,
    picked: int | None = None,
    seed: int = 0,
    columns: Mapping[str, str] | str | None = None,
    skip_bad_rows: bool = False,
    command: str = "",
    begin: Begin = nothing,
) -> Credit:
    """Which steps earned the return?

    log : a file or folder with several rollouts a prompt; factors : a function of a completion's
        steps that gives {name: one number a step}, or file.py:function (run in this process)
    steps : how texts are split, one of `toyrl.graders.steps.splits.SPLITTERS`
    returns : column of what a rollout got, None: the one that says right or wrong
    by : whose step rewards are handed on: least squares with a ridge, plain RRD, or equal parts
    residual : what becomes of the return beside them in advantages: "end", on the last step;
        "spread", evenly; "drop"
    penalty : of the ridge, in rollouts, >= 0; picked : K of RRD, >= 2, None: half the mean number
        of steps; seed : of what is held out; columns : as for `validate`'s rollouts
    begin : hears (done, total, name) before each piece

    Raises UsageError for a log, column, factor function or option that can't be used, and for
    returns that are all alike.
    """
    refuse_outside(penalty=penalty, picked=picked, seed=seed)
    for name, value, allowed in (("by", by, BY), ("residual", residual, RESIDUALS)):
        if value not in allowed:
            msg = f"{name}={value!r} is not one of {', '.join(allowed)}"
            raise UsageError(msg)
    begin(0, 3, "log and factors")
    table, label = read_table(log, factors, steps=steps, returns=returns, columns=columns,
                              skip_bad=skip_bad_rows)  # fmt: skip
    begin(1, 3, "fits and held-out errors")
    z, _, _, share = table.centred
    where = "prompts" if table.baseline == "group" else "rollouts"
    unsure = unidentified(z, table.names, float(share.sum()), where)
    lost = frozenset(n for u in unsure for n in u.factors)
    K = max(2, round(float(table.steps.mean()) / 2)) if picked is None else picked
    fitted = fit(table, penalty=penalty, picked=K, seed=seed, unsure=lost)
    begin(2, 3, "advantages")
    r_hat = None if by == "uniform" else fitted.scorers[by].score(table.x)
    paid = advantages(table, r_hat, residual)
    notes = list(table.log.notes)
    if table.baseline == "all":
        notes.append("no prompt has siblings: harder prompts can't be told from worse steps")
    if none := int((table.steps == 0).sum()):
        notes.append(f"{none} completions are empty: they have no step and get no advantage")
    call = command or f"toyrl.credit({str(log)!r}, {label!r})"
    return Credit(table, label, fitted, tuple(unsure), by, residual, steps, penalty, K, paid,
                  tuple(notes), call)  # fmt: skip

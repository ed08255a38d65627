"""`toyrl credit` on many rollouts: seconds of reading, fitting and writing.

    python benchmarks/credit.py [--rollouts 100000]

The log is written first, completions of a few lines each. The floor of reading is `json.loads` of
every line and a split of every completion at its line ends, which is what any script does first.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.timing import show
from toyrl.experiments.credit.advantages import advantages
from toyrl.experiments.credit.fit import fit
from toyrl.experiments.credit.table import read_table

TEXT = ("We add 12 and 30.", "The check holds: 42.", "A slip: 6 + 7 = 42.", "Let x be small.")


def factors(steps: list[str]) -> dict[str, list[float]]:
    """Two factors that matter and two that don't."""
    return {
        "check": [float("check" in s) for s in steps],
        "slip": [float("slip" in s) for s in steps],
        "length": [float(len(s)) for s in steps],
        "digits": [float(sum(c.isdigit() for c in s)) for s in steps],
    }


def write_log(path: Path, rollouts: int) -> None:
    """Groups of eight; checks raise the log-odds, slips lower them."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as out:
        for i in range(rollouts):
            kinds = rng.integers(0, len(TEXT), rng.integers(4, 13))
            odds = 0.9 * (kinds == 1).sum() - 1.2 * (kinds == 2).sum()
            text = "\n".join(TEXT[k] for k in kinds)
            row = {"prompt_id": i // 8, "completion": text, "length": len(text) // 4,
                   "correct": int(rng.random() < 1 / (1 + np.exp(-odds)))}  # fmt: skip
            out.write(json.dumps(row) + "\n")


def credit_times(rollouts: int) -> dict[str, float]:
    """CPU milliseconds: the floor, reading with factors, fits with held-out errors, advantages."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        write_log(path, rollouts)
        marks = [time.process_time()]
        with path.open(encoding="utf-8") as lines:
            steps = [json.loads(line)["completion"].split("\n") for line in lines]
        marks.append(time.process_time())
        table, _ = read_table(path, factors)
        marks.append(time.process_time())
        found = fit(table, penalty=1.0, picked=4, seed=0, unsure=frozenset())
        marks.append(time.process_time())
        advantages(table, found.scorers["ridge"].score(table.x), "end")
        marks.append(time.process_time())
    assert len(table.x) == sum(map(len, steps))
    assert found.weight[0] > 0 > found.weight[1]
    floor, read, fitted, paid = (1000 * np.diff(marks)).tolist()
    return {"ours": read + fitted + paid, "of this, reading": read, "fits and held out": fitted,
            "advantages": paid, "json and split alone": floor}  # fmt: skip


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=100_000)
    told = parser.parse_args()
    show(f"toyrl credit, {told.rollouts} rollouts, CPU", credit_times(told.rollouts))


if __name__ == "__main__":
    main()

"""The learning rate of a base, set by a rule on correctness alone, before any other reward.

Rates are tried from the largest down, each with `outcome()` and the same seeds, which no other run
has. The first one at which no run ends further below its best checkpoint than `allowed` is taken:
the most that the base bears. If none is, the smallest is taken.
A rate is found once for a base and kept in the cache folder; the folder of the runs says which it
was and what was tried.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from toyrl.experiments.transfer import training
from toyrl.experiments.transfer.rewards import SuiteReward
from toyrl.files import write_file
from toyrl.shapers.outcome import Outcome

RATES = (1.6e-3, 8e-4, 4e-4, 2e-4, 1e-4, 5e-5)
SEEDS = (1001, 1002)
LOOKS, TIMES = 4, 4
"""Points after the base, and completions of each held-out prompt at a point, of a trial."""
NOISE, PART = 0.05, 0.1
"""A run may end below its best accuracy by so much, and by this part of it. A point of 256 rollouts
has a standard error of 0.03 at most, and the best of five points of a flat curve lies 0.035 above
its last one."""
FILE = "rate.json"
UNREAD = ("rate", "seed", "every", "times", "keep")
"""Settings of a run that say nothing about its trials."""
REWARD = SuiteReward("outcome", "outcome", Outcome(), 1.0, protected=True)


def rate_of(
    folder: Path,
    source: str,
    task: str,
    settings: Any,
    *,
    cache: Path | None = None,
    trust_remote_code: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> float:
    """The base's rate, from the folder, else from the cache, else by trying; written into both.

    folder : of the transfer, where the trials' runs lie meanwhile
    source : of the base, as transformers loads it; settings : of a run, whose rate is not read
    """
    from toyrl.bridge.models.tiny import cache_folder

    key = _key(source, task, settings)
    kept = (cache or cache_folder()) / "rates" / f"{key}.json"
    for place in (folder / FILE, kept):
        found = _read(place, key)
        if found is not None:
            break
    else:
        found = {"key": key, **_tried(folder, source, task, settings, trust_remote_code, tell)}
    text = json.dumps(found, indent=1) + "\n"
    for place in (folder / FILE, kept):
        write_file(place, text)
    return float(found["rate"])


def planned_rate(folder: Path) -> float | None:
    """The rate that a folder's plan has: a plan that exists is never tried for another one."""
    try:
        return json.loads((folder / "plan.json").read_text(encoding="utf-8"))["run"]["rate"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def allowed(best: float) -> float:
    """The fall below the best accuracy that a run may end with."""
    return NOISE + PART * best


def holds(run: Mapping[str, Any]) -> bool:
    """Whether a run holds what it reached."""
    return not run["diverged"] and run["best"] - run["end"] <= allowed(run["best"])


def _tried(
    folder: Path,
    source: str,
    task: str,
    settings: Any,
    trust_remote_code: bool,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    tried: list[dict[str, Any]] = []
    every = max(1, settings.steps // LOOKS)
    looked = replace(settings, every=every, times=TIMES, keep=settings.steps)
    for rate in RATES:
        for seed in SEEDS:
            own = replace(looked, rate=rate, seed=seed)
            curve = training.one(
                source,
                task,
                folder / "rate" / f"{rate:g}-seed-{seed}",
                REWARD,
                own,
                trust_remote_code=trust_remote_code,
                tell=lambda _: None,
            )
            accuracy = [p["accuracy"] for p in curve["points"]]
            tried.append(
                {
                    "rate": rate,
                    "seed": seed,
                    "base": accuracy[0],
                    "best": max(accuracy),
                    "end": accuracy[-1],
                    "diverged": "diverged" in curve,
                }
            )
            tell(f"learning rate {rate:g}: best {max(accuracy):.3f}, end {accuracy[-1]:.3f}")
            if not holds(tried[-1]):
                break
        else:
            tell(f"learning rate {rate:g}, the largest at which correctness holds what it reached")
            return {"rate": rate, "tried": tried}
    tell(f"no learning rate holds what it reached; the smallest is taken, {RATES[-1]:g}")
    return {"rate": RATES[-1], "tried": tried}


def _key(source: str, task: str, settings: Any) -> str:
    """What a rate depends on: weights (by the manifest where there is one), task, settings."""
    from toyrl.bridge.models.tiny import MANIFEST

    manifest = Path(source) / MANIFEST
    model = manifest.read_text(encoding="utf-8") if manifest.is_file() else source
    own = {k: v for k, v in asdict(settings).items() if k not in UNREAD}
    text = json.dumps([model, task, own, RATES, SEEDS, NOISE, PART], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(place: Path, key: str) -> dict[str, Any] | None:
    try:
        found = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("key") == key else None

"""Folders that tests read from."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "rewards"
BAD_REWARDS = ROOT / "tests" / "rewards" / "bad_rewards"
FORMAT_REWARDS = ROOT / "tests" / "experiments" / "validate" / "formats" / "rewards"

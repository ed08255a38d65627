"""Tool-call rewards against the released formulas as one reads them, and against mending alone.

    python benchmarks/graders_tools.py [--rows 2000] [--repeats 3]

"released" is a plain loop in the same process that does what the published code does, without its
printing; json_repair and the JSON reader alone are what the reward wraps. Before anything is timed
the loop and the reward must agree to rounding. Ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import in_turns
from benchmarks.timing import show
from toyrl.graders.base import TextRow
from toyrl.graders.tools.calls import SoundToolCalls, ToolCalls
from toyrl.graders.tools.texts import call_block, read_calls, tool_text


# -- the released code, read plainly ---------------------------------------------------------------
def match_score(one: list[Any], other: list[Any], refined: bool) -> float:
    """Multiset Jaccard of two lists; refined: equal lists or nothing."""
    if one == other:
        return 1.0
    if refined or not one or not other:
        return 0.0
    a, b = Counter(one), Counter(other)
    both = sum(min(a[k], b[k]) for k in a.keys() & b.keys())
    return both / (len(one) + len(other) - both)


def compare(gold: list[Any], said: list[Any], high: float, low: float, granularity: str) -> float:
    """Correctness of parsed calls."""
    if gold == said:
        return high
    if granularity == "coarse":
        return low
    refined = granularity == "refined"
    score = match_score([c["name"] for c in gold], [c["name"] for c in said], refined)
    most, used = 1.0, set()
    for g in gold:
        most += 1.0 if granularity == "intermediate" else 1.0 + len(g["parameters"])
        best, place = 0.0, -1
        for i, p in enumerate(said):
            if i in used or p["name"] != g["name"]:
                continue
            if granularity == "intermediate":
                if g == p:
                    best, place = 1.0, i
                    break
                continue
            ours, theirs = g["parameters"], p["parameters"]
            total = match_score(list(ours.keys()), list(theirs.keys()), refined)
            total += sum(1.0 for k, v in ours.items() if k in theirs and theirs[k] == v)
            if total > best:
                best, place = total, i
        if place >= 0:
            used.add(place)
            score += best
    return (high - low) * score / most + low


def shape(text: str, gold: str) -> bool:
    """The format is met."""
    call, say = "<tool_call>" in gold, "<response>" in gold
    pattern = r"^<think>.*?</think>"
    pattern += r"\n<tool_call>\n.*?\n</tool_call>" * call + r"\n<response>.*?</response>" * say
    tags = ["<tool_call>", "</tool_call>"] * call + ["<response>", "</response>"] * say
    found = re.search(pattern + "$", text, re.DOTALL)
    return found is not None and all(text.count(t) == 1 for t in tags)


def released(text: str, gold: str, granularity: str = "fine", high: float = 3.0) -> float:
    """Format (1 or 0) and correctness of one text."""
    text = text.strip()
    form = 1.0 if shape(text, gold) else 0.0
    if "<tool_call>" not in gold:
        return form
    block = gold.split("<tool_call>")[1].split("</tool_call>")[0].strip()
    wanted = [json.loads(line) for line in block.split("\n")]
    try:
        assert "<tool_call>" in text
        assert "</tool_call>" in text
        block = text.split("<tool_call>")[1].split("</tool_call>")[0].strip()
        said = [json.loads(line) for line in block.split("\n")]
        return form + compare(wanted, said, high, -high, granularity)
    except Exception:
        return form - high


# -- what is graded --------------------------------------------------------------------------------
def rows(n: int, broken: bool = False) -> list[TextRow]:
    """Texts of one to three calls with some names, keys and values wrong, eight for each gold."""
    rng = random.Random(0)
    thought = "The user asks for several things, so that more than one tool is needed. " * 6

    def calls() -> list[dict[str, Any]]:
        return [{"name": rng.choice(["weather", "search", "book"]),
                 "parameters": {k: rng.choice(["Paris", "Zürich", 3, True]) for k in
                                rng.sample(["city", "day", "query", "limit", "unit"], 4)}}
                for _ in range(rng.randint(1, 3))]  # fmt: skip

    out = []
    for _ in range(n // 8):
        gold = calls()
        for _ in range(8):
            said = json.loads(json.dumps(gold)) if rng.random() < 0.5 else calls()
            said[0]["parameters"]["city"] = rng.choice(["Paris", "Rome"])
            text = tool_text(said, thought)
            text = text.replace('"}}', '",}') if broken else text
            out.append(TextRow("", text, {"ground_truth": tool_text(gold)}))
    return out


def read(some: Sequence[TextRow]) -> None:
    """The JSON of both blocks, and nothing else."""
    for row in some:
        for text in (row.completion, row.columns["ground_truth"]):
            for line in (call_block(text) or "").split("\n"):
                json.loads(line)


def mended(some: Sequence[TextRow]) -> list[list[Any]]:
    """json_repair on each text's block, and nothing else."""
    import json_repair

    return [json_repair.loads(f"[{call_block(row.completion)}]") for row in some]


def released_mended(some: Sequence[TextRow]) -> list[float]:
    """The plain loop with json_repair as its reader."""
    out = []
    for row, said in zip(some, mended(some), strict=True):
        gold = row.columns["ground_truth"]
        wanted = [json.loads(line) for line in (call_block(gold) or "").split("\n")]
        out.append(shape(row.completion.strip(), gold) + compare(wanted, said, 3.0, -3.0, "fine"))
    return out


PLAIN, SOUND, MENDED = ToolCalls(), SoundToolCalls(), ToolCalls(parsing="repair")


def runs(n: int) -> dict[str, dict[str, Callable[[], Any]]]:
    """What is timed: title -> name -> call.

    Raises AssertionError where the reward differs from the plain loop.
    """
    some, bad = rows(n), rows(n, broken=True)
    for row in [*some, *bad]:
        want = released(row.completion, row.columns["ground_truth"])
        assert abs(PLAIN.grade([row])[0] - want) < 1e-12, row
    assert np.allclose(MENDED.grade(bad), released_mended(bad), atol=1e-12)
    return {
        "tool_calls": {
            "ours": lambda: PLAIN.grade(some),
            "released": lambda: [released(r.completion, r.columns["ground_truth"]) for r in some],
            "JSON of both alone": lambda: read(some),
        },
        "tool_calls_sound, broken JSON": {
            "ours": lambda: SOUND.grade(bad),
            "released with json_repair": lambda: released_mended(bad),
            "json_repair alone": lambda: mended(bad),
        },
        "reading broken JSON": {
            "ours": lambda: [
                read_calls(call_block(r.completion) or "", parsing="repair") for r in bad
            ],
            "json_repair alone": lambda: mended(bad),
        },
    }


def main() -> None:
    """Print rates and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    for title, calls in runs(told.rows).items():
        times = in_turns(calls, told.repeats)
        rate = 1000 * told.rows / times["ours"]
        show(f"{title}: {rate:,.0f} texts a second", times)


if __name__ == "__main__":
    main()

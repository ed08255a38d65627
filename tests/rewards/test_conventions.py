"""Public conventions, one file each in `examples/conventions`: recognised, called and read rightly.

`docs/conventions.md` has a row for each; every row names what is called here.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.places import ROOT
from tests.rewards.calls import wait
from toyrl.rewards import managers
from toyrl.rewards.calling import call
from toyrl.rewards.signatures import Refusal, recognise

FOLDER = ROOT / "examples" / "conventions"
PAGE = ROOT / "docs" / "conventions.md"
BOX = "So it is \\boxed{{{}}}."
TAGS = "<think>\nWe add.\n</think>\n<answer>\n{}\n</answer>"
KNIGHTS = "(1) Zoey is a {}"
TOOL = '<think>so</think>\n<tool_call>\n{{"name": "add", "parameters": {{"a": {}}}}}\n</tool_call>'
SOLUTION = "<start_working_out>We add.<end_working_out><SOLUTION>{}</SOLUTION>"


@dataclass(frozen=True)
class Row:
    """What a function is called with and what it answers.

    form : how it is recognised; text : completions, {} is what they say
    right, wrong : what is said; paid : values of both
    columns : of the data set; chat : completions go as messages
    make : the object of a factory or class
    """

    form: str
    text: str
    paid: tuple[Any, Any]
    columns: dict[str, Any] = field(default_factory=lambda: {"answer": "18"})
    right: str = "18"
    wrong: str = "19"
    chat: bool = False
    make: Callable[[Any], Any] = lambda found: found


GOLD = {"ground_truth": "18"}
DOLLARS = {"solution": "$18$"}
OVERLONG = "get_soft_overlong_punishment(512, 128)"
ROWS: dict[str, Row] = {
    "verl_gsm8k.py:compute_score": Row("verl", "#### {}", (1, 0), GOLD),
    "verl_custom.py:compute_score": Row("verl", BOX, (1, 0), {"reward_model": GOLD}),
    "verl_batch.py:compute_score": Row("verl_batch", BOX, (1, 0), GOLD),
    "verl_manager.py:Manager": Row(
        "verl_manager", "#### {}", (1, 0), {"reward_model": GOLD},
        make=lambda found: managers.made(found, (), {}),
    ),
    "verl_reward_loop.py:LoopManager": Row(
        "verl_manager", "#### {}", (1, 0), {"reward_model": GOLD},
        make=lambda found: managers.made(found, (), {}),
    ),
    "dapo.py:compute_score": Row("verl", "Answer: {}", (1, -1), GOLD),
    "trl_own.py:accuracy_reward": Row("trl", BOX, (1, 0), DOLLARS, chat=True),
    "trl_own.py:think_format_reward": Row(
        "trl", "{}</think>18", (1, 0), right="<think>so", wrong="so", chat=True
    ),
    f"trl_own.py:{OVERLONG}": Row(
        "trl", "{}", (0, -1), right="so " * 4, wrong="so " * 600, make=lambda f: f(512, 128)
    ),
    "open_r1.py:accuracy_reward": Row("trl", BOX, (1, 0), DOLLARS, chat=True),
    "open_r1.py:format_reward": Row(
        "trl", "{}", (1, 0), right=TAGS.format(1), wrong="18", chat=True
    ),
    "open_r1.py:tag_count_reward": Row(
        "trl", "{}", (1, 0.5), right=TAGS.format(1), wrong="<think>\n1\n</think>\n", chat=True
    ),
    "unsloth.py:match_format_exactly": Row(
        "trl", "{}", (3, 0), right=SOLUTION.format(1), wrong="18", chat=True
    ),
    "unsloth.py:check_answer": Row("trl", SOLUTION, (3, -1.5), chat=True),
    "tiny_zero.py:compute_score": Row(
        "verl", "<answer>{}</answer>", (1, 0.1),
        {"ground_truth": {"target": 18, "numbers": [1, 17]}}, "17 + 1", "17 - 1",
    ),
    "logic_rl.py:compute_score": Row(
        "verl", f"<think>so</think>\n<answer>{KNIGHTS}</answer>", (3, -0.5),
        {"ground_truth": {"solution_text_format": KNIGHTS.format("knave")}}, "knave", "knight",
    ),
    "search_r1.py:compute_score_em": Row(
        "verl", "<answer>{}</answer>", (1, 0), {"ground_truth": {"target": ["The Seine"]}},
        "seine", "Rhine",
    ),
    "tool_rl.py:compute_score": Row("verl", TOOL, (4, 1), {"ground_truth": TOOL.format(18)}),
    "rllm.py:math_reward_fn": Row("rllm", BOX, (1, 0), GOLD),
    "deepscaler.py:RewardMathFn()": Row(
        "record", f"<think>so</think>{BOX}", (1, 0), make=lambda found: found()
    ),
    "deepscaler.py:deepscaler_reward_fn": Row("verl", f"so</think>{BOX}", (1, 0), GOLD),
    "easyr1.py:compute_score": Row("easyr1_batch", f"<think>so</think>{BOX}", (1, 0.1), GOLD),
    "areal.py:gsm8k_reward_fn": Row("areal", "#### {}", (1, 0), {"answer": "so\n#### 18"}),
    "openrlhf.py:reward_func": Row("openrlhf", BOX, (1, 0), {"label": "18"}),
    "verifiers.py:correct_answer": Row("verifiers", "<answer>{}</answer>", (1, 0), chat=True),
    "verifiers.py:shortest_of_group": Row("verifiers_group", "It is {}", (1, 0), chat=True),
}  # fmt: skip


def imported(file: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"convention_{file[:-3]}", FOLDER / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("spec", "row"), ROWS.items(), ids=ROWS)
def test_a_convention_is_recognised_called_and_read(spec, row):
    file, _, name = spec.partition(":")
    if "manager" in row.form:
        pytest.importorskip("torch", reason="needs the extra llm")
    function = row.make(getattr(imported(file), name.partition("(")[0]))
    signature = recognise(function, name)
    assert signature.form == row.form
    rows = [
        {
            "prompt": "What is 9 + 9?",
            "completion": row.text.format(said),
            "columns": row.columns,
            "tokens": 0,
            "truncated": False,
        }
        for said in (row.right, row.wrong)
    ]
    values, _ = call(function, signature, rows, row.chat, tick=lambda _: None, wait=wait)
    assert values == pytest.approx(list(row.paid))


def test_the_page_has_a_row_for_every_convention_and_nothing_else():
    table = PAGE.read_text(encoding="utf-8").partition("| Convention |")[2]
    specs = re.findall(r"<br>`([^`]+)`", table)
    assert sorted(specs) == sorted(ROWS)
    assert {s.partition(":")[0] for s in ROWS} == {f.name for f in FOLDER.glob("*.py")}


def test_a_missing_accuracy_is_none_and_a_prompt_comes_before_the_completion():
    accuracy = imported("open_r1.py").accuracy_reward
    row = {"prompt": "Q", "completion": "18", "columns": {"solution": "n"}, "tokens": 1,
           "truncated": False}  # fmt: skip
    signature = recognise(accuracy, "accuracy")
    values, _ = call(accuracy, signature, [row], True, tick=lambda _: None, wait=wait)
    assert values == [None]
    given = []

    def reads_behind(solution_str, ground_truth):
        given.append(solution_str)
        return float(solution_str.split("Assistant:")[1].strip() == ground_truth)

    row = {**row, "columns": {"ground_truth": "18"}}
    signature = recognise(reads_behind, "f")
    values, notes = call(reads_behind, signature, [row], False, tick=lambda _: None, wait=wait)
    assert (values, given) == ([1.0], ["Q\nAssistant:\n18"])
    assert any("Assistant:" in note for note in notes)


@dataclass
class Asked:
    """A record with a field that nothing fills."""

    response: str
    rubric: str


def test_a_record_that_nothing_fills_is_refused_by_its_field():
    def score(given: Asked) -> float:
        return float(given.response == given.rubric)

    row = {"prompt": "Q", "completion": "18", "columns": {"answer": "18"}, "tokens": 1,
           "truncated": False}  # fmt: skip
    score.__annotations__["given"] = Asked  # annotations are text in this file
    signature = recognise(score, "score")
    assert signature.form == "record"
    with pytest.raises(Refusal, match=r"rubric.*--data") as told:
        call(score, signature, [row], False, tick=lambda _: None, wait=wait)
    assert told.value.kind == "missing_column"
    row["columns"]["rubric"] = "18"
    values, _ = call(score, signature, [row], False, tick=lambda _: None, wait=wait)
    assert values == [1.0]


def test_a_class_beside_the_function_of_a_file_is_no_second_function(tmp_path):
    from toyrl.rewards.user import load

    file = tmp_path / "mine.py"
    file.write_text("class Result:\n    pass\n\ndef graded(text):\n    return 1.0\n")
    with load(str(file)) as reward:
        assert reward.signature.name.endswith(":graded")

"""The trainers' own calls: what would raise TypeError is found, and each form is served."""

from __future__ import annotations

import ast
import functools
import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.rewards.calls import ROWS, grade
from toyrl.rewards.errors import RewardError
from toyrl.rewards.signatures import Refusal, recognise
from toyrl.rewards.trainers import TRL, refused_call
from toyrl.rewards.user import load

GOLDS = [row["columns"]["answer"] for row in ROWS]


def test_trls_arguments_are_those_of_the_installed_trainer():
    found = importlib.util.find_spec("trl")
    if found is None or found.origin is None:
        pytest.skip("needs the extra llm")
    source = Path(found.origin).with_name("trainer") / "grpo_trainer.py"
    tree = ast.parse(source.read_text())
    body = next(n for n in ast.walk(tree) if getattr(n, "name", "") == "_calculate_rewards")
    named = {
        k.arg
        for n in ast.walk(body)
        if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "reward_func"
        for k in n.keywords
        if k.arg
    }
    added = {
        n.slice.value
        for a in ast.walk(body)
        if isinstance(a, ast.Assign)
        for n in a.targets
        if isinstance(n, ast.Subscript)
        and getattr(n.value, "id", "") == "reward_kwargs"
        and isinstance(n.slice, ast.Constant)
    }
    assert (named | added) - {"environments"} == set(TRL)


def no_kwargs(prompts, completions):
    return [0.0 for _ in completions]


def all_named(
    prompts, completions, completion_ids, trainer_state, log_extra, log_metric, answer=None
):
    return [0.0 for _ in completions]


def some_named(completions, answer, **kwargs):
    return [0.0 for _ in completions]


def verl(data_source, solution_str, ground_truth, extra_info=None):
    return 0.0


def own_verl(solution_str, ground_truth, method="strict"):
    return 0.0


def openrlhf(queries, prompts):
    return [0.0]


def areal(prompt, completions, prompt_ids, completion_ids, answer):
    return 0.0


class Sliced:
    def __call__(self, completions, /, **kwargs):
        return [0.0 for _ in completions]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_kwargs, "TRL calls no_kwargs(prompts=..., completions=..., completion_ids=..."),
        (no_kwargs, "unexpected keyword argument 'completion_ids'"),
        (all_named, ""),
        (some_named, ""),
        (verl, ""),
        (own_verl, "verl calls own_verl(data_source=..., solution_str=..., ground_truth=..."),
        (openrlhf, "OpenRLHF calls openrlhf(queries, prompts, labels)"),
        (areal, ""),
        (Sliced(), "TRL calls Sliced("),
        (functools.partial(some_named, extra=1), ""),
    ],
)
def test_a_call_that_the_signature_refuses_is_told(function, said):
    refuses = recognise(function, "f").refuses
    assert said in refuses
    assert bool(said) == bool(refuses)


@pytest.mark.parametrize("function", [no_kwargs, own_verl, openrlhf, Sliced()])
def test_the_call_that_is_told_raises(function):
    """The other route: the trainer's call is made."""
    calls = {"trl": ((), TRL), "openrlhf": (("queries", "prompts", "labels"), ())}
    names = ("data_source", "solution_str", "ground_truth", "extra_info")
    places, keywords = calls.get(recognise(function, "f").form, ((), names))
    with pytest.raises(TypeError, match="argument"):
        function(*places, **dict.fromkeys(keywords))


def test_plain_functions_have_no_trainer():
    assert refused_call(len, "plain", ()) == ""


# -- forms -------------------------------------------------------------------------------------
def easyr1(reward_input):
    assert {*reward_input} == {"response", "response_length", "ground_truth"}
    good = reward_input["response"].endswith(reward_input["ground_truth"])
    return {"overall": float(good), "format": 0.0, "accuracy": float(good)}


def easyr1_batch(reward_inputs, format_weight=0.1):
    return [easyr1(one) for one in reward_inputs]


def rllm(task_info, action):
    good = action.endswith(task_info["ground_truth"]) and task_info["level"] > 0
    return SimpleNamespace(reward=float(good), is_correct=good)


def rllm_older(data_source, llm_solution, ground_truth, extra_info=None, **kwargs):
    return float(llm_solution.endswith(ground_truth))


def verl_tuple(data_source, solution_str, ground_truth, extra_info=None):
    return solution_str.endswith(ground_truth), True, "extracted"


def verl_batch_records(data_sources, solution_strs, ground_truths, extra_infos):
    return [{"score": s.endswith(g)} for s, g in zip(solution_strs, ground_truths, strict=True)]


@pytest.mark.parametrize(
    ("function", "form"),
    [
        (easyr1, "easyr1"),
        (easyr1_batch, "easyr1_batch"),
        (rllm, "rllm"),
        (rllm_older, "plain"),
        (verl_tuple, "verl"),
        (verl_batch_records, "verl_batch"),
    ],
)
def test_each_trainers_records_are_served_and_read(function, form):
    signature, values = grade(function)
    assert signature.form == form
    assert values == [1.0, 1.0, 1.0]
    assert signature.reads_gold


def scoreless(reward_input):
    return {"accuracy": float(reward_input["response_length"])}


def test_a_tuple_is_a_score_for_verl_alone():
    def plain(text):
        return 1.0, 2.0

    with pytest.raises(Refusal, match="not a number"):
        grade(plain)
    with pytest.raises(Refusal, match="no 'score'"):
        grade(scoreless)


MANAGER = """
import torch

class OwnManager:
    def __init__(self, tokenizer, num_examine, compute_score=None, bonus=0.0):
        self.tokenizer, self.num_examine, self.bonus = tokenizer, num_examine, bonus

    def __call__(self, data, return_dict=False):
        out = torch.zeros_like(data.batch["responses"], dtype=torch.float32)
        for i in range(len(data)):
            item = data[i]
            n = item.batch["prompts"].shape[-1]
            asked = item.batch["attention_mask"][:n].sum()
            valid = item.batch["attention_mask"][n:].sum()
            text = self.tokenizer.decode(item.batch["responses"][:valid])
            prompt = self.tokenizer.decode(item.batch["prompts"][-asked:])
            gold = item.non_tensor_batch["reward_model"]["ground_truth"]
            assert prompt.startswith("What") and item.non_tensor_batch["data_source"]
            out[i, valid - 1] = text.endswith(gold) * int(valid) + self.bonus
        return {"reward_tensor": out, "reward_extra_info": {}} if return_dict else out
"""


@pytest.mark.slow
@pytest.mark.parametrize(("call", "bonus"), [("", 0.0), ("(bonus=0.5)", 0.5), ("(None, 0)", 0.0)])
def test_verls_managers_are_called_with_a_batch_of_ids(tmp_path, call, bonus):
    pytest.importorskip("torch", reason="needs the extra llm")
    from toyrl.graders.base import TextRow

    file = tmp_path / "own_manager.py"
    file.write_text(MANAGER)
    rows = [TextRow(r["prompt"], r["completion"], r["columns"], r["tokens"]) for r in ROWS]
    with load(f"{file}:OwnManager{call}") as reward:
        assert reward.signature.form == "verl_manager"
        assert reward.score(rows) == [r["tokens"] + bonus for r in ROWS]  # as long as it says


def test_a_class_called_with_data_alone_is_no_manager():
    class Reader:
        def __call__(self, data):
            return float(len(data))

    assert recognise(Reader(), "r").form == "plain"


# -- what can't be guessed -----------------------------------------------------------------------
def unguessable(gold_text, blob, weight=1.0):
    return weight * float(blob.endswith(gold_text))


def unguessable_list(blobs: list[str], notes=None):
    return [float(len(b)) for b in blobs]


def test_the_text_parameter_can_be_named():
    rows = [{**row, "columns": {"gold_text": g}} for row, g in zip(ROWS, GOLDS, strict=True)]
    with pytest.raises(Refusal, match="--text-parameter"):
        recognise(unguessable, "f")
    assert recognise(unguessable, "f", "blob").text == "blob"
    assert recognise(unguessable_list, "f", "blobs").form == "plain_batch"
    from toyrl.rewards.calling import call

    signature = recognise(unguessable, "f", "blob")
    values, _ = call(unguessable, signature, rows, False, tick=lambda _: None, wait=list)
    assert values == [1.0, 1.0, 1.0]
    with load(unguessable, text_parameter="blob") as reward:
        assert reward.signature.columns == ("gold_text",)


def test_a_text_parameter_that_no_function_has_is_refused():
    with pytest.raises(RewardError, match=r"no function has the parameter 'blob' \(.* has text\)"):
        load(lambda text: float(len(text)), text_parameter="blob")

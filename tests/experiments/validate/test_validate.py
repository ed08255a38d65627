"""`validate` from end to end, on rewards that people wrote and on a real model's log."""

from __future__ import annotations

import json
import math
from functools import cache
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from tests.places import BAD_REWARDS as BAD
from tests.places import ROOT
from toyrl.dynamics.chain import observed
from toyrl.experiments.api import validate
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.ci import junit
from toyrl.experiments.validate.collapse import run as collapse_run
from toyrl.experiments.validate.contract import hostile
from toyrl.experiments.validate.findings import Report
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.settings import Settings
from toyrl.rollouts.logs import read_columns
from toyrl.worlds.text.dialects import dialect_of

EXAMPLES = ROOT / "examples" / "rewards"
LOG = ROOT / "examples" / "data" / "smollm2-arithmetic-rollouts.jsonl"
WORLDS = 8  # enough to tell the examples apart; the command draws 256
FEW = 8  # where training decides nothing, or all worlds alike
NOT_LOOKED_AT = ("order", "selection", "verdict")  # where what is unsafe is so without them

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_worlds")]
apart = pytest.mark.xdist_group("validate, rewards judged by one test alone")
"""For tests that share no report with others, so that another worker can take them."""


class Judged:
    """A report and the pipeline that made it; without the search, which has tests of its own."""

    def __init__(self, *specs: str, worlds: int = WORLDS, search: int = 0, **settings):
        settings["search"] = search
        self.pipeline = Pipeline(specs, Settings(**settings), lambda *_: None, n_worlds=worlds)
        self.report: Report = self.pipeline.run()

    @property
    def verdict(self) -> str:
        return self.report.verdict

    def finding(self, name: str):
        found = [f for s in self.report.sections for f in s.findings if f.name == name]
        assert found, f"no finding {name}"
        return found[0]

    @property
    def collapsed(self) -> np.ndarray:
        judged = self.pipeline.facts.judged
        return judged.collapsed & judged.learnable


@cache
def example(name: str, function: str = "reward", **settings) -> Judged:
    return Judged(f"{EXAMPLES / name}.py:{function}", **settings)


# -- the examples ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "function"), [("correctness", "reward"), ("gsm8k_verl", "compute_score")]
)
def test_correctness_is_safe(name, function):
    judged = example(name, function)
    assert judged.verdict == "SAFE"
    assert not judged.collapsed.any()
    assert judged.report.exit_code == 0
    assert judged.pipeline.price == math.inf


@cache
def unpaired(name: str) -> Judged:
    """A gold-free example alone; its largest safe weight is that of the worst world."""
    return Judged(f"{EXAMPLES / name}.py:reward", only="collapse")


# A bonus without a ceiling fills the limit in the end, whatever the chain's worlds bear.
@pytest.mark.parametrize(
    ("name", "verdict", "looks"),
    [
        ("format_only", "SAFE", {}),
        ("phrase_count", "RISKY", {"only": "collapse"}),
    ],
)
def test_gold_free_rewards_are_unsafe_alone_and_safe_beside_correctness_up_to_a_weight(
    name, verdict, looks
):
    path = f"{EXAMPLES / name}.py:reward"
    alone = unpaired(name)
    assert alone.verdict == "UNSAFE"
    assert alone.report.exit_code == 1
    finding = alone.finding("collapse/auxiliary")
    assert finding.status == "info"
    assert 0 < finding.value < math.inf
    weight = min(0.5 * finding.value, 0.5)  # above 1 a format is worth more than a right answer
    below = Judged(str(EXAMPLES / "correctness.py"), f"{path}:{weight:.4g}", worlds=FEW, **looks)
    assert below.verdict == verdict


def test_phrases_far_above_their_weight_are_unsafe_beside_correctness_too():
    """Format is not: among rollouts that end in time it is a constant, which no group sees."""
    limit = unpaired("phrase_count").finding("collapse/auxiliary").value
    path = f"{EXAMPLES / 'phrase_count'}.py:reward"
    above = Judged(str(EXAMPLES / "correctness.py"), f"{path}:{20 * limit:.4g}",
                   worlds=FEW, only="collapse")  # fmt: skip
    assert above.verdict == "UNSAFE"


def test_brevity_bonus_is_unsafe_since_wrong_answers_earn_it():
    judged = example("brevity_bonus", only="collapse")
    assert judged.verdict == "UNSAFE"
    assert judged.collapsed.mean() > 0.5


def test_additive_penalty_is_unsafe_and_named_by_its_critical_weights():
    judged = example("correct_minus_length", only="collapse,verdict")
    assert judged.verdict == "UNSAFE"
    critical = judged.pipeline.facts.critical
    assert 0.02 < (critical <= 1).mean() < 0.56  # the user's own weight is 1
    assert judged.finding("collapse/critical-weight").value == np.median(critical)
    assert "share of easy prompts" in judged.pipeline.worlds.parameters
    assert judged.report.safe_variant


def test_a_gated_term_is_never_worse_than_an_additive_one_of_equal_strength():
    gated = example("gated_conciseness", only="collapse")
    additive = example("correct_minus_length", only="collapse,verdict")
    learnable = gated.pipeline.facts.judged.learnable
    assert (learnable == additive.pipeline.facts.judged.learnable).all()
    assert gated.collapsed.sum() < additive.collapsed.sum()
    assert not (gated.collapsed & ~additive.collapsed).any()


@apart
def test_where_gated_conciseness_collapses_nearly_all_prompts_are_solved(monkeypatch):
    """In so many worlds that the share of easy prompts beyond which it collapses is named."""
    path = f"{EXAMPLES / 'gated_conciseness.py'}:reward"
    monkeypatch.setattr(collapse_run, "WEIGHED", 1)  # no weight is asked for here
    judged = Judged(path, worlds=128, only="collapse")
    named = [s for s in judged.pipeline.facts.explained if s.name == "share of easy prompts"]
    assert named
    assert named[0].above
    assert named[0].threshold > 0.5
    assert named[0].share_outside < 0.02
    told = [f.message for s in judged.report.sections for f in s.findings
            if f.name == "collapse/explained"]  # fmt: skip
    assert any(f"share of easy prompts > {named[0].threshold:.2f}" in x for x in told)


# -- what was reported of verdicts that contradict their findings ----------------------------------
FIELD = """
import re

def brevity(completions, answer, **kwargs):
    return [float(a in c) - 0.001 * len(c) for c, a in zip(completions, answer)]

def label(completions, answer, **kwargs):
    said = [(re.findall(r"<answer>(.*?)</answer>", c, re.S) or [None])[-1] for c in completions]
    return [float(s is not None and (s in a or a in s)) for s, a in zip(said, answer)]
"""


@pytest.mark.parametrize(
    ("name", "hack", "looks"),
    [
        ("brevity", "is paid", {"skip": NOT_LOOKED_AT}),
        ("label", "nothing between", {"quick": True}),
    ],
)
def test_a_wrong_text_paid_like_a_right_one_is_unsafe_and_said_first(tmp_path, name, hack, looks):
    file = tmp_path / "field.py"
    file.write_text(FIELD)
    judged = Judged(f"{file}:{name}", worlds=FEW, **looks)
    assert (judged.verdict, judged.report.exit_code) == ("UNSAFE", 1)
    assert hack in judged.report.reasons[0]
    assert not any(r.startswith("Collapse comes with") for r in judged.report.reasons)
    assert "never lose accuracy" not in judged.finding("hacks/price").message
    if name == "brevity":
        assert "each character of the working costs 0.001" in judged.report.reasons[0]
    suite = ET.fromstring(junit(judged.report))
    assert int(suite.get("failures")) > 1


# -- rewards of TRL --------------------------------------------------------------------------------
def trl(name: str) -> str:
    rewards = pytest.importorskip("trl.rewards", reason="needs the extra llm")
    if not hasattr(rewards, name.partition("(")[0]):
        pytest.skip(f"this TRL has no {name}")
    return f"trl.rewards:{name}"


@apart
def test_trls_reasoning_accuracy_reward_is_safe(monkeypatch):
    """The contract with one hostile text: a parser takes its time over each text.
    `accuracy_reward`, which parses alike, stands in the sum below, hacks and all."""
    pytest.importorskip("math_verify", reason="needs the extra llm")
    monkeypatch.setattr(hostile, "answers", lambda: {"nan": "nan"})
    judged = Judged(trl("reasoning_accuracy_reward"), only="contract")
    assert judged.verdict == "SAFE SO FAR"
    assert judged.pipeline.contract_facts.separates


@apart
@pytest.mark.parametrize(
    "name",
    [
        "think_format_reward",
        "get_soft_overlong_punishment(max_completion_len=512, soft_punish_cache=128)",
    ],
)
def test_trls_gold_free_rewards_are_unsafe_alone(name):
    judged = Judged(trl(name), worlds=FEW, only="collapse")
    assert judged.verdict == "UNSAFE"
    assert judged.finding("collapse/auxiliary")


def test_the_sum_people_train_on_is_safe(monkeypatch):
    """With hacks, and three of the hostile texts: `accuracy_reward` takes seconds over each."""
    pytest.importorskip("math_verify", reason="needs the extra llm")
    kept = {
        name: text for name, text in hostile.answers().items() if name in ("nan", "1/0", "code")
    }
    monkeypatch.setattr(hostile, "answers", lambda: kept)
    judged = Judged(
        trl("accuracy_reward"),
        trl("think_format_reward") + ":0.2",
        trl("get_soft_overlong_punishment(max_completion_len=512, soft_punish_cache=128)"),
        worlds=FEW,
    )
    assert judged.verdict == "SAFE"
    assert "0.2 *" in judged.report.reward


# -- a real log, data columns ----------------------------------------------------------------------
def test_a_real_log_gives_section_0(monkeypatch):
    monkeypatch.setattr(observed, "ROUND", FEW)
    judged = Judged(str(EXAMPLES / "correctness.py"), worlds=FEW, rollouts=LOG)
    own = judged.report.sections[0]
    assert own.number == 0
    rows = [json.loads(line) for line in LOG.read_text().splitlines()]
    assert len(rows) == 480
    assert judged.verdict == "SAFE"
    share = np.mean([r["correct"] for r in rows])
    assert f"{share:.3f}" in own.summary + "".join(f.message for f in own.findings)
    fitted = judged.finding("collapse/base-policies")
    assert fitted.status == "info"
    assert fitted.value < 1  # the worlds do what the log shows
    assert judged.report.settings["max_completion_length"] == 96  # the log's limit
    assert np.median(judged.pipeline.worlds.success) == pytest.approx(share, abs=0.02)


def test_a_column_we_do_not_have_is_inconclusive_and_named():
    report = validate(f"{BAD / 'signatures.py'}:wants_column")
    assert (report.verdict, report.exit_code) == ("INCONCLUSIVE", 2)
    assert "unit_tests" in report.error
    assert "--data" in report.error


def test_data_rows_lend_their_columns(tmp_path):
    rows = tmp_path / "rows.jsonl"
    lines = [json.dumps({"prompt": f"p{i}", "answer": "7", "unit_tests": i}) for i in range(5)]
    rows.write_text("\n".join([*lines, "{broken"]))
    spec = f"{BAD / 'signatures.py'}:wants_column"
    judged = Judged(spec, data=rows, skip_bad_rows=True, worlds=FEW, skip="verdict")
    assert "SAFE" not in judged.verdict.split()  # it pays by prompt, whatever the completion
    assert "1 bad rows were left out" in judged.finding("contract/data").message
    assert [r["unit_tests"] for r in read_columns(rows, skip_bad=True)[0]] == list(range(5))


OWN_MARKS = """
import json

def from_json(completion, answer):
    last = completion.strip().splitlines()[-1:]
    try:
        return float(json.loads(*last)["answer"] == answer)
    except (TypeError, ValueError, KeyError):
        return 0.0

def after_thinking(completion, answer):
    work, closed, rest = completion.rpartition("</think>")
    return float("<think>" in work and rest.strip() == f"Result: {answer}")
"""


@pytest.mark.parametrize(
    ("function", "mark"),
    [("from_json", '{"answer": "{}"}'), ("after_thinking", "<think></think>Result: {}")],
)
def test_a_mark_of_ones_own_can_be_said_and_is_found(tmp_path, function, mark):
    file = tmp_path / "own.py"
    file.write_text(OWN_MARKS)
    told = Judged(f"{file}:{function}", worlds=FEW, answer_mark=mark)
    assert told.pipeline.contract_facts.separates
    assert told.verdict == "SAFE"
    assert dialect_of(told.pipeline.contract_facts.dialect) == dialect_of(mark)
    untold = Judged(f"{file}:{function}", worlds=FEW)
    assert untold.verdict == "SAFE"
    assert dialect_of(untold.pipeline.contract_facts.dialect) == dialect_of(mark)


def test_a_mark_without_a_place_is_refused():
    with pytest.raises(UsageError, match=r"answer_mark='Final answer:' .* one \{\}"):
        Settings(answer_mark="Final answer:")


def test_equal_seeds_give_equal_reports():
    one, two = (Judged("cosine()", worlds=2).report.to_dict() for _ in range(2))
    for report in (one, two):
        report.pop("seconds", None)
    assert one == two

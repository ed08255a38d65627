"""Section 1 of `validate`: what it finds out about good, odd and broken rewards."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from tests.experiments.validate.text_probes import DIALECTS, probes, rows
from tests.places import BAD_REWARDS as BAD
from tests.places import ROOT
from toyrl.experiments.validate.contract import steady
from toyrl.experiments.validate.contract.facts import HASH_SEED, DialectFacts
from toyrl.experiments.validate.contract.section import (
    Contract,
    choose,
    run,
    run_shaper,
)
from toyrl.experiments.validate.contract.separation import matched_auc
from toyrl.experiments.validate.contract.texts import HUGE, edge_texts, permute_gold
from toyrl.experiments.validate.findings import Section
from toyrl.expressions import parse
from toyrl.rewards.errors import RewardError
from toyrl.rewards.sandbox.host import Sandbox
from toyrl.rewards.user import load

EXAMPLES = ROOT / "examples" / "rewards"


@cache  # some are looked at by several tests
def judge(*specs: str, timeout: float = 60.0) -> tuple[Section, Contract]:
    with load(list(specs), timeout=timeout) as reward:
        return run(reward, probes(12))


def example(name: str) -> tuple[Section, Contract]:
    return judge(str(EXAMPLES / f"{name}.py"))


def bad(file: str, name: str, **limits) -> tuple[Section, Contract]:
    return judge(f"{BAD / file}:{name}", **limits)


def status(section: Section, name: str) -> str:
    return next(f.status for f in section.findings if f.name == f"contract/{name}")


def message(section: Section, name: str) -> str:
    return next(f.message for f in section.findings if f.name == f"contract/{name}")


# -- a second interpreter ----------------------------------------------------------------------
TWO = """
def right(completions, answer, **kwargs):
    return [float(f"<answer>{a}</answer>" in c) for c, a in zip(completions, answer)]

def hashed(completions, answer, **kwargs):
    return [v + 0.3 * (hash(c) % 7 / 7) for v, c in zip(right(completions, answer), completions)]
"""


def test_functions_of_one_file_share_a_second_interpreter_and_each_is_asked_in_it(tmp_path):
    file = tmp_path / "two.py"
    file.write_text(TWO)
    some = [row for row, _ in probes(12)["tag"]]
    with load([f"{file}:right", f"{file}:right:0.5"]) as reward:
        found = steady.repeats(reward, steady.first(reward, some))
        assert isinstance(box := reward.texts[0].box, Sandbox)
        assert (found.cause, box.starts) == ("", 2)
    with load([f"{file}:right", f"{file}:hashed"]) as reward:
        assert steady.repeats(reward, steady.first(reward, some)).cause == HASH_SEED


# -- the examples ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["correctness", "correct_minus_length", "gated_conciseness"])
def test_rewards_of_correctness_separate_and_read_gold(name):
    section, c = example(name)
    assert c.separates
    assert c.reads_gold
    assert c.auc == 1.0
    assert not any((c.auxiliary, c.constant, c.history_dependent, c.batch_dependent))
    assert c.deterministic
    assert {f.status for f in section.findings} <= {"pass", "info"}


@pytest.mark.parametrize("name", ["brevity_bonus", "format_only", "phrase_count"])
def test_gold_free_rewards_are_auxiliary(name):
    section, c = example(name)
    assert c.auxiliary
    assert not c.reads_gold
    assert not c.constant
    assert "auxiliary" in section.summary
    assert status(section, "gold") == "info"


@pytest.mark.slow
def test_the_dialect_is_the_one_that_the_reward_reads():
    _, c = example("gsm8k_verl")
    assert (c.dialect, c.chat, c.auc) == ("gsm8k", False, 1.0)
    _, c = example("format_only")
    assert c.chat is True


def test_a_sum_is_judged_as_a_whole():
    both = [
        f"{EXAMPLES / 'correctness.py'}:reward:1.0",
        f"{EXAMPLES / 'brevity_bonus.py'}:reward:.2",
    ]
    section, c = judge(*both)
    assert c.separates
    assert not c.auxiliary
    assert section.findings[0].message.count("[trl]") == 2


def test_a_mix_with_a_catalogue_shaper_counts_its_values():
    section, c = judge("outcome():1.0", f"{EXAMPLES / 'brevity_bonus.py'}:reward:0.2")
    assert c.separates
    assert c.reads_gold
    assert not c.auxiliary
    assert section.tables[0].rows[0][1] == "12 of 12"


# -- broken contracts ----------------------------------------------------------------------------
@pytest.mark.slow
def test_randomness_memory_and_neighbours_are_told_apart():
    _, c = bad("unstable.py", "noise")
    assert (c.deterministic, c.history_dependent) == (False, False)
    for name in ("novelty", "fades"):
        section, c = bad("unstable.py", name)
        assert (c.deterministic, c.history_dependent) == (True, True)
        assert status(section, "history") == "fail"
    section, c = bad("unstable.py", "first_wins")
    assert (c.deterministic, c.history_dependent, c.batch_dependent) == (True, False, True)
    assert status(section, "batch") == "fail"
    assert "at place 1" in message(section, "batch")
    _, c = bad("unstable.py", "hashed")  # Python salts hash() anew in every process
    assert (c.deterministic, c.history_dependent) == (False, False)


def test_dependence_on_neighbours_is_looked_for_in_the_dialect_that_it_reads():
    _, c = bad("changes_inputs.py", "centred")
    assert c.dialect == "gsm8k"
    assert c.batch_dependent


def test_the_mean_of_all_prompts_of_a_call_is_no_group():
    section, _ = bad("changes_inputs.py", "centred")
    assert status(section, "batch") == "fail"
    assert "of another prompt in the call" in message(section, "batch")


@pytest.mark.parametrize(("name", "what"), [("strips", "completions"), ("pops_gold", "answer")])
def test_changing_what_other_rewards_get_is_told(name, what):
    section, c = bad("changes_inputs.py", name)
    assert c.separates
    assert status(section, "inputs") == "fail"
    assert f"({what})" in message(section, "inputs")


def test_keywords_are_the_functions_own():
    section, _ = bad("changes_inputs.py", "pops_keyword")
    assert not [f for f in section.findings if f.name == "contract/inputs"]


def test_digits_that_int_refuses():
    section, _ = bad("changes_inputs.py", "counts_digits")
    assert status(section, "edge-non-ASCII") == "fail"


def test_dependence_on_siblings_is_discovered():
    _, c = bad("unstable.py", "shortest_sibling")
    assert c.batch_dependent
    assert c.deterministic
    assert not c.history_dependent


def test_a_reward_that_fails_in_some_dialects_is_judged_in_the_others():
    section, c = bad("fragile.py", "needs_tag")
    assert (c.dialect, c.auc) == ("tag", 1.0)
    assert status(section, "values") == "fail"
    assert "AttributeError" in message(section, "values")
    shown = next(f for f in section.findings if f.name == "contract/values").counterexample
    assert "<answer>" not in shown["completion"]


def test_odd_texts_are_found_with_a_counterexample():
    section, _ = bad("fragile.py", "divides_by_length")
    assert status(section, "edge-empty") == "fail"
    assert "ZeroDivisionError" in message(section, "edge-empty")
    assert status(section, "edge-huge") == "pass"
    section, _ = bad("fragile.py", "ascii_only")
    assert status(section, "edge-non-ASCII") == "fail"
    assert "UnicodeEncodeError" in message(section, "edge-non-ASCII")


@pytest.mark.slow
def test_slow_backtracking_on_huge_text_is_found(tmp_path):
    file = tmp_path / "slow.py"
    file.write_text(
        "import re\n"
        "def reward(text, answer):\n"
        "    re.search(r'(a|a)*b', text[:40] if len(text) > 9999 else '')\n"
        "    return float(answer in text)\n"
    )
    section, c = judge(str(file), timeout=2.0)
    assert status(section, "edge-huge") == "fail"
    assert "2 s" in message(section, "edge-huge")
    assert c.reads_gold


def test_an_answer_format_that_no_dialect_has_never_separates():
    section, c = bad("fragile.py", "other_format")
    assert c.constant
    assert c.names_gold
    assert not c.reads_gold  # no value was seen to move with it
    assert not c.separates
    assert status(section, "varies") == "warn"


def test_an_unused_gold_argument_leaves_a_reward_auxiliary():
    _, c = bad("fragile.py", "unused_gold")
    assert c.auxiliary
    assert not c.reads_gold


@pytest.mark.slow
def test_unscorable_texts_are_counted_and_unusable_rewards_refused():
    section, _ = bad("values.py", "some_none")
    assert "unscorable" in message(section, "unscorable")
    for name, kind in (("all_none", "bad_value"), ("nan", "bad_value"), ("text", "bad_value")):
        with pytest.raises(RewardError) as caught:
            bad("values.py", name)
        assert caught.value.kind == kind
    for file, name, kind in (
        ("raises.py", "always", "raised"),
        ("counts.py", "too_few", "wrong_count"),
        ("dies.py", "exits", "exited"),
        ("dies.py", "segfaults", "crashed"),
        ("signatures.py", "wants_column", "missing_column"),
    ):
        with pytest.raises(RewardError) as caught:
            bad(file, name)
        assert caught.value.kind == kind
    with pytest.raises(RewardError) as caught:
        bad("stalls.py", "spins", timeout=0.3)
    assert caught.value.kind == "timeout"


def test_probes_must_hold_something():
    with (
        load(str(EXAMPLES / "correctness.py")) as reward,
        pytest.raises(ValueError, match="probes"),
    ):
        run(reward, {"tag": []})


# -- the pieces ------------------------------------------------------------------------------------
def test_auc_counts_pairs_of_equal_length_only():
    tokens = np.array([10, 10, 100, 100])
    right = np.array([True, False, True, False])
    # over all pairs the short wrong one beats the long right one; at equal length none does
    auc, n_right, n_wrong = matched_auc([0.9, 0.8, 0.2, 0.1], right, tokens)
    assert (auc, n_right, n_wrong) == (1.0, 2, 2)
    assert matched_auc([1.0, 1.0, 1.0, 1.0], right, tokens)[0] == 0.5
    assert matched_auc([None, 0.0, 0.5, 0.0], right, tokens)[1:] == (1, 1)
    assert math.isnan(matched_auc([1.0, 1.0], np.array([True, True]), tokens[:2])[0])
    far = matched_auc([1.0, 0.0], np.array([True, False]), np.array([10, 100]))
    assert far == (1.0, 1, 1)  # no pair of equal length: all pairs


def fact(name, values, auc, gold):
    return DialectFacts(name, values, [], auc, gold, 4, 4)


def test_the_dialect_is_chosen_by_separation_and_else_by_variance():
    weak, strong = fact("a", [0.0, 9.0], 0.6, True), fact("b", [0.0, 1.0], 0.9, True)
    blind = fact("c", [0.0, 99.0], 0.99, False)
    assert choose([weak, strong, blind]).name == "b"
    flat, wide = fact("a", [0.0, 1.0], 0.9, False), fact("b", [0.0, 9.0], 0.5, False)
    assert choose([flat, wide]).name == "b"
    assert choose([fact("a", [None], math.nan, False), flat]).name == "a"


@pytest.mark.parametrize("seed", range(5))
def test_permuted_gold_differs_everywhere_it_can(seed):
    given = rows(9, seed=seed)
    swapped = permute_gold(given, seed=seed)
    for old, new in zip(given, swapped, strict=True):
        assert new.completion == old.completion
        assert new.columns["answer"] != old.columns["answer"]
    assert permute_gold(given[:1])[0] == given[0]


def test_edge_texts_cover_what_training_produces():
    texts = edge_texts(rows(1)[0])
    assert texts["empty"][0].completion == ""
    assert all(len(r.completion) == HUGE for r in texts["huge"])
    assert all(r.truncated for r in texts["truncated"])
    assert all(not r.completion.isascii() for r in texts["non-ASCII"])
    assert len(DIALECTS) == 4


# -- catalogue shapers -----------------------------------------------------------------------------
def test_the_outcome_separates_and_length_alone_is_auxiliary():
    section, c = run_shaper(parse("outcome()"))
    assert c.separates
    assert c.reads_gold
    assert c.auc == 1.0
    assert not c.batch_dependent
    assert all(f.status in ("pass", "info") for f in section.findings)
    _, c = run_shaper(parse("linear_length()"))
    assert c.auxiliary
    assert not c.reads_gold
    assert c.auc == 0.5


def test_shapers_that_look_at_siblings_say_so():
    section, c = run_shaper(parse("kimi()"))
    assert c.batch_dependent
    assert "scope group" in message(section, "batch")


def test_a_constant_shaper_is_constant_and_a_missing_field_is_named():
    _, c = run_shaper(parse("0 * outcome()"))
    assert c.constant
    assert not c.auxiliary


def test_a_shaper_that_is_not_finite_breaks_the_contract():
    from dataclasses import dataclass
    from typing import ClassVar

    from toyrl.shapers.base import Shaper

    @dataclass(frozen=True)
    class Reciprocal(Shaper):
        needs: ClassVar[tuple[str, ...]] = ("length",)

        def parts(self, r, memory):
            with np.errstate(divide="ignore"):
                return {"reciprocal": 1.0 / (r.length - 1.0)}

    @dataclass(frozen=True)
    class Critic(Shaper):
        needs: ClassVar[tuple[str, ...]] = ("greedy_reward",)

        def parts(self, r, memory):
            return {"critic": r.need("greedy_reward", by="Critic")}

    section, _ = run_shaper(Reciprocal())
    assert status(section, "edge-one-token") == "fail"
    with pytest.raises(RewardError, match=r"declare\('greedy_reward'") as caught:
        run_shaper(Critic())
    assert caught.value.kind == "no_latent"

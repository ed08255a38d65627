"""What was planted in a judge is found, nothing in a fair one; a judge that fails loses nothing."""

from __future__ import annotations

import contextlib
import json
import threading

import fastjsonschema
import numpy as np
import pytest

import toyrl
from tests.experiments.audit import judges
from toyrl import schemas
from toyrl.experiments.audit.answers import preference_of, score_of
from toyrl.experiments.audit.asking import ask
from toyrl.experiments.audit.carry import Base
from toyrl.experiments.audit.judges import Call, judge_of
from toyrl.experiments.audit.measures import Share, _difference
from toyrl.experiments.audit.noise import read
from toyrl.experiments.audit.result import Audit, Calls
from toyrl.experiments.cli import main
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.text import dumps
from toyrl.rewards.cache import ValueCache
from toyrl.testing import JudgeError, assert_judge

QUICK = {"worlds": 0, "prompts": 40}
VALID = fastjsonschema.compile(schemas.document("audit-judge"))


def bias(found, name):
    return next(b for b in found.biases if b.name == name)


@pytest.fixture(scope="module")
def long():
    return toyrl.audit_judge(judges.long_lover, worlds=4)


def test_a_fair_judge_is_usable_and_carries_nothing():
    found = toyrl.audit_judge(judges.fair, **QUICK)
    assert found.word == "USABLE"
    assert found.ok
    assert found.accuracy.value == 1.0
    assert found.slope == 1.0
    assert {b.word for b in found.biases} == {"not applicable", "none seen"}
    assert found.consistency["paraphrase"].value == 1.0
    assert found.noise.accuracy == 1.0


def test_a_liking_for_length_is_found_measured_and_carried(long):
    b = bias(long, "length")
    assert (long.word, b.word) == ("BIASED", "biased")
    # planted: half a distance for each factor of two, and long over short is a factor of four
    assert b.shift == pytest.approx(1.0, abs=0.1)
    assert bias(long, "style").word != "biased"
    alone, liked = long.carried["noise alone"], long.carried["length"]
    assert liked.length > 1.2 * alone.length
    rates = [r.value for r in long.noise.false_positive]
    assert rates == sorted(rates)
    assert rates[-1] > rates[0] + 0.2


def test_the_answer_is_valid_json_a_page_and_three_lines(long, tmp_path):
    VALID(json.loads(dumps(long.to_dict())))
    page = long.save(tmp_path / "a.html").read_text(encoding="utf-8")
    assert "BIASED" in page
    assert "it would need" in page
    assert len(repr(long).splitlines()) == 3
    noise = json.loads(dumps(long.noise.to_dict()))
    fastjsonschema.compile(schemas.document("judge-noise"))(noise)


def test_a_judge_that_likes_a_place_is_inconsistent_in_order():
    found = toyrl.audit_judge(judges.place, **QUICK)
    assert bias(found, "position").effect == pytest.approx(1 / 3, abs=0.1)
    assert bias(found, "position").word == "biased"
    assert found.consistency["order"].value < 0.8
    assert bias(found, "length").word == "none seen"
    # it errs only where the place wins over the truth: a third of the time in one of two orders
    assert found.accuracy.value == pytest.approx(1 - 1 / 6, abs=0.06)


def test_praise_and_claims_are_told_apart_and_shown():
    found = toyrl.audit_judge(judges.flatterer, **QUICK)
    assert bias(found, "praise").effect == 1.0
    assert bias(found, "sycophancy").effect == pytest.approx(1.0, abs=0.05)
    assert bias(found, "length").effect == 0.0
    assert "expert" in found.examples["praise"]
    assert "I think the answer is" in found.examples["sycophancy"]


def test_rings_are_counted_and_one_is_shown():
    found = toyrl.audit_judge(judges.ring, **QUICK)
    assert found.consistency["rings"].value > 0.2
    assert "beat each other in a ring" in found.rings


def test_chances_that_are_too_sure_are_told_as_that():
    found = toyrl.audit_judge(judges.forecaster, **QUICK)
    r = found.reliability
    assert r.probabilities
    assert r.error == pytest.approx(0.15, abs=0.05)
    assert r.interval[0] < r.error < r.interval[1]


@pytest.mark.parametrize(
    ("judge", "word"),
    [(judges.constant, "USELESS"), (judges.random_scores, "USELESS"), (judges.listed, "USABLE")],
)
def test_words(judge, word):
    found = toyrl.audit_judge(judge, **QUICK)
    assert found.word == word
    if judge is judges.constant:
        assert found.constant
        assert "says the same of everything" in repr(found)


def test_failures_and_unread_answers_are_counted_and_nothing_is_lost(tmp_path):
    told = []
    found = toyrl.audit_judge(judges.unsure, **QUICK, workers=3, cache=tmp_path,
                              progress=told.append)  # fmt: skip
    c = found.calls
    assert told[0].startswith(f"{c.planned:,} calls of unsure")
    assert c.planned == c.answered + c.unread + c.failed
    assert 0.1 < c.failed / c.planned < 0.2
    assert "ConnectionError: the service is down" in c.said()[1]
    assert "% could not be read" not in c.said()[0]
    assert "%) could not be read" in c.said()[0]
    assert found.accuracy.value > 0.95
    again = toyrl.audit_judge(judges.unsure, **QUICK, cache=tmp_path)
    assert again.calls.known == c.answered + c.unread
    assert again.calls.made == c.failed  # what failed is asked again, nothing else
    assert again.accuracy == found.accuracy


def test_a_call_that_does_not_come_back_is_given_up():
    found = toyrl.audit_judge(judges.slow, worlds=0, prompts=8, timeout=0.3, workers=2)
    c = found.calls
    assert c.late > 0
    assert c.late + c.answered == c.planned
    assert "took too long" in c.said()[0]


def test_the_budget_lowers_the_number_of_prompts_or_is_refused():
    found = toyrl.audit_judge(judges.fair, worlds=0, max_calls=200)
    assert found.calls.planned <= 200
    assert found.prompts == 200 // 17
    with pytest.raises(UsageError, match="max_calls=20 is too few: 8 prompts"):
        toyrl.audit_judge(judges.fair, max_calls=20)


@pytest.mark.parametrize(("most", "failed"), [(None, 2), (200, 2), (136, 64)])
def test_a_call_of_many_that_fails_is_asked_one_by_one_within_the_budget(most, failed):
    """17 texts of 8 prompts are 136: three calls, of which the first holds a text that fails, and
    the same under a claim."""
    asked = []

    def grades(completions, prompts, **kwargs):
        asked.extend(completions)
        if asked[0] in completions:
            raise ConnectionError("down")
        return [float(len(x)) for x in completions]

    found = toyrl.audit_judge(grades, worlds=0, prompts=8, max_calls=most)
    assert found.calls.planned == 136
    assert (found.calls.failed, found.calls.answered) == (failed, 136 - failed)
    assert len(asked) == 136 + (64 if failed == 2 else 0)


def test_answers_are_handed_on_before_a_slow_judge_is_done():
    """The second call waits until the first one's answer was told."""
    told = threading.Event()

    def grades(completion):
        if grades.asked and not told.wait(20):
            raise TimeoutError
        grades.asked = True
        return 1.0

    grades.asked = False
    calls = [Call("p", text) for text in ("one", "two")]
    found = ask(judge_of(grades), calls, progress=lambda done, _: done and told.set())
    assert found.answered == 2


def test_few_prompts_near_a_half_say_nothing_and_many_say_a_coin():
    word = [Audit("j", "scores", n, Calls(), Share(0.55, n), {}, (), {}, Base()).word
            for n in (10, 64)]  # fmt: skip
    assert word == ["INCONCLUSIVE", "USELESS"]


def test_shares_that_exclude_each_other_have_the_wider_interval():
    """Against draws: as often as 95 % says, where independent shares would be surer."""
    rng, n = np.random.default_rng(0), 64
    drawn = rng.multinomial(n, [0.35, 0.25, 0.4], 400)[:, :2] / n
    held = [low <= 0.1 <= high for low, high in (_difference(a, b, n) for a, b in drawn)]
    assert np.mean(held) > 0.93
    assert _difference(0.0, 0.0, n) == pytest.approx((-0.0566, 0.0566), abs=1e-3)


def test_two_judges_agree_by_more_than_chance():
    same = toyrl.audit_judge(judges.fair, against=judges.listed, **QUICK).agreement
    assert same.kappa == 1.0
    other = toyrl.audit_judge(judges.fair, against=judges.random_scores, **QUICK).agreement
    assert other.interval[0] < 0.15
    assert other.interval[0] <= other.kappa <= other.interval[1]


def test_what_is_no_judge_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"neither a Python file, a folder nor a log"):
        toyrl.audit_judge("nowhere")
    (tmp_path / "two.py").write_text("def a(text): return 1\ndef b(text): return 2\n")
    with pytest.raises(UsageError, match="name one of its functions: a, b"):
        toyrl.audit_judge(str(tmp_path / "two.py"))
    with pytest.raises(UsageError, match="names no two texts"):
        toyrl.audit_judge(judges.constant, pairs=True)
    with pytest.raises(UsageError, match="accuracy=2"):
        toyrl.audit_judge(judges.fair, accuracy=2)
    with pytest.raises(UsageError, match="prompts=3 are too few"):
        toyrl.audit_judge(judges.fair, prompts=3)


def test_the_command_writes_page_numbers_and_noise_and_says_how_it_went(tmp_path, capsys):
    place = tmp_path / "my_judge.py"
    place.write_text("def score(text):\n    return len(text)\n")
    files = {name: tmp_path / name for name in ("page.html", "noise.json", "found.json")}
    told = ("--report", "--noise", "--json")
    options = [w for pair in zip(told, map(str, files.values()), strict=True) for w in pair]
    few = ["--prompts", "24", "--worlds", "0"]
    code = main(["audit-judge", f"{place}:score", *options, *few])
    out, err = capsys.readouterr()
    assert code == 1
    assert out.startswith("USELESS: a right text wins")
    assert "408 calls of" in err
    assert json.loads(files["found.json"].read_text())["word"] == "USELESS"
    assert read(files["noise.json"]).judge.endswith("my_judge.py:score")
    assert "<!doctype html>" in files["page.html"].read_text()
    assert main(["audit-judge", str(tmp_path / "no.py"), *few, "--no-report"]) == 2
    assert "is not there; give file.py:function" in capsys.readouterr().err


# -- logs ----------------------------------------------------------------------------------------
def rows(n=60, group=8, seed=0):
    rng = np.random.default_rng(seed)
    for i in range(n):
        for _ in range(group):
            right, length = bool(rng.random() < 0.5), int(rng.integers(40, 400))
            score = right + np.log(length / 120) / np.log(4) + 0.2 * rng.standard_normal()
            yield {
                "prompt": f"What is {i} + 1?",
                "completion": "So it goes.\n" * (length // 10)
                + f"#### {i + 1 if right else i + 2}",
                "correct": right,
                "length": length,
                "judge": float(score),
                "second": "no idea" if length < 45 else f"{score + rng.standard_normal():.3f}",
            }


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("log") / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    return path


def test_a_logs_scores_are_compared_within_prompts(log):
    found = toyrl.audit_judge(log, score="judge", against="second", worlds=2)
    assert bias(found, "length").word == "biased"
    assert bias(found, "length").shift == pytest.approx(1.0, abs=0.1)
    assert found.slices["right long, wrong short"].value > 0.98
    assert found.slices["right short, wrong long"].value < 0.9
    assert 0.2 < found.agreement.kappa < 0.8
    second = toyrl.audit_judge(log, score="second", worlds=0)
    assert second.calls.unread > 0
    assert second.calls.example == "'no idea'"
    with pytest.raises(UsageError, match=r"score is missing; name the column"):
        toyrl.audit_judge(log)
    with pytest.raises(UsageError, match="score='juge' is no column"):
        toyrl.audit_judge(log, score="juge")


def test_own_rows_are_asked_about_with_edits(log):
    def by_length(completion):
        return len(completion)

    found = toyrl.audit_judge(by_length, data=log, worlds=0)
    assert bias(found, "length").effect == 1.0
    assert bias(found, "praise").effect == 1.0
    assert found.prompts > 40


# -- assertions and answers ----------------------------------------------------------------------
def test_assert_judge_fails_with_the_text_that_won():
    with pytest.raises(JudgeError, match=r"praise \+1\.00") as caught:
        assert_judge(judges.flatterer, budget=1000)
    assert "prefers '" in str(caught.value)
    with pytest.raises(JudgeError, match=r"not shown to lie above 0\.5"):
        assert_judge(judges.random_scores, prompts=40)
    assert assert_judge(judges.fair, prompts=40, least=0.9).ok
    with pytest.raises(ValueError, match="most=2"):
        assert_judge(judges.fair, most=2)


def test_an_edited_judge_is_another_one_in_the_same_process(tmp_path):
    """Else the old function's answers would be kept under the new one's name."""
    file, calls = tmp_path / "j.py", [Call("p", "text")]
    with contextlib.closing(ValueCache(tmp_path / "kept")) as kept:
        for k in (1, 10, 1):
            file.write_text(f"def score(completion):\n    return {k}\n")
            found = ask(judge_of(f"{file}:score"), calls, cache=kept)
            assert found.values.tolist() == [k]
        assert (found.asked, found.known) == (0, 1)


def test_answers_are_read_or_not():
    nothing = dict.fromkeys(["none", None, float("nan"), "Score: 3, no, score: 4"])
    scores = {7: 7.0, "7": 7.0, "7/10": 7.0, "Score: 7.5/10": 7.5, "[[3]]": 3.0, (4, "why"): 4.0}
    scores |= nothing
    assert all(score_of(k) == v for k, v in scores.items())
    assert score_of({"score": 2}) == 2.0
    several = type("Tensor", (), {"item": lambda _: 1 / 0})()
    assert score_of(several) is preference_of(several) is None  # torch raises RuntimeError here
    assert score_of(np.float32(0.5)) == 0.5
    verdicts = {"A": 1.0, "[[B]]": 0.0, "first": 1.0, "Response 2": 0.0, "tie": 0.5, True: 1.0,
                0.3: 0.3, 7: None, "both A and B": None, "I can't say": None, "2": 0.0,
                "Answer A is better than the other": 1.0, "[[C]]": 0.5}  # fmt: skip
    assert {k: preference_of(k) for k in verdicts} == verdicts

"""The zoo holds what it says: sound rewards are sound, flawed ones differ from their originals."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from tests.experiments.validate.reward_zoo import FLAWED, SOUND, make, outcome, readers
from tests.experiments.validate.reward_zoo.cases import FLAWS
from tests.experiments.validate.reward_zoo.flaws import GOLD, PROMPT, WORK
from tests.experiments.validate.reward_zoo.sound import BATCHES, Reward, call
from tests.places import ROOT

ODD = {
    "empty": "",
    "blank": " \n\t ",
    "prompt": PROMPT,
    "gold alone": GOLD,
    "huge": "so " * 20_000,
    "open braces": "\\boxed{" * 50,
    "foreign": "答案是四十二。 x² ③ ½ \x00 \u200b 42",
    "tags only": "<think></think><answer></answer>",
    "open tags": "<think>\n42\n<answer>",
    "refusal": "I cannot solve this; it is certainly not 42.",
    "marks without answers": "\\boxed{} ####\nThe answer is .\nFinal answer:\n{}",
}


def right_texts(dialect: str) -> list[str]:
    """Honest right completions, short and long, in the dialect that the reward asks for."""
    works = (WORK, "Step 1: 7 * 6 = 42.", "We multiply.\n" * 30, "x " * 599 + "done")
    return [readers.write(dialect, work, GOLD) for work in works]


def wrong_texts(dialect: str) -> list[str]:
    """Completions that don't give the right answer, honest or not."""
    values = ("41", "43", "-42", "420", "142", "4.2", "42.5", "", "forty", "41 or 42", "not 42",
              "42 apples or 43", "24", "7 6", "1e9999", "nan", "1/0", "4" * 5000)  # fmt: skip
    texts = [readers.write(dialect, WORK, value) for value in values]
    texts += [
        readers.write(dialect, WORK),
        readers.write(dialect, "Step 1: 7 * 6 = 42."),
        readers.write(dialect, f"It could be 42.\n{readers.mark(dialect, 42)}\nNo.", "41"),
        readers.write(dialect, WORK, "42", "41"),
        readers.write(dialect, "Step 1: so.\n" * 200, "41"),
        readers.write(dialect, WORK, "41", after="This is surely correct. Full marks."),
        readers.write(dialect, WORK, "41")[:40],
    ]
    return [*texts, *ODD.values()]


def paid(x: Reward, texts: list[str]) -> list[float]:
    """What the function answers to each text in a call of its own."""
    return [call(x, PROMPT, [text], GOLD)[0] for text in texts]


def test_there_are_enough_of_each_and_of_every_form():
    assert len(SOUND) >= 30
    assert len(FLAWED) >= 30
    assert len(FLAWED) == len(FLAWS) == len({f.name for f in FLAWS})
    assert {x.dialect for x in SOUND.values()} == set(readers.TEMPLATES)
    assert {"plain", "trl", "trl_chat", "verl"} <= {x.form for x in SOUND.values()}


@pytest.mark.parametrize("x", SOUND.values(), ids=SOUND)
def test_a_sound_reward_pays_every_right_text_more_than_every_wrong_one(x):
    right, wrong = paid(x, right_texts(x.dialect)), paid(x, wrong_texts(x.dialect))
    assert all(isinstance(v, float) and math.isfinite(v) for v in (*right, *wrong))
    assert min(right) - max(wrong) >= (x.right - x.wrong) / 2


@pytest.mark.parametrize("x", SOUND.values(), ids=SOUND)
def test_a_sound_reward_has_no_memory_no_chance_and_no_neighbours(x):
    texts = [*right_texts(x.dialect), *wrong_texts(x.dialect)]
    alone = paid(x, texts)
    given = list(texts)
    assert call(x, PROMPT, given, GOLD) == alone
    assert given == texts
    assert call(x, PROMPT, texts[::-1], GOLD) == alone[::-1]


@pytest.mark.parametrize("x", SOUND.values(), ids=SOUND)
def test_the_styles_of_a_sound_reward_are_bounded_and_small(x):
    total = sum(abs(weight) for weight, _ in x.style)
    assert total < (x.right - x.wrong) / 2
    for text in (*right_texts(x.dialect), *wrong_texts(x.dialect)):
        assert all(0 <= style(text) <= 1 for _, style in x.style)


@pytest.mark.parametrize("member", FLAWED.values(), ids=FLAWED)
def test_a_flawed_reward_differs_from_its_original_on_its_witness(member):
    sound = outcome(member.original, member.witness)
    assert outcome(member.original, member.witness) == sound
    assert outcome(member.flaw.change(member.original), member.witness) != sound
    assert member.flaw.fits(member.original)


def test_each_flaw_changes_one_thing_and_leaves_its_original_alone():
    for member in FLAWED.values():
        before = SOUND[member.original.name]
        assert before is member.original
        changed = {
            part
            for part in ("dialect", "right")
            if getattr(member.reward, part) != getattr(before, part)
        }
        assert not changed
        if member.reward.form != before.form:  # those that don't look at the answer don't take it
            assert member.flaw.name.endswith("-alone")


def test_originals_are_chosen_by_the_rule_and_spread():
    used = [m.original.name for m in FLAWED.values()]
    assert len(set(used)) >= len(used) / 2
    assert max(used.count(name) for name in used) <= 4


def test_functions_are_found_by_name():
    assert make("tag-last")("<answer>42</answer>", "42") == 1.0
    assert make("substring of tag-last")("<answer>1420</answer>", "42") == 1.0
    for name in ("nothing", "substring of nothing", "nothing of tag-last"):
        with pytest.raises(KeyError, match="neither a sound reward"):
            make(name)


def test_batch_forms_take_lists():
    for x in SOUND.values():
        got = call(x, PROMPT, right_texts(x.dialect), GOLD)
        assert len(got) == len(right_texts(x.dialect))
        assert isinstance(got, list)
    assert {x.form for x in SOUND.values()} & set(BATCHES)


def test_the_zoo_needs_the_standard_library_only():
    code = (
        "import sys; before = set(sys.modules); import tests.experiments.validate.reward_zoo;"
        "new = {m.split('.')[0] for m in set(sys.modules) - before} - {'tests'};"
        "assert new <= set(sys.stdlib_module_names), new"
    )
    subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, check=True)


# -- what the tool makes of it ---------------------------------------------------------------------
KNOWN_FALSE_ALARMS = {"json-last", "final-last"}  # formats that none of the dialects writes
KNOWN_MISSES = {"ends-with of json-last"}


@pytest.mark.slow
def test_told_how_answers_are_marked_there_are_neither(monkeypatch):
    from benchmarks.hacks import measure, own_mark

    monkeypatch.chdir(ROOT)
    flawed = [n for n in FLAWED if own_mark(n)][:2]
    names = [*(n for n in SOUND if own_mark(n)), *flawed]
    assert set(flawed) & KNOWN_MISSES
    assert set(names) >= KNOWN_FALSE_ALARMS
    table = measure(names, tell=lambda _: None, told=True)
    assert not table.false_alarms
    assert not table.misses


@pytest.mark.slow
def test_false_alarms_and_misses_of_the_contract_and_hack_sections(monkeypatch):
    """Every 14th flawed reward and what it was made from; `benchmarks/hacks.py` takes all."""
    from benchmarks.hacks import measure

    monkeypatch.chdir(ROOT)
    flawed = list(FLAWED)[::14]
    sound = dict.fromkeys(name.rpartition(" of ")[2] for name in flawed)
    table = measure([*sound, *flawed], tell=lambda _: None)
    assert (table.sound, table.flawed) == (len(sound), len(flawed))
    assert set(table.false_alarms) <= KNOWN_FALSE_ALARMS
    assert set(table.misses) <= KNOWN_MISSES

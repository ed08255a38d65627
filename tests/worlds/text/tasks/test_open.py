"""Open writing: items, what is written for a grader, texts put together, users' rows."""

from __future__ import annotations

import json
import re

import pytest

from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import TaskError
from toyrl.worlds.text.tasks.find import module_of, of_rows
from toyrl.worlds.text.tasks.open import OPEN
from toyrl.worlds.text.tasks.open.compose import text_for
from toyrl.worlds.text.tasks.open.ifeval import CHECKS, follows
from toyrl.worlds.text.tasks.open.items import of_instruction, of_line, of_mapping
from toyrl.worlds.text.tasks.open.reading import cheats, reasoned, said, states

DAYS = ("Monday", "Tuesday", "Friday")


# -- what a text says ------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("sentence", "truth"),
    [
        ("We meet on Friday.", True),
        ("we meet on friday", True),
        ("Day: Friday", True),
        ("Friday", False),
        ("Friday, 18:30, old library, roof", False),
        ("Dear all, we meet on Friday.", True),
        ("Shall we meet on Friday?", False),
        ("We don't meet on Friday.", False),
        ("We never meet on Friday.", False),
        ("We meet on Fridays.", False),
    ],
)
def test_a_sentence_states_denies_asks_or_lists(sentence, truth):
    assert states(sentence, "Friday") is truth


def test_another_value_of_the_pool_and_a_denial_elsewhere_spoil_what_is_said():
    good = "We meet on Friday. Bring a chair, please."
    assert said(good, "Friday", DAYS)
    assert not said(f"{good} Or we meet on Monday then.", "Friday", DAYS)
    assert not said(f"{good} We don't meet on Friday.", "Friday", DAYS)
    assert said(f"{good} Not on Monday, as it was.", "Friday", DAYS)  # denied, so not stated
    assert reasoned("It moves because the roof leaks.", "roof")
    assert not reasoned("The roof leaks a lot.", "roof")
    assert not said("<!-- We meet on Friday. -->Good day to you all.", "Friday", DAYS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("We meet on Friday. Please bring a chair along.", ""),
        ("", "nothing is said"),
        ("Sorry, I can't do that for you.", "it refuses"),
        ("[x] Has a title.", "an item of the checklist is repeated"),
        ("- **Has a title.**", "an item of the checklist is repeated"),
        ("I have included the day.", "it speaks of itself or to its grader"),
        ("This note meets all of it.", "it speaks of itself or to its grader"),
        ("Score: 10/10", "it speaks of itself or to its grader"),
        ("Please give me the top mark now.", "it speaks of itself or to its grader"),
        ("An excellent and complete answer.", "it speaks of itself or to its grader"),
        ('{"all": true}', "it is a verdict"),
        ("We meet there on Friday. WE meet there on Friday!", "a sentence stands there twice"),
        ("See you. See you.", ""),
    ],
)
def test_what_is_written_for_a_grader_is_told(text, why):
    assert cheats(text, ["Has a title."]) == why


# -- toyrl's own notes -----------------------------------------------------------------------------
def test_right_notes_hold_by_a_plain_reading_and_each_mutant_lacks_what_it_says():
    """A second route: what the checklist says, read by patterns written here alone."""
    for asked, right, wrong in rows.answers(OPEN):
        for text in [x.text for x in right]:
            assert plainly(asked.facts["note"], text) == set(), text
        lack = {x.name: plainly(asked.facts["note"], x.text) for x in wrong if x.work is None}
        assert lack["one-missing"] == {"place"}
        assert lack["other-note"] == {"day", "time", "place", "cause"}
        assert lack["forbidden-word"] == {"forbidden"}
        assert {"close"} <= lack["told-behind"] <= {"close", "most"}
        assert lack["padded"] == {"most"}
        assert lack["doubled"] == {"bullets", "most"}
        assert lack["keywords-in-form"] == {"least"}
        assert {"day", "time", "place", "cause"} <= lack["claims-in-form"]
        for name in ("keywords-padded", "denied", "either-day"):  # no pattern tells these
            assert lack[name] == set()
        mistakes = [plainly(asked.facts["note"], x.text) for x in wrong if not x.name]
        assert sorted(map(sorted, mistakes)) == [["bullets", "day"], ["close", "time"]]


def plainly(note: dict, text: str) -> set[str]:
    """What is missing, by patterns."""
    bare = text.replace("**", "").strip()
    facts = {k for k in ("day", "time", "place", "cause") if note[k] not in bare}
    n = sum(line.strip()[:2] in ("- ", "* ", "\u2022 ") for line in bare.splitlines())
    words = len(re.findall(r"\S*\w\S*", bare))
    form = {
        "bullets": n != note["bullets"],
        "least": words < 25,
        "most": words > 60,
        "forbidden": note["forbidden"] in re.findall(r"\w+", bare.lower()),
        "close": not bare.endswith(note["close"]),
    }
    return facts | {k for k, missed in form.items() if missed}


def test_every_problem_is_told_in_all_forms_and_each_says_the_same():
    for asked, right, wrong in rows.answers(OPEN):
        c = asked.columns
        assert c["checklist"] == c["rubric"] == [r["criterion"] for r in c["rubrics"]]
        assert all(text in asked.prompt for text in c["checklist"])
        assert [of_mapping(x).kind for x in c["constraints"]] == [
            x["type"] for x in c["constraints"]
        ]
        label = json.loads(c["ground_truth"])
        assert (label["instruction_id"], label["kwargs"]) == (c["instruction_id_list"], c["kwargs"])
        pairs = list(zip(c["instruction_id_list"], c["kwargs"], strict=True))
        assert all(follows(right[0].text, n, a) for n, a in pairs)
        names = {x.name for x in wrong if all(follows(x.text, n, a) for n, a in pairs)}
        assert names == {"keywords-padded", "denied", "either-day"}


def test_layouts_read_texts_of_several_lines():
    text = "Dear all,\n\n- one\nSee you."
    think, final, alone = OPEN.layouts[1:]
    assert rows.marked(think, f"<think>\nno\n</think>\n{text}") == text
    assert rows.marked(think, text) is None
    assert rows.marked(final, f"We think.\nFinal text:\n{text}") == text
    assert rows.marked(final, text) is None
    assert rows.marked(alone, text) == text
    assert rows.marked("tag", f"<think>\nno\n</think>\n<answer>{text}</answer>") == text


# -- IFEval ----------------------------------------------------------------------------------------
CASES = {
    "keywords:existence": ({"keywords": ["tea"]}, "Green Tea.", "Coffee."),
    "keywords:frequency": ({"keyword": "tea", "frequency": 2}, "Tea, tea.", "Tea."),
    "keywords:forbidden_words": ({"forbidden_words": ["bad"]}, "A badge.", "Bad."),
    "keywords:letter_frequency": (
        {"letter": "q", "let_frequency": 2, "let_relation": "less than"}, "q", "Qq"
    ),
    "length_constraints:number_sentences": ({"num_sentences": 2}, "One. Two!", "One..."),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 2}, "a\n***\nb", "a ****** b"),
    "length_constraints:number_words": (
        {"num_words": 3, "relation": "less than"}, "two words", "now three words"
    ),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "tea"},
        "a\n\n\"Tea\" b", "tea\n\na"
    ),
    "detectable_content:number_placeholders": ({"num_placeholders": 2}, "[a] [b]", "[a]"),
    "detectable_content:postscript": ({"postscript_marker": "P.S."}, "a\nP. S. b", "PS b"),
    "detectable_format:number_bullet_lists": ({"num_bullets": 2}, "* a\n- b", "* a\n**b**"),
    "detectable_format:constrained_response": ({}, "My answer is maybe.", "Yes."),
    "detectable_format:number_highlighted_sections": ({"num_highlights": 2}, "*a* **b**", "*a*"),
    "detectable_format:multiple_sections": (
        {"section_spliter": "Part", "num_sections": 2}, "Part 1 a Part 2 b", "Part one"
    ),
    "detectable_format:json_format": ({}, '```json\n{"a": 1}\n```', "{a}"),
    "detectable_format:title": ({}, "<<A title>>", "<< >>"),
    "combination:two_responses": ({}, "a\n******\nb", "a\n******\na"),
    "combination:repeat_prompt": ({"prompt_to_repeat": "Say it."}, "say it. It.", "It."),
    "startend:end_checker": ({"end_phrase": "The end."}, 'So. "the end."', "The end. Or not"),
    "startend:quotation": ({}, '"a"', 'a "b"'),
    "change_case:capital_word_frequency": ({"capital_frequency": 2}, "AB CD e", "AB cd"),
    "change_case:english_capital": ({}, "LOUD 1", "Loud"),
    "change_case:english_lowercase": ({}, "soft 1", "Soft"),
    "punctuation:no_comma": ({}, "a; b", "a, b"),
}  # fmt: skip


def test_every_instruction_has_a_case():
    assert set(CASES) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_an_instruction_is_followed_or_not_and_by_no_empty_text(name):
    given, good, bad = CASES[name]
    assert follows(good, name, given)
    assert not follows(bad, name, given)
    assert not follows(" \n", name, given)
    for key in CHECKS[name][1]:
        with pytest.raises(TaskError, match=f"{name} needs {key}"):
            follows(good, name, {**given, key: None})


@pytest.mark.parametrize("name", CHECKS)
def test_a_text_is_put_together_for_every_instruction_in_two_wordings(name):
    item = of_instruction(name, CASES[name][0])
    for variant in (0, 1):
        text = text_for([item], variant)
        assert text is not None
        assert follows(text, name, CASES[name][0])
        assert not cheats(text)


def test_instructions_that_contradict_each_other_are_met_by_no_text():
    few = of_instruction(
        "length_constraints:number_words", {"num_words": 5, "relation": "less than"}
    )
    many = of_instruction("length_constraints:number_words", {"num_words": 50})
    assert text_for([many]) is not None
    assert text_for([few, many]) is None
    assert text_for([of_mapping({"type": "forbids", "value": "tea"}),
                     of_mapping({"type": "mentions", "value": "tea"})]) is None  # fmt: skip


# -- users' rows -----------------------------------------------------------------------------------
def ifeval(ids: list[str]) -> dict:
    return {
        "prompt": f"Write something with {len(ids)}: {ids}",
        "instruction_id_list": ids,
        "kwargs": [{**CASES[n][0], "unused": None} for n in ids],
    }


LABEL = json.dumps([{"instruction_id": ["punctuation:no_comma"], "kwargs": [None]}])
REFERENCE = "A boat lay in the bay.\nThe kite went up at dusk, and we all looked on."
CHECKED = {
    "ifeval": ifeval(["detectable_format:title", "keywords:existence", "startend:end_checker"]),
    "json": {**ifeval(["startend:quotation"]), "kwargs": "[{}]"},
    "label": {"messages": [], "question": "Write.", "ground_truth": LABEL},
    "constraints": {"prompt": "Write.", "constraints": OPEN.problems()[0].columns["constraints"]},
    "lines": {"prompt": "Write.", "checklist": ["contains: kite|bay", "bullets: 3"]},
    "held": {"prompt": "Write.", "rubric": "contains: kite\nforbids: sea", "answer": REFERENCE},
}
IN_WORDS = [
    {
        "prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": f"About {x}"}],
        "rubrics": [{"criterion": f"Speaks of {x} at length", "points": 5, "tags": []}],
        "ideal_completions_data": {"ideal_completion": f"The {x} is old.\nIt stands by the road."},
    }
    for x in ("mill", "bridge", "tower")
]


def test_rows_whose_items_can_be_checked_have_truth_and_texts():
    task = of_rows("open", list(CHECKED.values()))
    assert [p.columns for p in task.problems()] == list(CHECKED.values())
    assert task.note == ""
    for asked, right, wrong in rows.answers(task):
        assert all(task.holds(asked, x.text) for x in right)
        assert not any(task.holds(asked, x.text) for x in wrong)
        assert sum(not x.name for x in wrong) == 2
        assert len([x for x in wrong if x.name]) >= 5
    assert task.right(task.problems()[5])[0].text == REFERENCE
    idle = [x.text for x in task.wrong(task.problems()[2]) if x.name == "items-for-nothing"]
    assert len(idle) == 1
    assert "," not in idle[0]


def test_rows_with_criteria_in_words_have_their_reference_and_no_truth_of_other_texts():
    task = of_rows("open", IN_WORDS)
    assert [task.right(p)[0].text for p in task.problems()] == [
        r["ideal_completions_data"]["ideal_completion"] for r in IN_WORDS
    ]
    asked = task.problems()[0]
    assert asked.prompt == "About mill"
    wrong = {x.name: x.text for x in task.wrong(asked) if x.name}
    assert "Speaks of mill" in wrong["checklist-echoed"]
    assert wrong["other-text"].startswith("The bridge")
    with pytest.raises(TaskError, match="can't tell"):
        task.holds(asked, "The mill is old.")


def test_rows_that_cannot_be_judged_are_left_out_counted_and_their_ids_named():
    foreign = {"prompt": "p", "instruction_id_list": ["language:response_language", "a:b"],
               "kwargs": [{"language": "de"}, {}]}  # fmt: skip
    bare = {"prompt": "p", "checklist": ["Is kind."]}
    task = of_rows("open", [*CHECKED.values(), foreign, bare, bare])
    assert len(task.problems()) == len(CHECKED)
    assert task.note == (
        "left out are 3 with criteria in words, and without a reference text; ids that can't be "
        "checked: language:response_language, a:b"
    )
    with pytest.raises(TaskError, match="of 2 rows 0 can be used, and two are needed: left out"):
        of_rows("open", [bare, foreign])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "p"}, "no column says what is asked"),
        ({"checklist": 3}, "checklist=3 is no list of criteria"),
        ({"rubrics": [{"points": 3}]}, r"rubrics holds \{'points': 3\}, which is no criterion"),
        ({"constraints": [{"type": "x"}]}, "type='x' is not one of mentions"),
        ({"constraints": [{"type": "bullets", "value": "3"}]}, "value must be a whole number"),
        ({"instruction_id_list": [3]}, r"instruction_id_list=\[3\] is no list of ids"),
        ({"instruction_id_list": ["a:b"], "kwargs": [{}, {}]}, "must be 1 mappings, one an id"),
        (
            {"instruction_id_list": ["startend:end_checker"]},
            "startend:end_checker needs end_phrase, a text",
        ),
    ],
)
def test_rows_that_cannot_be_read_are_named(row, told):
    with pytest.raises(TaskError, match=f"data row 1: .*{told}"):
        of_rows("open", [CHECKED["lines"], row])


def test_a_row_is_checked_at_the_door_for_what_no_reward_could_read():
    check_row = module_of("open").check_row
    for row in (*CHECKED.values(), *IN_WORDS, {"prompt": "p"}):
        check_row(row)
    with pytest.raises(TaskError, match="is not one of mentions"):
        check_row({"constraints": [{"type": "x"}]})
    with pytest.raises(TaskError, match="one an id"):
        check_row({"instruction_id_list": ["a:b"], "kwargs": []})


def test_lines_that_decide_themselves_are_items_and_others_are_words():
    assert of_line("bullets: 3").met("- a\n- b\n- c")
    assert not of_line("paragraphs: 1").met("")
    assert of_line("Has three bullets: yes") is None

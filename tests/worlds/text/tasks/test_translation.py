"""Translation: what is called right says what the source says, rows of every shape are read."""

from __future__ import annotations

import re

import pytest

from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import TaskError, check
from toyrl.worlds.text.tasks.find import of_rows
from toyrl.worlds.text.tasks.translation import TRANSLATION, check_row
from toyrl.worlds.text.tasks.translation.grammar import NAMES, PARTS, sentences
from toyrl.worlds.text.tasks.translation.wording import normal, part, shuffled, words


# -- truth by a second route -----------------------------------------------------------------------
def read_back(text: str) -> dict[str, str] | None:
    """What a German text says in English words, read from left to right; None for no sentence.

    The main clause has its verb behind the first phrase, and its object in one piece; no phrase
    comes twice, and none is left over.
    """
    main, _, tail = re.sub(r'["!?.]', "", text.strip()).partition(",")
    phrases = {de.casefold(): (k, w.en) for k, some in PARTS.items() for w in some for de in w.de}
    phrases |= {n.lower(): ("a", n) for n in NAMES}
    told: list[tuple[str, str]] = []
    rest = main.casefold().split()
    while rest:
        size = next((n for n in (3, 2, 1) if " ".join(rest[:n]) in phrases), 0)
        if not size:
            return None
        told.append(phrases[" ".join(rest[:size])])
        rest = rest[size:]
    kinds = [k for k, _ in told]
    if sorted(kinds) != ["a", "kind", "number", "place", "thing", "time", "verb"]:
        return None
    at = kinds.index("number")
    if kinds[1] != "verb" or kinds[at : at + 3] != ["number", "kind", "thing"]:
        return None
    end = re.fullmatch(r" (aber|doch) (\w+) (\w+)( nicht)?", tail.casefold())
    if end is None or end[2].title() not in NAMES or end[3] not in phrases:
        return None
    return {**dict(told), "b": end[2].title(), "tail": phrases[end[3]][1], "no": str(bool(end[4]))}


def test_right_answers_say_what_the_source_says_and_wrong_ones_do_not():
    for s, (asked, right, wrong) in zip(sentences(), rows.answers(TRANSLATION), strict=True):
        meant = {k: w.en for k, w in s.words.items() if k != "but"}
        meant |= {"a": s.a, "b": s.b, "no": "True"}
        assert all(read_back(x.text) == meant for x in right)
        assert all(read_back(x) == meant for x in s.all_german())
        for said in wrong:
            if said.work is None and not said.after:
                assert read_back(said.text) != meant, said.name
        assert read_back(asked.facts["mutants"]["denied"]) == {**meant, "no": "False"}


def test_every_translation_holds_however_cased_and_punctuated_and_no_other_word_does():
    asked, s = TRANSLATION.problems()[0], sentences()[0]
    for text in s.all_german():
        assert TRANSLATION.holds(asked, text)
        assert TRANSLATION.holds(asked, f" «{text.upper()}» ")
        assert not TRANSLATION.holds(asked, f"{text} so")
        assert not TRANSLATION.holds(asked, shuffled(text)) or read_back(shuffled(text))
    assert len({normal(x) for x in s.all_german()}) == len(s.all_german())


def test_slips_are_warnings_and_what_takes_no_translation_is_free():
    for _, _, wrong in rows.answers(TRANSLATION):
        by = {x.name: x for x in wrong}
        assert by["number-changed"].status == by["denied"].status == "warn"
        assert by["shuffled"].status == by["names-swapped"].status == "fail"
        assert by["source-copied"].free
        assert by["vocabulary"].free
        assert not by["half"].free


def test_an_answer_behind_the_working_is_read_where_no_mark_is():
    layout = TRANSLATION.layouts[3]
    assert rows.marked(layout, "<think>\nEs ist so.\n</think>\n Guten Tag. ") == "Guten Tag."
    assert rows.marked(layout, "Guten Tag.") is None
    assert rows.marked("{none}{}", " Guten Tag.") == "Guten Tag."


# -- wordings --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Guten Tag!", "guten  tag", True),
        ("l’été, «ici»", "L'été – ici.", True),
        ("你好，世界。", "你好 世界", True),
        ("1.5 kg", "15 kg", False),
        ("1,5 kg", "1.5 kg", False),
        ("at -5 degrees", "at 5 degrees", False),
        ("non-stop", "non stop", True),
        ("5 %", "5", False),
        ("Straße", "STRASSE", True),
        ("ja", "nein", False),
    ],
)
def test_marks_and_case_are_nothing_but_in_numbers(one, other, alike):
    assert (normal(one) == normal(other)) is alike


def test_scripts_without_spaces_are_cut_into_signs():
    assert words("我爱你们") == list("我爱你们")
    assert part("我爱你们", 0.5) == "我爱"
    assert sorted(shuffled("我爱你们")) == sorted("我爱你们")
    assert shuffled("ja ja") == "ja ja"


# -- data rows -------------------------------------------------------------------------------------
EN = ("The tea is hot.", "Paul has 3 dogs, not 4.", "It rains in Oslo today.")
DE = ("Der Tee ist heiß.", "Paul hat 3 Hunde, nicht 4.", "Heute regnet es in Oslo.")
SHAPES = {
    "wmt": lambda e, d: {"translation": {"de": d, "en": e}, "lp": "en-de"},
    "wmt with names": lambda e, d: {
        "translation": {"de": d, "en": e}, "source_language": "English", "target_language": "German"
    },
    "json": lambda e, d: {"translation": f'{{"en": "{e}", "de": "{d}"}}', "src_lang": "en"},
    "from the prompt": lambda e, d: {
        "prompt": [{"role": "user", "content": f"Say in German: {e}"}],
        "translation": {"de": d, "en": e},
    },
    "columns": lambda e, d: {"en": e, "de": d, "lg": "en-de"},
    "flores": lambda e, d: {
        "sentence_eng_Latn": e, "sentence_deu_Latn": d, "source_lang": "eng_Latn",
        "target_lang": "deu_Latn",
    },
    "wmt24++": lambda e, d: {"source": e, "target": d, "lp": "en-de_DE"},
    "metrics": lambda e, d: {"src": e, "ref": d, "mt": "Der", "lp": "en-de"},
    "references": lambda e, d: {"source": e, "references": [d, d.upper(), f"Nun: {d}"]},
    "gold": lambda e, d: {"source_text": e, "answer": d, "tgt_lang": "de"},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_public_shapes_are_read(shape):
    given = [SHAPES[shape](e, d) for e, d in zip(EN, DE, strict=True)]
    task = of_rows("translation", given)
    check(task)
    assert [p.columns for p in task.problems()] == given
    for (asked, right, wrong), e, d in zip(rows.answers(task), EN, DE, strict=True):
        assert (asked.facts["source"], right[0].text) == (e, d)
        assert e in asked.prompt
        assert all(task.holds(asked, x.text) for x in right)
        named = [x for x in wrong if not x.bare and x.work is None and not x.after]
        assert not any(task.holds(asked, x.text) for x in named)
        assert sum(not x.name for x in wrong) == 2
        assert len(rows.names(task)) >= 10
    numbered = {x.name: x.text for x in rows.answers(task)[1][2]}
    assert numbered["number-changed"] == "Paul hat 4 Hunde, nicht 4."
    assert numbered["name-changed"] == "Norbert hat 3 Hunde, nicht 4."


def test_what_is_known_of_a_row_decides_its_mutants():
    known = of_rows("translation", [SHAPES["wmt"](e, d) for e, d in zip(EN, DE, strict=True)])
    by = [{x.name: x.text for x in wrong} for _, _, wrong in rows.answers(known)]
    assert by[1]["denied"] == "Paul hat 3 Hunde, 4."
    assert by[0]["denied"] == f"Es stimmt nicht: {DE[0]}"
    assert by[2]["name-changed"] == "Heute regnet es in Norbert."
    assert by[0]["other-sentence"] == DE[1]
    unknown = of_rows("translation", [{"src": e, "ref": d} for e, d in zip(EN, DE, strict=True)])
    assert "denied" not in rows.names(unknown)
    third = {"translation": {"en": "tea", "de": "Tee", "fr": "thé"}, "lp": "en-de"}
    more = of_rows("translation", [third, SHAPES["wmt"](EN[0], DE[0])])
    assert {x.name: x.text for x in rows.answers(more)[0][2]}["other-language"] == "thé"


@pytest.mark.parametrize("texts", [("a", "b"), ("Hallo", "你好"), ("Paul", "Pablo")])
def test_texts_of_one_word_have_mistakes_too(texts):
    given = [{"source": texts[0], "reference": texts[1]}, {"source": "no", "reference": "nein"}]
    for _, _, wrong in rows.answers(check(of_rows("translation", given))):
        assert sum(not x.name for x in wrong) == 2


BAD = [
    ({"reference": "x"}, "no column holds the source"),
    ({"source": "x"}, "no column holds a reference"),
    ({"source": "x", "references": []}, "references is empty"),
    ({"source": "x", "references": ["y", " . "]}, "references=' . ' holds no text"),
    ({"source": "...", "reference": "x"}, "source='...' holds no text"),
    ({"source": "Oslo", "reference": "oslo."}, "is the source itself"),
    ({"source": "x", "reference": "y" * 20_001}, "has 20001 characters, over 20000"),
    ({"translation": {"en": "x", "de": "y"}}, "nothing says which is the source"),
    ({"translation": {"en": "x", "de": "y"}, "lp": "fr-it"}, "the columns say 'fr and it'"),
    ({"translation": {"en": "x", "de": 3}, "lp": "en-de"}, "holds no text"),
    ({"translation": {"en": "x"}, "lp": "en-de"}, "translation holds 'en'"),
]


@pytest.mark.parametrize(("row", "said"), BAD)
def test_rows_that_cannot_be_read_are_named(row, said):
    good = {"source": "tea", "reference": "Tee"}
    with pytest.raises(TaskError, match=f"data row 1: .*{re.escape(said)}"):
        of_rows("translation", [good, row])


def test_rows_that_no_reward_could_be_graded_on_are_refused():
    check_row({"prompt": "x", "score": 3})
    check_row({"translation": "ein Text", "source": "a text"})
    for row in (
        {"reference": ""},
        {"references": ["x", 3]},
        {"translation": {"en": "x"}},
        {"source": "Oslo", "references": ["Oslo"]},
    ):
        with pytest.raises(TaskError):
            check_row(row)
    with pytest.raises(TaskError, match="no data rows"):
        of_rows("translation", [])

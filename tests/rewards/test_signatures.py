"""Calling forms: what is recognised and what each form is given."""

from __future__ import annotations

import asyncio
import functools
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rewards.calls import ROWS, grade
from toyrl.rewards import standins
from toyrl.rewards.signatures import Refusal, Signature, recognise
from toyrl.rewards.standins import EOS, VOCABULARY, Parser, token_ids


# -- recognition -------------------------------------------------------------------------
def trl(prompts, completions, completion_ids, **kwargs):
    return [0.0] * len(completions)


def trl_ids(completion_ids, **kwargs):
    return [float(len(i)) for i in completion_ids]


def trl_bare(**kwargs):
    return [float(len(c)) for c in kwargs["completions"]]


def verl(data_source, solution_str, ground_truth, extra_info=None):
    return float(solution_str.endswith(ground_truth))


def verl_batch(data_sources, solution_strs, ground_truths, extra_infos, **kwargs):
    return [float(s.endswith(g)) for s, g in zip(solution_strs, ground_truths, strict=True)]


def openrlhf(queries, prompts, labels):
    assert len(queries) == 1
    assert queries[0].startswith(prompts[0])
    return {"rewards": [float(queries[0].endswith(labels[0]))], "scores": [0.0]}


def verifiers(prompt, completion, answer, state):
    assert completion[-1]["role"] == "assistant"
    assert state["answer"] == answer
    return float(completion[-1]["content"].endswith(answer))


def verifiers_parser(completion, answer, parser):
    return float(parser.parse_answer(completion).endswith(answer))


def verifiers_group(completions, answers, states):
    return [float(c[0]["content"].endswith(a)) for c, a in zip(completions, answers, strict=True)]


def areal(prompt, completions, prompt_ids, completion_ids, answer, **kwargs):
    return float(completions.endswith(answer))


def plain(text, answer):
    return float(text.endswith(answer))


def plain_three(prompt, completion, answer):
    return float(completion.endswith(answer) and prompt.startswith("What"))


def plain_one(anything):
    return float(len(anything))


def plain_reference(response, reference):
    return float(response.endswith(reference))


def plain_batch(responses, targets):
    return [float(r.endswith(t)) for r, t in zip(responses, targets, strict=True)]


def positional(text, answer, /):
    return float(text.endswith(answer))


class Callable_:
    def __call__(self, completions, **kwargs):
        return [float(len(c)) for c in completions]


ALL_RIGHT = [1.0, 1.0, 1.0]
LENGTHS = [float(len(r["completion"])) for r in ROWS]


@pytest.mark.parametrize(
    ("function", "form", "chat", "values"),
    [
        (trl, "trl", False, [0.0, 0.0, 0.0]),
        (trl_ids, "trl", False, [5.0, 6.0, 7.0]),
        (trl_bare, "trl", False, LENGTHS),
        (verl, "verl", False, ALL_RIGHT),
        (verl_batch, "verl_batch", False, ALL_RIGHT),
        (openrlhf, "openrlhf", False, ALL_RIGHT),
        (verifiers, "verifiers", True, ALL_RIGHT),
        (verifiers_parser, "verifiers", True, ALL_RIGHT),
        (verifiers_group, "verifiers_group", True, ALL_RIGHT),
        (areal, "areal", False, ALL_RIGHT),
        (plain, "plain", False, ALL_RIGHT),
        (plain_three, "plain", False, ALL_RIGHT),
        (plain_one, "plain", False, LENGTHS),
        (plain_reference, "plain", False, ALL_RIGHT),
        (plain_batch, "plain_batch", False, ALL_RIGHT),
        (positional, "plain", False, ALL_RIGHT),
        (Callable_(), "trl", False, LENGTHS),
        (functools.partial(verl, "gsm8k"), "verl", False, ALL_RIGHT),
    ],
)
def test_each_form_is_recognised_and_served(function, form, chat, values):
    signature, got = grade(function, chat=chat)
    assert signature.form == form
    assert got == values
    assert Signature.from_dict(signature.to_dict()) == signature


def make_factory(max_completion_len, soft_punish_cache):
    return trl


def annotated(x: int):
    return 0.0


def two(first, second):
    return 0.0


@pytest.mark.parametrize("thing", [make_factory, annotated, two, lambda: 0.0, 3, "text", Callable_])
def test_what_fits_no_form_is_refused_with_the_known_forms(thing):
    with pytest.raises(Refusal) as caught:
        recognise(thing, "thing")
    assert caught.value.kind == "bad_signature"
    if callable(thing) and not isinstance(thing, type):
        assert "compute_score" in caught.value.message
        assert "thing(" in caught.value.message


def test_async_functions_run_together():
    running = []

    async def judge(completion, answer, state):
        running.append(len(running))
        await asyncio.sleep(0.01)
        return float(len(running) == 3)  # all started before the first ended

    async def batch(completions, **kwargs):
        await asyncio.sleep(0)
        return [1.0 for _ in completions]

    signature, values = grade(judge, chat=True)
    assert signature.is_async
    assert values == ALL_RIGHT
    assert grade(batch)[1] == ALL_RIGHT


def test_ticks_name_the_row_of_per_completion_forms():
    one, whole = [], []
    grade(plain, ticks=one)
    grade(trl, ticks=whole)
    assert one == [0, 1, 2]
    assert whole == [-1]


# -- what a form is given ------------------------------------------------------------------
def test_chat_form_wraps_prompts_and_completions():
    got = {}

    def reward(prompts, completions, **kwargs):
        got.update(prompts=prompts, completions=completions)
        return [0.0] * 3

    grade(reward, chat=True)
    assert got["prompts"][0] == [{"role": "user", "content": ROWS[0]["prompt"]}]
    assert got["completions"][2] == [{"role": "assistant", "content": ROWS[2]["completion"]}]


@pytest.mark.parametrize("name", ["answer", "solution", "ground_truth", "target", "label"])
def test_gold_comes_under_every_usual_name(name):
    scope = {}
    exec(f"def reward(completions, {name}, **kwargs): return [float(x) for x in {name}]", scope)
    signature, values = grade(scope["reward"])
    assert values == [2.0, 4.0, 6.0]
    assert signature.gold == (name,)
    assert signature.reads_gold
    exec(f"def reward(completions, **kw): return [float(x) for x in kw[{name!r}]]", scope)
    signature, values = grade(scope["reward"])
    assert values == [2.0, 4.0, 6.0]
    assert signature.reads_gold


def test_a_gold_name_with_a_default_is_a_setting():
    def reward(completions, target=100, **kwargs):
        return [float(target)] * len(completions)

    assert grade(reward)[1] == [100.0] * 3
    assert not grade(reward)[0].reads_gold

    def optional(completions, solution=None, **kwargs):
        return [float(s) for s in solution]

    assert grade(optional)[1] == [2.0, 4.0, 6.0]


def test_kwargs_get_every_column_and_the_trainers_extras():
    got = {}

    def reward(completions, trainer_state, log_extra, log_metric, **kwargs):
        log_metric("x", 1.0)
        log_extra("y", [1, 2, 3])
        got.update(kwargs, step=trainer_state.global_step, most=trainer_state.max_steps)
        return [0.0] * 3

    signature, _ = grade(reward, [{**row, "written": True} for row in ROWS])
    assert got["level"] == [1, 2, 3]
    assert got["answer"] == got["ground_truth"] == ["2", "4", "6"]
    assert set(got) >= {"prompts", "completion_ids", "solution", "target", "label"}
    assert (got["step"], got["most"]) == (0, 1000)
    assert signature.reads_state


def test_verl_kwargs_get_only_configuration():
    got = []

    def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
        got.append((data_source, extra_info["question"], kwargs))
        return {"score": 0.5, "acc": True}

    assert grade(compute_score)[1] == [0.5] * 3
    assert got[0] == ("openai/gsm8k", ROWS[0]["prompt"], {})


def test_missing_columns_are_named_all_at_once():
    def reward(completions, unit_tests, sandbox_url, level, **kwargs):
        return [0.0] * 3

    with pytest.raises(Refusal) as caught:
        grade(reward)
    assert caught.value.kind == "missing_column"
    assert caught.value.detail["columns"] == ["unit_tests", "sandbox_url"]
    assert recognise(reward, "f").columns == ("unit_tests", "sandbox_url", "level")


def test_missing_gold_is_a_missing_column():
    bare = [{**r, "columns": {}} for r in ROWS]
    with pytest.raises(Refusal) as caught:
        grade(plain, bare)
    assert caught.value.kind == "missing_column"
    assert grade(plain_one, bare)[1] == LENGTHS


# -- reading the code -----------------------------------------------------------------------
def test_an_unused_gold_argument_is_not_read():
    def format_only(data_source, solution_str, ground_truth, extra_info=None):
        return float("<think>" in solution_str)

    assert not recognise(format_only, "f").reads_gold
    assert recognise(verl, "f").reads_gold


def test_decorated_functions_are_read_through():
    def twice(function):
        @functools.wraps(function)
        def inner(*args, **kwargs):
            return [2 * v for v in function(*args, **kwargs)]

        return inner

    @twice
    def reward(completions, answer, **kwargs):
        return [float(a in c) for c, a in zip(completions, answer, strict=True)]

    signature, values = grade(reward)
    assert values == [2.0] * 3
    assert signature.reads_gold


def test_message_keys_hint_at_chat():
    def chat(completions, **kwargs):
        return [len(c[0]["content"]) for c in completions]

    assert recognise(chat, "f").chat_hint
    assert not recognise(trl_ids, "f").chat_hint


# -- stand-ins -------------------------------------------------------------------------------
@given(
    text=st.text(max_size=60),
    tokens=st.integers(0, 80),
    truncated=st.booleans(),
)
def test_stand_in_ids_have_the_length_and_end_that_the_row_says(text, tokens, truncated):
    ids = token_ids(text, tokens, truncated)
    if tokens:
        assert len(ids) == tokens
    assert all(isinstance(i, int) and i >= 0 for i in ids)
    body = ids if truncated else ids[:-1]
    assert EOS not in body
    assert truncated or ids[-1] == EOS
    assert ids == token_ids(text, tokens, truncated)


@given(text=st.text("ab1_ .\n\u00e9", max_size=60), tokens=st.integers(0, 40))
def test_a_long_text_has_the_ids_that_it_would_have_as_a_short_one(text, tokens):
    found = []
    for long in (0, 60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(standins, "LONG", long)
            standins._token_ids.cache_clear()
            found.append(token_ids(text, tokens, False))
    assert found[0] == found[1]


def test_a_word_is_cut_into_pieces_of_four_characters():
    assert token_ids("abcdefgh, ab", 0, True) == token_ids("abcd efgh , ab", 0, True)


@given(
    text=st.text(alphabet="aé1_ \n<.中", max_size=90),
    tokens=st.integers(0, 120),
    truncated=st.booleans(),
)
def test_stand_in_ids_are_those_of_four_characters_each(text, tokens, truncated):
    words = re.findall(r"\w+|[^\w\s]", text)
    pieces = [word[i : i + 4] for word in words for i in range(0, len(word), 4)]
    n = (tokens or len(pieces) + 1) - (not truncated)
    said = [*pieces, *(f"#{i}" for i in range(len(pieces), n))][:n]
    ids = [1 + zlib.crc32(piece.encode()) % VOCABULARY for piece in said]
    assert token_ids(text, tokens, truncated) == [*ids, *[EOS] * (not truncated)]


def test_equal_words_have_equal_ids():
    ids = token_ids("wait wait 7 wait", 0, False)
    assert ids[0] == ids[1] == ids[3] != ids[2]


def test_the_stand_in_parser_gives_the_last_message():
    messages = [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert Parser().parse_answer(messages) == "b"
    assert Parser().parse_answer("c") == Parser().parse("c") == "c"
    assert Parser().parse_answer([]) == ""

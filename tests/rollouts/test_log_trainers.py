"""Logs as trainers write them: each form gives the rollouts that its rows say."""

from __future__ import annotations

import pytest

from tests.rollouts.logged import RIGHT, gone, lines, parquet, rows, verl_rows
from toyrl.rewards.chats import messages_of
from toyrl.rollouts.logs import LogError, read_log


def test_trl_writes_a_column_a_reward_function_and_the_advantage(tmp_path):
    new = {
        "prompt": lambda i, _: [{"role": "user", "content": f"{i} + 1?"}],
        "completion": lambda i, right: [
            {"role": "assistant", "content": f"{i + 1 if right else 9}"}
        ],
        "accuracy_reward": lambda _, right: right,
        "format_reward": lambda *_: 0.0,
        "advantage": lambda _, right: right - 0.5,
    }
    for step in (9, 10):
        found = rows(**gone("correct", "length"), **new, step=lambda *_, s=step: s)
        parquet(tmp_path / f"completions_{step}.parquet", found)
    log = read_log(tmp_path)
    assert log.rollouts.correct.tolist() == RIGHT * 2  # the same prompts at two steps: four groups
    assert [k.split(":")[0] for k in log.prompt_ids] == ["9", "9", "10", "10"]
    assert set(log.paid) == {"accuracy_reward", "format_reward"}
    assert (log.paid["format_reward"] == 0).all()
    assert log.advantage[0].tolist() == [0.5, -0.5]
    assert log.rows[0].columns == {"answer": "1", "step": 9}
    assert log.estimated
    named = read_log(tmp_path, columns={"correct": "format_reward"})
    assert named.rollouts.correct.sum() == 0


def test_verl_dumps_a_file_a_step_and_says_score_alone(tmp_path):
    for step in (2, 10):
        (tmp_path / f"{step}.jsonl").write_text(lines(verl_rows(step)))
    with pytest.raises(LogError, match="none of the 8 rows says whether it was right"):
        read_log(tmp_path)
    log = read_log(tmp_path, columns="correct=score,completion=output")
    assert log.rollouts.correct.tolist() == RIGHT * 2
    assert [k.split(":")[0] for k in log.prompt_ids] == ["2", "2", "10", "10"]  # 2 before 10
    assert log.rows[0].columns == {"gts": "1", "step": 2}
    extra = tmp_path / "extra.jsonl"
    extra.write_text(lines(verl_rows(score=lambda _, r: 2 * r - 1, acc=lambda _, r: bool(r))))
    log = read_log(extra)
    assert log.rollouts.correct.tolist() == RIGHT
    assert log.reward.tolist() == [[1.0, -1.0], [-1.0, 1.0]]


def test_scores_beyond_0_and_1_are_two_values_or_need_a_bound(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text(lines(verl_rows(score=lambda _, right: 2 * right - 1)))
    log = read_log(file, columns={"correct": "score"})
    assert log.rollouts.correct.tolist() == RIGHT
    assert "score=1 is taken as right, -1 as wrong" in log.notes
    file.write_text(lines(verl_rows(score=lambda i, right: 2 * right - 0.1 * i)))
    with pytest.raises(LogError, match=r"--columns 'correct=score>0.95'"):
        read_log(file, columns={"correct": "score"})
    assert read_log(file, columns="correct=score>1").rollouts.correct.tolist() == RIGHT


def test_openrlhf_gives_the_whole_text_or_input_and_output(tmp_path):
    new = {
        "query": lambda i, right: f"{i} + 1? It is {i + 1 if right else 9}.",
        "label": lambda i, _: str(i + 1),
        "reward": lambda _, right: right,
    }
    found = rows(**gone("completion", "answer", "correct", "length"), **new)
    (tmp_path / "server.jsonl").write_text(lines(found))
    log = read_log(tmp_path / "server.jsonl", columns="correct=reward")
    assert log.rollouts.correct.tolist() == RIGHT
    assert [r.completion for r in log.rows][:2] == [" It is 1.", " It is 9."]
    assert log.prompts == ["0 + 1?", "1 + 1?"]
    pair = [{"input": r["prompt"], "output": r["query"], "reward": r["reward"]} for r in found]
    (tmp_path / "batch.jsonl").write_text(lines(pair))
    assert read_log(tmp_path / "batch.jsonl", columns="correct=reward").prompts == log.prompts


def test_verifiers_results_have_chat_and_a_metric(tmp_path):
    new = {
        "example_id": lambda i, _: i,
        "prompt": lambda i, _: [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": f"{i} + 1?"}]},
        ],
        "completion": lambda i, _: [{"role": "assistant", "content": str(i)}],
        "reward": lambda _, right: right + 0.1,
        "correct_answer_reward_func": lambda _, right: right,
        "info": lambda *_: {"level": 1},
    }
    (tmp_path / "results.jsonl").write_text(lines(rows(**gone("correct", "length"), **new)))
    log = read_log(tmp_path / "results.jsonl")
    assert log.rollouts.correct.tolist() == RIGHT
    assert log.prompts[0] == "Be brief.\n0 + 1?"
    assert any("'correct_answer_reward_func' is taken" in note for note in log.notes)
    assert log.rows[0].columns == {"answer": "1", "info": {"level": 1}}


def test_chat_under_messages_is_split_behind_the_last_question(tmp_path):
    def chat(i, right):
        return [
            {"role": "user", "content": "0 + 0?"},
            {"role": "assistant", "content": "0"},
            {"role": "user", "content": f"{i} + 1?"},
            {"role": "assistant", "content": None},
            {"role": "tool", "content": "adding"},
            {"role": "assistant", "content": str(i + 1 if right else 9)},
        ]

    found = rows(**gone("prompt", "completion"), messages=chat)
    (tmp_path / "log.jsonl").write_text(lines(found))
    log = read_log(tmp_path / "log.jsonl")
    assert log.prompts == ["0 + 0?\n0\n0 + 1?", "0 + 0?\n0\n1 + 1?"]
    assert log.rows[0].completion == "adding\n1"
    asked = rows(**gone("prompt"), messages=lambda i, _: chat(i, 0)[:3])
    (tmp_path / "log.jsonl").write_text(lines(asked))
    assert read_log(tmp_path / "log.jsonl").prompts == log.prompts


def test_messages_with_tool_calls_are_kept_as_messages(tmp_path):
    def called(i, right):
        call = {"type": "function", "function": {"name": "add", "arguments": {"to": i + right}}}
        return [{"role": "assistant", "content": None, "tool_calls": [call]}]

    (tmp_path / "log.jsonl").write_text(lines(rows(completion=called)))
    for row in read_log(tmp_path / "log.jsonl").rows:
        assert row.messages
        assert messages_of(row.completion)[0]["tool_calls"][0]["function"]["name"] == "add"


def test_text_is_a_completion_and_words_are_numbers(tmp_path):
    found = rows(
        **gone("completion"),
        text=lambda i, right: str(i + right),
        correct=lambda _, right: str(bool(right)),
        length=lambda *_: "7",
        truncated=lambda *_: "False",
    )
    (tmp_path / "log.jsonl").write_text(lines(found))
    log = read_log(tmp_path / "log.jsonl")
    assert log.rollouts.correct.tolist() == RIGHT
    assert not log.rollouts.truncated.any()

"""Slow and remote judges: asked once per text, resumed, budgeted; one is served over HTTP."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from tests.experiments.validate.text_probes import rows
from toyrl.experiments.api import validate
from toyrl.experiments.validate.settings import Settings
from toyrl.rewards.cache import Budget, ValueCache, fingerprint
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import load

WORLDS = 4  # texts are asked for whatever their number

JUDGE = """
import asyncio, json, urllib.request

def ask(text, gold):
    body = json.dumps({{"text": text, "gold": gold}}).encode()
    with urllib.request.urlopen("http://127.0.0.1:{port}/", body, timeout=10) as answer:
        return json.load(answer)["score"]

async def judge(completions, answer, **kwargs):
    calls = [asyncio.to_thread(ask, c, a) for c, a in zip(completions, answer)]
    return list(await asyncio.gather(*calls))
"""


def judged(text: str, gold: str) -> bool:
    """The only answer, after the thinking."""
    found = re.findall(r"<answer>(.*?)</answer>", text.rpartition("</think>")[2])
    return [a.strip() for a in found] == [gold]


class Served:
    """A judge on the loopback interface that counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                served.asked.append(data["text"])
                score = float(judged(data["text"], data["gold"]))
                body = json.dumps({"score": score}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]


@pytest.fixture
def served():
    judge = Served()
    yield judge
    judge.server.shutdown()
    judge.server.server_close()


@pytest.fixture
def spec(tmp_path, served):
    place = tmp_path / "judge.py"
    place.write_text(JUDGE.format(port=served.port))
    return f"{place}:judge"


def test_a_judge_over_http_is_asked_once_per_text(tmp_path, served, spec):
    texts = rows(12)
    with load(spec, cache=tmp_path / "cache") as reward:
        first = reward.score(texts)
        asked = len(served.asked)
        assert reward.score(texts) == first
        assert len(served.asked) == asked
    with load(spec, cache=tmp_path / "cache") as reward:
        assert reward.score(texts) == first
    # A new process asks again only what tells whether values repeat and depend on neighbours.
    again = served.asked[asked:]
    assert len(again) < asked
    with load(spec) as reward:
        assert reward.score(texts) == first


def test_edited_code_is_asked_anew(tmp_path):
    place = tmp_path / "r.py"
    place.write_text("def f(completions, **kwargs):\n    return [1.0 for _ in completions]\n")
    before = fingerprint("r.py:f", place)
    texts = rows(12)
    with load(f"{place}:f", cache=tmp_path / "c") as reward:
        assert set(reward.score(texts)) == {1.0}
    place.write_text("def f(completions, **kwargs):\n    return [2.0 for _ in completions]\n")
    assert fingerprint("r.py:f", place) != before
    with load(f"{place}:f", cache=tmp_path / "c") as reward:
        assert set(reward.score(texts)) == {2.0}


def test_a_budget_stops_before_the_call_and_a_cache_resumes(tmp_path, served, spec):
    texts = rows(60)
    with load(spec) as reward:
        want = reward.score(texts)
    whole = len(served.asked)
    with load(spec, max_calls=whole - 20, cache=tmp_path / "c") as reward:
        with pytest.raises(RewardError, match=f"budget of {whole - 20}") as caught:
            reward.score(texts)
        assert caught.value.kind == "budget"
    first = len(served.asked) - whole
    assert first <= whole - 20
    with load(spec, max_calls=whole - 20, cache=tmp_path / "c") as reward:
        assert reward.score(texts) == want  # what the first run graded is not asked again
    assert set(want) == {0.0, 1.0}


SLEEPY = """
import os, time

def alone(text):
    if "poison" in text:
        raise ValueError("no")
    return len(text) + 0.0

def worker(text):
    time.sleep(0.01)
    return float(os.getpid())
"""


def test_workers_give_the_same_values_and_grade_side_by_side(tmp_path):
    place = tmp_path / "r.py"
    place.write_text(SLEEPY)
    texts = rows(60)
    with load(f"{place}:alone") as one, load(f"{place}:alone", workers=3) as three:
        assert three.score(texts) == one.score(texts)
        starts = [box.starts for box in three.texts[0].twins]
        assert starts == [1, 1]
        three.fresh()
        assert three.score(texts) == one.score(texts)
        assert [box.pid for box in three.texts[0].twins] != [None, None]
    assert [box.pid for box in three.texts[0].twins] == [None, None]


def test_workers_keep_what_was_graded_beside_an_error(tmp_path):
    place = tmp_path / "r.py"
    place.write_text(SLEEPY)
    texts = rows(60)
    bad = replace(texts[-1], completion="poison")
    with load(f"{place}:alone", workers=2, cache=tmp_path / "c") as reward:
        reward.score(texts[:8])
        with pytest.raises(RewardError, match="poison"):
            reward.score([*texts, bad])
        used = reward.texts[0].budget.used
        reward.score(texts[:8])
        assert reward.texts[0].budget.used == used
        assert len(reward.texts[0].cache) > 8


def test_what_differs_by_process_is_asked_in_one(tmp_path):
    """A value that moves by itself is not spread over processes: that would hide it."""
    place = tmp_path / "r.py"
    place.write_text(SLEEPY)
    with load(f"{place}:worker", workers=3) as reward:
        reward.texts[0].stable = False
        reward.texts[0].batch_dependent = False
        assert len(set(reward.score(rows(30)))) == 1
        assert [box.starts for box in reward.texts[0].twins] == [0, 0]


def test_functions_of_this_process_say_that_workers_are_not_theirs():
    with load(lambda text: float(len(text)), workers=2) as reward:
        reward.score(rows(12))
        assert any("workers go with functions of files" in note for note in reward.notes)


def test_the_budget_is_heard_after_every_call():
    heard = []
    with load(
        lambda text: float(len(text)), heard=lambda b: heard.append((b.used, b.seconds))
    ) as reward:
        reward.score(rows(30))
    assert heard[-1][0] == max(used for used, _ in heard)
    assert all(b >= a for (_, a), (_, b) in pairwise(heard))


def test_budgets_count():
    budget = Budget(3)
    budget.spend(2)
    with pytest.raises(RewardError):
        budget.spend(2)
    assert budget.used == 2
    Budget().spend(10**9)


def test_caches_keep_none(tmp_path):
    cache = ValueCache(tmp_path / "c")
    cache.keep("r", {"a": 1.5, "b": None})
    assert cache.find("r", ["a", "b", "x"]) == {"a": 1.5, "b": None}
    assert cache.find("other", ["a"]) == {}
    many = {f"k{i}": float(i) for i in range(1201)}
    cache.keep("r", many)
    assert cache.find("r", list(many)) == many
    cache.close()


def test_a_spent_budget_is_a_plain_answer(spec):
    report = validate(spec, Settings(max_calls=5))
    assert (report.verdict, report.exit_code) == ("INCONCLUSIVE", 2)
    assert "--max-calls" in report.error


@pytest.mark.slow
def test_a_whole_verdict_on_a_served_judge(tmp_path, spec, served):
    first = validate(spec, Settings(cache=tmp_path / "c"), worlds=WORLDS)
    asked = len(served.asked)
    assert first.verdict == "SAFE"
    # what the help says a verdict asks of a judge, and the search for exploits beside it
    assert asked < 2300 + 800
    # training asks for nothing that the price of the exploit has not asked for
    second = validate(spec, Settings(cache=tmp_path / "c", quick=True), worlds=WORLDS)
    assert second.verdict == "SAFE SO FAR"
    assert len(served.asked) - asked < 0.4 * asked

"""The Python functions: what they take, what they refuse, what their answers can do."""

from __future__ import annotations

import json
from dataclasses import fields
from html.parser import HTMLParser

import fastjsonschema
import pytest

import toyrl
from tests.experiments.render.sample_report import sample_report
from toyrl import schemas
from toyrl.experiments import api
from toyrl.experiments.results import Answer
from toyrl.experiments.validate.options import Options, settings_of


def right(text, answer):
    return float(f"\\boxed{{{answer}}}" in text)


@pytest.fixture
def judge(monkeypatch):
    """Let `validate` answer with a sample report at once; records what it was asked."""
    from toyrl.experiments.validate import api as inside

    calls = []

    def judged(rewards, settings, progress=None, *, n_worlds=256):
        from toyrl.rewards.specs import name_of

        calls.append((rewards, settings, n_worlds))
        progress(1, "probing")
        report = sample_report()
        from dataclasses import replace

        return replace(report, reward=name_of(rewards)), None

    monkeypatch.setattr(inside, "judged", judged)
    return calls


# -- options -----------------------------------------------------------------------------------
def test_options_are_the_fields_of_settings_and_the_configurations():
    known = {f.name for f in fields(toyrl.Settings)} - {"notes"}
    assert set(Options.__annotations__) == known | {"trl_config", "verl_config"}


def test_options_win_over_settings(judge):
    base = toyrl.Settings(group_size=16, beta=0.1)
    toyrl.validate("outcome()", base, group_size=4, worlds=8)
    toyrl.validate("outcome()", settings=base)
    [(_, first, worlds), (_, second, default)] = judge
    assert (first.group_size, first.beta, worlds) == (4, 0.1, 8)
    assert (second, default) == (base, 256)
    assert settings_of(None, {"estimator": "all"}).every_estimator
    assert not settings_of(toyrl.Settings(estimator="all"), {"estimator": "rloo"}).every_estimator


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"group_sise": 4}, "group_sise is no option; did you mean group_size"),
        ({"quux": 4}, "quux is no option; there are rollouts, data"),
        ({"group_size": 1}, "group_size=1 is not a whole number in"),
        ({"settings": {"group_size": 4}}, "settings is a dict; give a toyrl.Settings"),
        ({"worlds": 0}, "worlds=0 is not a whole number >= 1"),
        ({"trl_config": "a", "verl_config": "b"}, "a run has one trainer"),
    ],
)
def test_wrong_options_are_named(options, said):
    with pytest.raises(toyrl.UsageError, match=said):
        toyrl.validate("outcome()", **options)
    with pytest.raises(toyrl.UsageError, match=said):
        toyrl.compare("outcome()", "crf()", **options)


def test_nothing_is_printed_unless_asked(judge, capsys):
    seen = []
    toyrl.validate("outcome()")
    toyrl.validate("outcome()", progress=lambda number, message: seen.append((number, message)))
    assert capsys.readouterr() == ("", "")
    toyrl.validate("outcome()", progress=True)
    assert "1 contract" in capsys.readouterr().err
    assert seen == [(1, "probing")]


def test_the_page_says_how_it_was_called(judge):
    report = toyrl.validate([right, ("outcome()", 0.5)], group_size=4)
    assert report.command == "toyrl.validate([right, ('outcome()', 0.5)], group_size=4)"


# -- candidates --------------------------------------------------------------------------------
def test_candidates_are_named():
    assert list(api._named(["a()", right])) == ["a()", "right"]
    assert list(api._named([["a()", [right, "b()"]]])) == ["a()", "right + b()"]
    assert api._named([{"mine": right, "other": "a()"}]) == {"mine": right, "other": "a()"}
    assert list(api._named([{right: 1.0}, "a()"])) == ["1 * right", "a()"]
    with pytest.raises(toyrl.UsageError, match="at least two"):
        toyrl.compare("a()")
    with pytest.raises(toyrl.UsageError, match="at least two"):
        toyrl.compare({right: 1.0})
    with pytest.raises(toyrl.UsageError, match="one name"):
        toyrl.compare(lambda text: 1.0 * len(text), lambda text: 2.0 * len(text))


# -- rewards, all the way ----------------------------------------------------------------------
def test_a_reward_that_fails_on_all_texts_is_an_answer_not_an_error():
    report = toyrl.validate(lambda text: 1 / (len(text) * 0), worlds=1)
    assert (report.verdict, report.exit_code, report.ok) == ("INCONCLUSIVE", 2, False)
    assert "ZeroDivisionError" in report.error
    assert repr(report).splitlines()[0] == "INCONCLUSIVE: lambda"


def test_a_reward_that_cannot_be_called_is_a_usage_error():
    with pytest.raises(toyrl.UsageError, match="names no parameter for the completion"):
        toyrl.validate(lambda correct, bonus: correct + bonus, worlds=1)


@pytest.mark.slow
def test_a_lambda_is_judged_as_the_expression_that_it_is(few_worlds):
    said = toyrl.validate("outcome() - 3*linear_length(unit=512)", worlds=8, group_size=4)
    live = toyrl.validate(
        lambda correct, length: correct - 3 * length / 512, worlds=8, group_size=4
    )
    assert (live.verdict, live.reasons) == (said.verdict, said.reasons)
    assert live.to_dict()["settings"] == said.to_dict()["settings"]
    pairs = zip(live.findings, said.findings, strict=True)
    assert [a.name for a, b in pairs if a.value != pytest.approx(b.value)] == []
    fastjsonschema.compile(schemas.document("validate"))(live.to_dict())


@pytest.mark.slow
def test_a_live_text_reward_is_judged_as_the_same_function_in_a_file(few_worlds, tmp_path):
    (tmp_path / "mine.py").write_text(
        'def right(text, answer):\n    return float(f"\\\\boxed{{{answer}}}" in text)\n'
    )
    file = toyrl.validate(f"{tmp_path}/mine.py:right", worlds=4)
    live = toyrl.validate(right, worlds=4)
    assert (live.verdict, live.reasons) == (file.verdict, file.reasons)
    assert {f.name: f.value for f in live.findings} == {f.name: f.value for f in file.findings}


# -- answers -----------------------------------------------------------------------------------
class Balanced(HTMLParser):
    """Fails on tags that don't close, and keeps what could load from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open, self.loads = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in ("br", "hr", "img", "input", "meta", "link"):
            self.open.append(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def whole(html):
    found = Balanced()
    found.feed(html)
    assert found.open == []
    assert found.loads == []
    return html


def test_a_report_shows_and_saves_itself(tmp_path):
    report = sample_report()
    shown = repr(report).splitlines()
    assert len(shown) <= 3
    assert shown[0].startswith(f"{report.verdict}: ")
    assert report.reasons[0][:40] in shown[1]
    assert report.ok == (report.exit_code == 0)
    card = whole(report._repr_html_())
    assert report.verdict in card
    assert "<style" not in card  # it would change the notebook around it
    for suffix, start in (
        (".html", "<!doctype html>"),
        (".json", "{"),
        (".md", f"**{report.verdict}**"),
        (".csv", "Section,Status"),
        (".xml", "<?xml"),
        (".sarif", "{"),
    ):
        place = report.save(tmp_path / f"report{suffix}")
        assert place.read_text(encoding="utf-8").startswith(start)
    assert json.loads((tmp_path / "report.json").read_text())["schema"] == "toyrl.validate/3"
    assert sorted(p.suffix for p in tmp_path.iterdir()) == sorted(
        [".html", ".json", ".md", ".csv", ".xml", ".sarif"]
    )
    with pytest.raises(toyrl.UsageError, match=r"suffix must be one of .csv, .html"):
        report.save(tmp_path / "report.docx")
    with pytest.raises(toyrl.UsageError, match="does not exist; create it"):
        report.save(tmp_path / "absent" / "report.html")


def test_an_answer_that_lacks_a_form_is_no_answer():
    class Mute(Answer):
        def to_dict(self):
            return {}

        def lines(self):
            return []

    with pytest.raises(TypeError, match="abstract method forms"):
        Mute()  # pyright: ignore[reportAbstractUsage]


def test_what_a_reward_says_cannot_break_out_of_the_card():
    from dataclasses import replace

    report = replace(sample_report(), reward="<script>x</script>", reasons=("<b>&\u202e",))
    card = whole(report._repr_html_())
    assert "<script>" not in card
    assert "<U+202E>" not in card
    assert "&lt;U+202E&gt;" in card


@pytest.mark.parametrize("bound", [2.0, 0.5])
def test_outcomes_show_and_save_themselves(tmp_path, monkeypatch, bound):
    from toyrl.experiments import core

    def run(scale=1.0, seed=0):
        return core.Result((core.Check("small", scale, bound, "<"),))

    broken = core.Mutant("tenfold", {"scale": 10.0}, ("small",))
    claim = core.Experiment("one", "", "one", "One is small.", "", run, {}, (broken,))
    monkeypatch.setattr("toyrl.experiments.core.registry.load", lambda: {"one": claim})
    seen = []
    found = toyrl.reproduce("one", progress=seen.append)
    assert seen == [*found]
    assert found.ok == found.holds == (found.exit_code == 0) == (bound == 2.0)
    lines = repr(found).splitlines()
    assert lines == (
        ["one holds", "  One is small."] if found.ok else ["0 of 1 hold", "  one: small"]
    )
    whole(found._repr_html_())
    fastjsonschema.compile(schemas.document("reproduce"))(json.loads(json.dumps(found.to_dict())))
    assert found.save(tmp_path / "r.md").read_text().startswith(f"{int(found.ok)} of 1")
    assert found.save(tmp_path / "r.csv").read_text().startswith("Paper,Experiment")
    assert (found.save(tmp_path / "all") / "index.html").is_file()
    with pytest.raises(toyrl.UsageError, match="no experiment is called"):
        toyrl.reproduce("no-such")


def test_an_export_shows_and_saves_itself(tmp_path):
    made = toyrl.export(toyrl.parse("outcome() - 0.3*linear_length()"), "trl", group_size=8)
    assert repr(made).startswith("outcome() - 0.3*linear_length() for trl: ")
    assert made.ok
    compile(made.save(tmp_path / "reward.py").read_text(), "reward.py", "exec")
    fastjsonschema.compile(schemas.document("export"))(made.to_dict())
    for reward in (right, "mine.py:f"):
        with pytest.raises(toyrl.UsageError, match="Python in a trainer's own form already"):
            toyrl.export(reward, "trl")
    with pytest.raises(toyrl.UsageError, match="to='x' is not one of"):
        toyrl.export("outcome()", "x")


def test_transfer_refuses_what_it_cannot_use(tmp_path):
    with pytest.raises(toyrl.UsageError, match="learning_rat is no option; did you mean"):
        toyrl.transfer("outcome()", out=tmp_path / "t", learning_rat=1.0)
    with pytest.raises(toyrl.UsageError, match="name either rewards"):
        toyrl.transfer(out=tmp_path / "t")
    assert not (tmp_path / "t").exists()

"""The commands of README and of the first pages run as printed, in a folder with the files named.

Rewards, settings, logs and outputs are the real ones; what would train for minutes answers with a
report made elsewhere.
"""

from __future__ import annotations

import json
import shutil

import pytest

from tests.docs.test_commands import printed, tokens
from tests.experiments.render.sample_report import sample_outcome, sample_report
from tests.places import EXAMPLES, ROOT
from toyrl.experiments import api, reproduction
from toyrl.experiments.audit.noise import Noise, Rate
from toyrl.experiments.cli import main
from toyrl.experiments.validate import settings

REWARD = """
def {name}(completions, answer, **kwargs):
    return [float(str(a) in text) for a, text in zip(answer, completions)]


def shaped(state, action):
    return float(state)
"""
REWARDS = {
    "my_rewards.py": ("brevity", "reward", "judge"),
    "rewards.py": ("reward",),
    "acc.py": ("correct",),
    "fmt.py": ("tags",),
    "stranger.py": ("reward",),
    "prm.py": ("score",),
}
ROW = {
    "prompt": "1+1?",
    "completion": "<answer>2</answer>",
    "answer": "2",
    "correct": 1,
    "score": 1,
}
PAGES = (
    "README.md",
    "docs/index.md",
    "examples/README.md",
    "docs/verdicts.md",
    "docs/world.md",
    "docs/steps.md",
)
# Their work is done by others: a model to train, a ledger of hours, a log of a run.
STOOD_IN = ("transfer", "ledger", "scaling", "calibrate", "sweep", "credit")


def lines(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return [line for line in printed(text) if f"`{line}`" not in " ".join(text.split())]


COMMANDS = sorted({line for page in PAGES for line in lines(page)})


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with every file that the pages name."""
    folder = tmp_path_factory.mktemp("project")
    for file, names in REWARDS.items():
        (folder / file).write_text("".join(REWARD.format(name=name) for name in names))
    shutil.copytree(EXAMPLES, folder / "examples" / "rewards")
    shutil.copytree(EXAMPLES.parent / "process", folder / "examples" / "process")
    shutil.copytree(EXAMPLES.parent / "judges", folder / "examples" / "judges")
    rows = "".join(
        json.dumps({**ROW, "prompt": f"{k}?", "correct": k % 2}) + "\n" for k in range(8)
    )
    for log in (
        "log.jsonl",
        "rows.jsonl",
        "rollouts.jsonl",
        "out/completions/1.jsonl",
        "dumps/1.jsonl",
    ):
        (folder / log).parent.mkdir(parents=True, exist_ok=True)
        (folder / log).write_text(rows)
    (folder / "grpo.yaml").write_text("num_generations: 8\n")
    (folder / "ppo.yaml").write_text("algorithm: {adv_estimator: grpo}\n")
    few = Rate(1.0, 10)
    noise = Noise("a judge", 100.0, (few,) * 3, (few,) * 3, few, few)
    (folder / "noise.json").write_text(json.dumps(noise.to_dict()))
    (folder / "small").mkdir()
    (folder / "path" / "to" / "model").mkdir(parents=True)
    return folder


@pytest.fixture(autouse=True)
def _stand_ins(project, monkeypatch):
    """Whatever would take minutes: rewards are read, logs opened, and a kept answer given."""
    from toyrl.rewards.specs import read
    from toyrl.rollouts.logs import read_log

    def validate(rewards, chosen, progress, **_):
        assert isinstance(chosen, settings.Settings)
        read(list(rewards))
        if chosen.rollouts is not None:
            read_log(chosen.rollouts, columns=dict(chosen.columns or ()))
        return sample_report()

    monkeypatch.chdir(project)
    monkeypatch.setattr(api, "validate", validate)
    monkeypatch.setattr(reproduction, "_outcome", lambda *_, **__: (sample_outcome(), True))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_printed_command_runs(line, capsys):
    words = tokens(line)
    if words[0] in STOOD_IN or "--help" in words or "..." in words or "COMMAND" in words:
        pytest.skip("parsed by test_commands.py")
    code = main(words)
    assert code in (0, 1), capsys.readouterr().err


def test_the_first_screen_clones_says_how_long_and_shows_output():
    first = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What it does")[0]
    assert "git clone ADDRESS toyrl && cd toyrl" in first
    assert "four minutes" in first
    box = [line for line in first.splitlines() if line.startswith(("    ╭", "    │"))]
    assert len(box) == 8
    assert first.index("git clone") < first.index(box[0]) < first.index("report.png")
    for line in first.splitlines():
        if "REWARD=" in line:
            spec = line.split("REWARD=")[1].split()[0]
            assert (ROOT / spec.partition(":")[0]).is_file()

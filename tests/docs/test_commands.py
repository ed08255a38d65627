"""Every command that README, docs, examples and the help print is one, with options that it has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from tests.docs.test_site import HAND_WRITTEN
from tests.places import ROOT
from toyrl.experiments.cli import app
from toyrl.experiments.cli.app import OPTIONS

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "examples" / "README.md",
    *HAND_WRITTEN,
]
IN_BLOCK = re.compile(r"^\s*(?:\$ |- run: |entry: )?(toyrl(?: .*|$))")
INLINE = re.compile(r"`(toyrl(?: [^`\n]+(?:\n[^`\n]+)?)?)`")


def printed(text: str) -> Iterator[str]:
    """Lines of code blocks that begin with toyrl, and inline code that does."""
    joined = re.sub(r" \\\n\s*", " ", text)
    blocks = re.split(r"^```.*\n", joined, flags=re.MULTILINE)
    for k, part in enumerate(blocks):
        lines = part.splitlines()
        code = lines if k % 2 else [line for line in lines if line.startswith("    ")]
        for line in code:
            if found := IN_BLOCK.match(line):
                yield found[1]
        if k % 2 == 0:
            yield from (" ".join(m.split()) for m in INLINE.findall(part))


def tokens(line: str) -> list[str]:
    """A printed line as a shell would split it, without its comment."""
    line = line.replace("toyrl", "", 1).replace("--to TRAINER", "--to trl")
    return shlex.split(line, comments=True)


COMMANDS = sorted(
    {
        (page.relative_to(ROOT).as_posix(), line)
        for page in PAGES
        for line in printed(page.read_text())
    }
)


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_printed_command_is_one(page, line):
    words = tokens(line)
    if not words or words[0].startswith("-") or "..." in line or words == ["COMMAND", "--help"]:
        assert "..." in line or set(words) <= {"--help", "--install-completion", "COMMAND"}
        return
    assert words[0] in OPTIONS, f"{page}: {line}"
    options = [w for w in words[1:] if w.startswith("--")]
    if len(words) == 1 or "--help" in options:
        return
    if all(
        w.startswith("-") for w in words[1:]
    ):  # `toyrl validate --quick`, spoken of in a sentence
        known = {f"--{name.replace('_', '-')}" for name in OPTIONS[words[0]]}
        assert {o.replace("--no-", "--") for o in options} <= known, f"{page}: {line}"
        return
    command, *_ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)


def test_there_are_commands_and_a_wrong_one_is_seen():
    assert len(COMMANDS) > 80
    assert {
        words[0] for _, line in COMMANDS if (words := tokens(line)) and words[0] in OPTIONS
    } == set(OPTIONS)
    with pytest.raises(AssertionError):
        test_a_printed_command_is_one("page", "toyrl calibrate rows.jsonl")
    with pytest.raises(Exception, match="gruop"):
        test_a_printed_command_is_one("page", "toyrl validate a.py:f --gruop-size 3")


def test_nothing_is_promised_that_is_not_there():
    for page in PAGES:
        text = page.read_text()
        assert not re.search(r"pip install (?:-U )?'?toyrl\b(?!\[?\w*\]? @)", text), page
        assert "toyrl calibrate" not in text, page


def test_recipes_use_hooks_and_options_that_there_are():
    recipes = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "docs/testing.md").read_text(), re.S | re.M
    )
    loaded = [yaml.safe_load(r) for r in recipes]
    own = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    used = [h["id"] for r in loaded for repo in r.get("repos", []) for h in repo["hooks"]]
    assert used == ["toyrl-quick"]
    assert set(used) <= own
    steps = [s["run"] for r in loaded for job in r.get("jobs", {}).values() for s in job["steps"]
             if "run" in s]  # fmt: skip
    assert steps[0] == "pip install git+ADDRESS@COMMIT"
    for step in steps[1:]:
        test_a_printed_command_is_one("docs/testing.md", " ".join(step.split("#")[0].split()))

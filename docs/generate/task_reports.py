"""The report of one flawed reward a task, in the task's page: python -m docs.generate.task_reports

Every folder of `examples/data` with a `reward.py` has a page `docs/tasks/NAME.md`. Between

    <!-- report: choice -->  and  <!-- end of report -->

stands what `toyrl validate` says of the folder's `flawed` on its rows, by contract and hacks. This
command writes it anew; a test holds it to what is said today.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docs.generate.modules import ROOT
from toyrl.experiments.api import validate
from toyrl.experiments.validate.findings import Report
from toyrl.files import write_file

DATA = ROOT / "examples" / "data"
BLOCK = re.compile(r"(<!-- report: (\w+) -->\n)(.*?)(<!-- end of report -->)", re.DOTALL)


def folders() -> list[str]:
    """Names of the tasks that have examples."""
    return sorted(p.parent.name for p in DATA.glob("*/reward.py"))


def rows(name: str) -> Path:
    """The data rows of a task's example."""
    return DATA / name / "rows.jsonl"


def judged(name: str, function: str) -> Report:
    """What `validate` says of an example's reward on the example's rows, without training."""
    spec = str(DATA / name / "reward.py")
    return validate(f"{spec}:{function}", data=rows(name), quick=True)


def block(name: str, report: Report) -> str:
    """A report as it stands in the page."""
    failed = [f for f in report.findings if f.status == "fail"]
    shown = next((f for f in failed if f.counterexample), None)
    reasons = [r for r in report.reasons if not r.startswith("Not run")]
    lines = [
        f"toyrl validate examples/data/{name}/reward.py:flawed "
        f"--data examples/data/{name}/rows.jsonl --quick",
        "",
        report.verdict,
        *(f"- {r}" for r in reasons),
    ]
    if shown is not None:
        lines += ["", f"What is paid ({shown.name}):", *shown.counterexample.splitlines()]
        lines += ["", f"To do: {shown.fix}"]
    lines += ["", f"Failed in all: {', '.join(f.name for f in failed)}"]
    return "```text\n" + "\n".join(x.rstrip() for x in lines) + "\n```\n"


def page(name: str) -> Path:
    """The page of a task."""
    return ROOT / "docs" / "tasks" / f"{name}.md"


def written(name: str, report: Report) -> str:
    """The page with this report in its place. Raises ValueError for a page without a place."""
    text = page(name).read_text(encoding="utf-8")
    if not any(m[2] == name for m in BLOCK.finditer(text)):
        msg = f"{page(name)} has no <!-- report: {name} --> with its end"
        raise ValueError(msg)
    return BLOCK.sub(lambda m: m[1] + (block(name, report) if m[2] == name else m[3]) + m[4], text)


def main(names: list[str]) -> None:
    """Write the reports of these tasks, or of all."""
    for name in names or folders():
        write_file(page(name), written(name, judged(name, "flawed")))


if __name__ == "__main__":
    main(sys.argv[1:])

"""Our plain docstrings as Markdown.

They hold prose, "name : meaning" lines and indented formulas. The lines become a list, formulas
stay as they are set, and signs that Markdown would swallow are escaped.
"""

from __future__ import annotations

import re

FIELD = re.compile(r"^[`\w*, /.]{1,60}? : \S")
NEXT = re.compile(r"; (?=[`\w*, ]{1,60}? : \S)")
PAGE = re.compile(r"\bdocs/((?:[\w-]+/)*[\w-]+)\.md")
SPECIAL = re.compile(r"(?<!\\)([*<>\[\]|~])")
RULE = re.compile(r"^[-=]{3,}$")


def to_markdown(text: str) -> str:
    """The docstring as Markdown; indented blocks and `code` are left alone."""
    out: list[str] = []
    in_list = False
    for line in text.splitlines():
        if not line.strip():
            out.append("")
            continue
        indented = line.startswith("    ")
        if FIELD.match(line):
            if not in_list and out and out[-1]:
                out.append("")
            # One line may hold several: "alpha : weight; horizon : in updates".
            for item in NEXT.split(line):
                name, meaning = item.split(" : ", 1)
                out.append(f"- `{name.strip('` ')}`: {escaped(meaning)}")
            in_list = True
        elif in_list and indented and out[-1]:
            out.append(f"    {escaped(line.strip())}")
        elif RULE.match(line.strip()) and out and out[-1]:
            out[-1] = f"**{out[-1]}**"
        else:
            if in_list and out[-1]:
                out.append("")
            in_list = False
            out.append(line if indented or line.strip() == "::" else escaped(line))
    joined = "\n".join(line for line in out if line.strip() != "::")
    return PAGE.sub(r"[\1](../\1.md)", joined)  # the reference lies one folder below docs/


def escaped(line: str) -> str:
    """Markdown's own signs escaped outside of `code`."""
    parts = re.split(r"(`[^`]*`)", line)
    return "".join(p if p.startswith("`") else SPECIAL.sub(r"\\\1", p) for p in parts)

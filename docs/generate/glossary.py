"""Every word of reports and pages; `toyrl explain WORD` says the same."""

from __future__ import annotations

import re

from docs.generate.text import escaped
from toyrl.experiments.explain import words

PATH = "glossary.md"
HEAD = """# Glossary

Verdicts have [a page of their own](verdicts.md), findings [another](findings.md).
"""


def anchor(name: str) -> str:
    """The heading's address on the page, as MkDocs makes it."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", name.lower())).strip("-")


def page() -> str:
    """The page."""
    lines = [HEAD]
    for e in sorted(words.TERMS, key=lambda e: e.name.lower()):
        lines += [f"## {escaped(e.name)}\n", f"{escaped(e.means)} {escaped(e.matters)}\n"]
        lines += [f"*What to do:* {escaped(e.do)}\n"]
    return "\n".join(lines)

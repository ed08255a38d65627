"""Nothing on a page may be fetched from a network: scripts, styles, pictures, frames, fonts."""

from __future__ import annotations

import re
from pathlib import Path

FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|<link\b(?![^>]*\brel=[\"']?canonical)[^>]*?\bhref=[\"']?((?:https?:)?//[^\"'\s>]+)"
    r"|\burl\([\"']?((?:https?:)?//[^\"')\s]+)|@import\s+[\"']((?:https?:)?//[^\"']+)",
    re.IGNORECASE,
)


def fetched(text: str) -> list[str]:
    """Addresses that a browser would ask for by itself; links to click don't count."""
    return ["".join(m) for m in FETCHED.findall(text)]


def check(site: Path) -> None:
    """Raises RuntimeError that lists each such address of a built site with its file."""
    found = [
        f"{path.relative_to(site)}: {address}"
        for pattern in ("*.html", "*.css")
        for path in sorted(site.rglob(pattern))
        for address in fetched(path.read_text(encoding="utf-8"))
    ]
    if found:
        msg = "the site would fetch from a network:\n" + "\n".join(found[:20])
        raise RuntimeError(msg)

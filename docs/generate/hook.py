"""MkDocs hook: adds the generated pages and their navigation, and renders formulas.

MkDocs calls these functions by name. It has to be started as `python -m mkdocs` in the root of the
project, so that `docs.generate` and `toyrl` are this checkout's.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from docs.generate import api, formula, inserts, offline

_pages: dict[str, str] = {}
_images: dict[str, str] = {}


def on_config(config: Any) -> Any:
    """Make the pages and put them into the navigation."""
    from docs.generate import evidence, findings, gallery, glossary, papers

    written = {
        p.relative_to(config.docs_dir).as_posix() for p in Path(config.docs_dir).rglob("*.md")
    }
    if more := sorted(written - set(_paths(config.nav))):
        config.nav.append({"More": more})
    _pages.clear()
    results = evidence.smokes()
    _pages.update(papers.pages(results))
    _images.clear()
    _images.update(evidence.images(results))
    _pages.update(api.pages())
    _pages[findings.PATH] = findings.page()
    _pages[glossary.PATH] = glossary.page()
    _pages[gallery.PATH] = gallery.page(results)
    use = next(part["Use"] for part in config.nav if "Use" in part)
    use.append({"Every finding, explained": findings.PATH})
    use.append({"Glossary": glossary.PATH})
    use.append({"Gallery": gallery.PATH})
    here = 1 + next(i for i, part in enumerate(config.nav) if "Theory" in part)
    config.nav[here:here] = [{"Papers": _section("papers/")}]
    config.nav.append({"API": _section("api/")})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages and pictures as if they lay in docs/."""
    from mkdocs.structure.files import File

    for path, text in {**_pages, **_images}.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Formula blocks become mathematics, marks what they name."""
    path = page.file.src_uri
    if path in _pages:
        return markdown
    return inserts.filled(formula.rendered(markdown), path.count("/"))


def on_post_build(config: Any) -> None:
    """A site that needs a network is a failed build."""
    offline.check(Path(config.site_dir))


def _paths(part: Any) -> list[str]:
    """Every page of a navigation."""
    if isinstance(part, str):
        return [part]
    inside = part if isinstance(part, list) else list(part.values())
    return [path for x in inside for path in _paths(x)]


def _section(start: str) -> list[Any]:
    paths = [p for p in _pages if p.startswith(start)]
    if start == "papers/":
        return paths
    return [p if p.endswith("index.md") else {PurePosixPath(p).stem: p} for p in paths]

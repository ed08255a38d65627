"""The counts of folders, arrows and lines: by hand on a small package."""

from __future__ import annotations

import pytest

from docs.generate import inserts, structure
from docs.generate.structure import Rooms, counted, rooms
from tests.places import ROOT

FILES = {
    "box/__init__.py": "",
    "box/top.py": "from box.middle import parts\nimport box.base\n",
    "box/middle/__init__.py": "",
    "box/middle/parts.py": "from box.middle import more\ndef f():\n    from box import base\n",
    "box/middle/more.py": "import os\n",
    "box/base.py": "if TYPE_CHECKING:\n    from box import top\n",
}


def made(place, files):
    for name, text in files.items():
        (place / name).parent.mkdir(exist_ok=True, parents=True)
        (place / name).write_text(text)
    return rooms(place / "box", ("box",))


def test_rooms_arrows_and_floors(tmp_path):
    assert made(tmp_path, FILES) == Rooms(rooms=3, files=4, arrows=3, floors=3, ring=1)


def test_a_ring_is_one_floor(tmp_path):
    ring = {**FILES, "box/base.py": "from box.middle.more import x\n"}
    found = made(tmp_path, ring)
    assert found == Rooms(rooms=3, files=4, arrows=4, floors=2, ring=2)
    assert str(found) == "3 rooms (4 files), 4 arrows, 2 floors, 2 of them in a ring"


def test_what_was_counted_before_is_counted_now():
    now = counted(ROOT)
    assert list(now.rows()) == list(structure.BEFORE)
    assert now.folders > 100
    assert (
        400
        >= now.longest
        == max(
            len(p.read_text().splitlines())
            for name in structure.PACKAGES
            for p in (ROOT / name).rglob("*.py")
        )
    )
    assert set(now.rooms) == set(structure.PREFIXES)


def test_the_page_shows_both():
    page = inserts.filled((ROOT / "docs" / "structure.md").read_text(encoding="utf-8"), 0)
    assert page.count("| now |") == 1
    assert all(f"| {what} | {number} | " in page for what, number in structure.BEFORE.items())


@pytest.mark.parametrize("name", structure.PREFIXES)
def test_packages_have_files(name):
    assert (ROOT / name).is_dir()

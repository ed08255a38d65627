"""The pages under axe-core, in headless Chromium, at desktop and phone width, light and dark.

axe-core comes from npm (`npm install --no-save axe-core` in the repository, or TOYRL_AXE names its
axe.min.js); without it or without a browser these tests are skipped.
"""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path

import pytest

from tests.experiments.render.sample_report import HOSTILE, sample_report
from tests.experiments.render.test_html import PAGES, browse, needs_browser
from tests.places import ROOT
from toyrl.experiments.render.html import report_page

AXE = Path(os.environ.get("TOYRL_AXE", ROOT / "node_modules" / "axe-core" / "axe.min.js"))
RUN = """
document.querySelectorAll("details").forEach(function (d) { d.open = true; });
axe.run().then(function (found) {
  var out = document.createElement("pre");
  out.id = "axe";
  out.textContent = JSON.stringify({passes: found.passes.length, violations: found.violations.map(
    function (v) { return {id: v.id, impact: v.impact, html: v.nodes[0].html}; })});
  document.body.appendChild(out);
});
"""

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_browser]


def with_axe(page: str) -> str:
    """The page with axe-core in it; its content policy, which forbids that, is taken out."""
    script = AXE.read_text(encoding="utf-8").replace("</script>", "<\\/script>")
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    return page.replace("</body>", f"<script>{script}</script><script>{RUN}</script></body>")


def violations(page: str, folder: Path, *, width: int, dark: bool) -> list[dict[str, str]]:
    if not AXE.is_file():
        pytest.skip(f"no axe-core at {AXE}: npm install --no-save axe-core")
    place = folder / "page.html"
    place.write_text(with_axe(page), encoding="utf-8")
    dom = browse(
        place,
        f"--window-size={width},1000",
        "--virtual-time-budget=20000",
        f"--blink-settings=preferredColorScheme={0 if dark else 1}",
        "--dump-dom",
    )
    found = re.search(r'<pre id="axe">(.*?)</pre>', dom, re.DOTALL)
    assert found
    data = json.loads(html.unescape(found.group(1)))
    assert data["passes"] > 5
    return data["violations"]


@pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)]
)
@pytest.mark.parametrize("name", PAGES)
def test_no_page_has_violations(name, width, dark, tmp_path):
    assert violations(PAGES[name](), tmp_path, width=width, dark=dark) == []


def test_control_axe_sees_a_fault(tmp_path):
    page = report_page(sample_report(HOSTILE)).replace("--ink: #20242b", "--ink: #eee")
    found = {v["id"] for v in violations(page, tmp_path, width=1280, dark=False)}
    assert "color-contrast" in found

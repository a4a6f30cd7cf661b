"""The page of an inspection: whole, safe, and at peace with a browser."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.inspection.showers import Showers

from caloforge.errors import OutputError
from caloforge.inspection.checks import CHECKS
from caloforge.inspection.page import render_page, write_inspection
from caloforge.inspection.table import lines

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PROBE = """
const found = {};
found.images = [...document.images].map((i) => [i.complete, i.naturalWidth]);
const colours = () => {
  const style = getComputedStyle(document.body);
  return [style.backgroundColor, style.color];
};
found.colours = colours();
document.getElementById("theme").click();
found.toggled = colours();
found.loaded = performance.getEntriesByType("resource").map((e) => e.name.slice(0, 60));
found.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
found.anchors = [...document.querySelectorAll("a[href^='#']")].filter(
  (a) => !document.getElementById(a.hash.slice(1))).map((a) => a.hash);
found.width = document.documentElement.clientWidth;
const side = (cell) => getComputedStyle(cell).textAlign;
const [head, row] = ["thead", "tbody"].map((part) =>
  [...document.querySelector("#checks " + part + " tr").cells]);
found.heads = head.filter((cell, k) => side(cell) !== side(row[k])).map((c) => c.textContent);
window.found = found;
"""
# The theme is kept for all pages of a folder: each starts without.
COLLECT = """
addEventListener("load", () => {
  const note = document.createElement("pre");
  note.id = "all";
  note.textContent = JSON.stringify(Object.fromEntries(
    [...document.querySelectorAll("iframe")].map((f) => [f.name, f.contentWindow.found])));
  document.body.append(note);
});
"""
PAGES = ("zn-test", "cylinder-test")


def _broken(sample: Showers) -> Showers:
    sample.showers[:, 25 * 44 + 20] = 0
    sample.columns["pz_gev"][:3] *= -1
    sample.showers[9] = sample.showers[8]
    sample.provenance = {"made by": "<script>alert(1)</script>", "deep": {"er": 1}}
    return sample


def test_page_of_a_broken_grid(sample_of: Callable[[str], Showers], tmp_path: Path) -> None:
    inspection = _broken(sample_of("zn-train")).inspect(sample_of("zn-test"))
    page = write_inspection(inspection, tmp_path / "out")
    text = page.read_text(encoding="utf-8")
    assert text.count("<img") == 9
    for check in CHECKS:  # labels are asked of images only
        assert (f'id="check-{check.name}"' in text) == (check.name != "labels")
    assert "<script>alert" not in text
    assert "Verdict: errors (" in text
    assert not re.search(r'(src|href)="(?!#|data:)', text)
    found = json.loads((tmp_path / "out" / "inspection.json").read_text())
    assert found == json.loads(json.dumps(inspection.as_dict()))
    with pytest.raises(OutputError, match="not empty"):
        write_inspection(inspection, tmp_path / "out")


def test_page_of_what_is_hopeless(sample_of: Callable[[str], Showers]) -> None:
    sample = sample_of("zn-test")
    sample.showers = sample.showers.astype(np.float32)
    sample.showers[:] = 0
    for name in sample.columns:
        sample.columns[name][:] = np.nan
    inspection = sample.inspect()
    assert "all showers are empty" in render_page(inspection)
    assert any("ERROR" in line for line in lines(inspection))


def test_page_of_a_single_shower(sample_of: Callable[[str], Showers]) -> None:
    assert render_page(sample_of("cylinder-test").rows(slice(1)).inspect()).count("<img") >= 7


def test_lines_are_folded(sample_of: Callable[[str], Showers]) -> None:
    inspection = _broken(sample_of("zn-train")).inspect()
    assert all(len(line) <= 100 for line in lines(inspection, 100))


@pytest.fixture(scope="module")
def seen(
    sample_of: Callable[[str], Showers], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What a browser, started once, finds in pages beside each other; and what it says."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    folder = tmp_path_factory.mktemp("pages")
    probe = f'<script>addEventListener("load", () => {{{PROBE}}});</script></body>'
    for name in PAGES:
        text = render_page(sample_of(name).inspect()).replace("</body>", probe)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    frames = "".join(
        f'<iframe name="{name}" width="480" height="900" src="{name}.html"></iframe>'
        for name in PAGES
    )
    both = folder / "both.html"
    both.write_text(f"<body>{frames}<script>{COLLECT}</script></body>", encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", f"--user-data-dir={folder / 'profile'}",
            "--allow-file-access-from-files", "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=10000", "--enable-logging=stderr", "--v=0",
            "--window-size=1000,900", "--dump-dom", both.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    match = re.search(r'<pre id="all">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-2000:]
    assert "CONSOLE" not in done.stderr
    found: dict[str, dict[str, Any]] = json.loads(html.unescape(match[1]))
    return found


@pytest.mark.parametrize("name", PAGES)
def test_opens_without_network_and_complaints(
    name: str, seen: dict[str, dict[str, Any]]
) -> None:
    found = seen[name]
    assert not [name for name in found["loaded"] if not name.startswith("data:")]
    assert len(found["images"]) == 8
    assert all(complete and width > 100 for complete, width in found["images"])
    assert found["anchors"] == []
    assert found["wide"] == 0
    assert found["width"] < 500
    assert found["heads"] == []
    dark = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in found["toggled"]]
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in found["colours"]]
    assert abs(light[0] - light[1]) > 450
    assert abs(dark[0] - dark[1]) > 450
    assert (light[0] > light[1]) != (dark[0] > dark[1])

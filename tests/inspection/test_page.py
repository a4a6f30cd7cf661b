"""The page of an inspection: whole, safe, and at peace with a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

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
const note = document.createElement("script");
note.type = "application/json";
note.id = "found";
note.textContent = JSON.stringify(found);
document.body.append(note);
"""


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
    for check in CHECKS:
        assert f'id="check-{check.name}"' in text
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


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("name", ["zn-test", "cylinder-test"])
def test_opens_without_network_and_complaints(
    name: str, sample_of: Callable[[str], Showers], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    probe = f'<script>addEventListener("load", () => {{{PROBE}}});</script></body>'
    text = render_page(sample_of(name).inspect()).replace("</body>", probe)
    page.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu",
            "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000",
            "--enable-logging=stderr", "--v=0", "--window-size=480,900", "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    match = re.search(
        r'<script type="application/json" id="found">(.*?)</script>', done.stdout, re.DOTALL
    )
    assert match, done.stderr[-2000:]
    found = json.loads(match[1])
    assert "CONSOLE" not in done.stderr
    assert not [name for name in found["loaded"] if not name.startswith("data:")]
    assert len(found["images"]) == 8
    assert all(complete and width > 100 for complete, width in found["images"])
    assert found["anchors"] == []
    assert found["wide"] == 0
    dark = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in found["toggled"]]
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in found["colours"]]
    assert abs(light[0] - light[1]) > 450
    assert abs(dark[0] - dark[1]) > 450
    assert (light[0] > light[1]) != (dark[0] > dark[1])

"""The report in a real browser: no network, no errors, tables sort, light and dark."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

# Runs in a copy of the page, after its own script, and leaves what it finds in the page.
PROBE = """
const found = {};
const rows = (table) => [...table.tBodies[0].rows];
const column = (table, k) => rows(table).map((r) => r.cells[k].textContent.trim());
const press = (table, k) => table.tHead.rows[0].cells[k].querySelector("button").click();
const order = (table) => table.tHead.rows[0].cells;
found.sortable = document.querySelectorAll("table.sortable").length;
found.buttons = document.querySelectorAll("table.sortable thead th[aria-sort] > button").length;
found.heads = document.querySelectorAll("table.sortable thead th").length;
const regions = document.getElementById("table-regions");
const score = order(regions).length - 1;
found.before = column(regions, score);
press(regions, score);
found.up = column(regions, score);
found.sort = order(regions)[score].getAttribute("aria-sort");
press(regions, score);
found.down = column(regions, score);
found.sorted_down = order(regions)[score].getAttribute("aria-sort");
press(regions, 1);
found.words = column(regions, 1);
found.score_after = order(regions)[score].getAttribute("aria-sort");
const physics = document.getElementById("table-group-physics");
press(physics, order(physics).length - 1);
found.missing_last = column(physics, order(physics).length - 1);
const tests = document.getElementById("table-tests");
const box = tests.parentElement.previousElementSibling;
found.rows = tests.tBodies[0].rows.length;
box.value = "spread faithful";
box.dispatchEvent(new Event("input"));
found.shown = [...tests.tBodies[0].rows].filter((r) => !r.hidden).map((r) => r.textContent);
const colours = () => {
  const style = getComputedStyle(document.body);
  return [style.backgroundColor, style.color];
};
found.colours = colours();
document.getElementById("theme").click();
found.toggled = colours();
found.theme = document.getElementById("theme").textContent;
found.images = [...document.images].map((i) => [i.complete, i.naturalWidth]);
found.loaded = performance.getEntriesByType("resource").map((e) => e.name.slice(0, 60));
found.stored = [localStorage.length, document.cookie];
found.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
const note = document.createElement("script");
note.type = "application/json";
note.id = "found";
note.textContent = JSON.stringify(found);
document.body.append(note);
"""


def browse(page: Path, folder: Path, *options: str) -> tuple[dict, str]:
    """Open a page; return what the probe found and what the browser complained about."""
    folder.mkdir()
    copy = folder / "page.html"
    text = page.read_text(encoding="utf-8")
    probe = f'<script>addEventListener("load", () => {{{PROBE}}});</script></body>'
    copy.write_text(text.replace("</body>", probe), encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            f"--user-data-dir={folder / 'profile'}",
            # Nothing can be reached, were it asked for.
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=10000",
            "--enable-logging=stderr",
            "--v=0",
            *options,
            "--dump-dom",
            copy.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    match = re.search(r'<script type="application/json" id="found">(.*?)</script>', done.stdout)
    assert match, done.stderr[-2000:]
    console = "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)
    return json.loads(match[1]), console


@pytest.fixture(scope="module")
def light(report_page: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, str]:
    folder = tmp_path_factory.mktemp("chromium") / "light"
    return browse(report_page, folder, "--window-size=1280,900")


def test_opens_without_network_and_complaints(light) -> None:
    found, console = light
    assert console == ""
    assert not [name for name in found["loaded"] if not name.startswith("data:")]
    assert len(found["images"]) == 14
    assert all(complete and width > 100 for complete, width in found["images"])
    assert found["stored"] == [0, ""]
    assert found["wide"] == 0


def test_tables_sort(light) -> None:
    found, _ = light
    assert found["sortable"] >= 8
    assert found["buttons"] == found["heads"] > 30
    up, down = ([float(x) for x in found[key]] for key in ("up", "down"))
    assert [float(x) for x in found["before"]] == down == sorted(down, reverse=True)
    assert up == sorted(up)
    assert up[0] < up[-1]
    assert (found["sort"], found["sorted_down"]) == ("ascending", "descending")
    assert found["score_after"] == "none"
    assert found["words"] == sorted(found["words"])
    assert found["missing_last"][-1] == "–"


def test_filter_keeps_rows_with_all_words(light) -> None:
    found, _ = light
    assert 0 < len(found["shown"]) < found["rows"]
    for text in found["shown"]:
        assert "spread" in text.lower()
        assert "faithful" in text.lower()


def test_light_and_dark(light, report_page: Path, tmp_path: Path) -> None:
    found, _ = light
    # 0 is dark in Blink's settings. At the width of a telephone nothing overflows, either.
    dark, console = browse(
        report_page,
        tmp_path / "dark",
        "--blink-settings=preferredColorScheme=0",
        "--window-size=480,900",
    )
    assert console == ""
    assert dark["wide"] == 0
    brightness = {
        name: [sum(map(int, re.findall(r"\d+", c)[:3])) for c in colours]
        for name, colours in {
            "light": found["colours"],
            "toggled": found["toggled"],
            "dark": dark["colours"],
        }.items()
    }
    for name, (back, ink) in brightness.items():
        assert (back > 600, ink < 200) == ((name == "light"),) * 2, name
        assert abs(back - ink) > 450, name
    assert found["toggled"] == dark["colours"]
    assert dark["toggled"] == found["colours"]
    assert (found["theme"], dark["theme"]) == ("Light", "Dark")

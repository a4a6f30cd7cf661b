"""The page in a real browser: no network, no errors, pictures there, light and dark."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from caloforge.explain import explain_file, write_explanation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")

PROBE = """
const colours = () => {
  const style = getComputedStyle(document.body);
  return [style.backgroundColor, style.color];
};
const found = { before: colours() };
document.getElementById("theme").click();
found.after = colours();
found.images = [...document.images].map((i) => [i.complete, i.naturalWidth]);
found.loaded = performance.getEntriesByType("resource").map((e) => e.name.slice(0, 60));
found.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
found.anchors = [...document.querySelectorAll("nav a")].filter(
  (a) => !document.querySelector(a.getAttribute("href"))).length;
const note = document.createElement("script");
note.type = "application/json";
note.id = "found";
note.textContent = JSON.stringify(found);
document.body.append(note);
"""


def test_opens_without_network_and_complaints(make_bundle, held_out_file, tmp_path) -> None:
    explanation = explain_file(make_bundle("regression"), held_out_file("toy_grid"))
    page = write_explanation(explanation, tmp_path / "out")
    probe = f'<script>addEventListener("load", () => {{{PROBE}}});</script></body>'
    page.write_text(page.read_text().replace("</body>", probe))
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--virtual-time-budget=10000",
            "--enable-logging=stderr",
            "--v=0",
            "--window-size=1280,900",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    match = re.search(r'<script type="application/json" id="found">(.*?)</script>', done.stdout)
    assert match, done.stderr[-2000:]
    found = json.loads(match[1])
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert not [name for name in found["loaded"] if not name.startswith("data:")]
    assert len(found["images"]) == sum(len(p.pictures) for p in explanation.sections) == 4
    assert all(complete and width > 100 for complete, width in found["images"])
    assert found["before"] != found["after"]
    assert (found["wide"], found["anchors"]) == (0, 0)

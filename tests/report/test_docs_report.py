"""docs/report.md names every file, key and column; the example of docs/metrics.md runs."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from caloforge.report.spreadsheet import COLUMNS

DOCS = Path(__file__).parents[2] / "docs"


def test_every_key_and_column_is_described() -> None:
    text = (DOCS / "report.md").read_text(encoding="utf-8")
    schema = json.loads((files("caloforge.report") / "metrics.schema.json").read_text("utf-8"))
    keys = set(schema["properties"]) | set(COLUMNS)
    for definition in schema["$defs"].values():
        keys |= set(definition["properties"])
    for key in sorted(keys):
        assert f"`{key}`" in text, key


def code_of(page: str) -> str:
    text = (DOCS / page).read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))


def test_schema_is_found_as_told() -> None:
    space: dict[str, object] = {}
    exec(code_of("report.md"), space)
    assert space["version"] == 2


def test_example_of_the_metrics_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Drawing has tests of its own, and takes longest.
    monkeypatch.setattr("caloforge.report.page.make_pictures", lambda *_: iter(()))
    exec(code_of("metrics.md"), {})
    assert [path.name for path in tmp_path.rglob("report.html")] == ["report.html"]

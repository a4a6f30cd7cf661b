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


@pytest.mark.parametrize("page", ["report.md", "metrics.md"])
def test_example_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec("\n".join(code), {})
    made = list(tmp_path.rglob("*.*"))
    assert not code or any(path.name in {"report.html", "metrics.csv"} for path in made)

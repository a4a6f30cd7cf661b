"""docs/metrics.md says what metrics.json holds, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from caloforge.metrics import METRICS

if TYPE_CHECKING:
    import pytest

    from caloforge.report import Evaluation

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_every_key_and_metric_is_described(grid_evaluation: Evaluation) -> None:
    text = PAGE.read_text(encoding="utf-8")
    table = grid_evaluation.as_dict()
    row = table["rows"][1]
    for name in (*table, *row, *METRICS, *row["observables"]):
        assert f"`{name}`" in text, name
    for word in ("Definition", "Unit", "Range", "Bias", "Cannot see"):
        assert text.count(f"**{word}:**") == 6, word


def test_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    space: dict[str, object] = {}
    exec("\n".join(code), space)
    assert space["ratio"].value < 1
    assert (tmp_path / "report" / "report.html").is_file()

"""The report: complete, self-contained, and safe against odd names."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING

import pytest

from caloforge.errors import DataFormatError, OutputError
from caloforge.report import Evaluation, write_report
from caloforge.report.history import read_history
from caloforge.report.page import make_pictures

HISTORY = (
    "epoch,step,train/total,validation/total,train/mmd\n0,0,9,,1\n0,10,3,4,\n1,20,2,3,0.5\n"
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


def test_report_of_a_grid(grid_evaluation: Evaluation, tmp_path: Path, history: Path) -> None:
    page = write_report(
        grid_evaluation,
        tmp_path / "report",
        history=history,
        provenance={"training": {"steps": 20, "machine": {"cores": 2}}},
    )
    text = page.read_text(encoding="utf-8")
    images = re.findall(r'<img alt="([^"]+)" src="data:image/svg\+xml;base64,([^"]+)"', text)
    assert len(images) == text.count("<img") == 8
    assert all(base64.b64decode(data).rstrip().endswith(b"</svg>") for _, data in images)
    # One file: nothing is loaded from elsewhere.
    assert not re.search(r"https?:|<script|<link|@import|url\(", text)
    assert "faithful" in text
    assert "<b>" not in text
    assert "_swap&lt;b&gt;$" in text
    assert grid_evaluation.comparison.statement in text.replace("&gt;", ">")
    assert "machine.cores" in text
    table = json.loads((tmp_path / "report" / "metrics.json").read_text())
    assert table == json.loads(json.dumps(grid_evaluation.as_dict()))
    assert table["seed"] == 0
    assert table["cpu_seconds_per_shower"].keys() == {"reference", "faithful", "_swap<b>$"}


def test_report_of_a_cylinder_with_single_showers(
    cylinder_evaluation: Evaluation, tmp_path: Path
) -> None:
    text = write_report(cylinder_evaluation, tmp_path).read_text(encoding="utf-8")
    assert text.count("<img") == 7
    assert "unmatched floor" in text
    assert "Layer sums" in text
    assert "MeV" in text


def test_used_folder_needs_force(cylinder_evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_report(cylinder_evaluation, tmp_path)
    assert (tmp_path / "metrics.json").read_text() == "mine"
    assert not (tmp_path / "report.html").exists()


def test_pictures_leave_global_settings_alone(grid_evaluation: Evaluation) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    pictures = make_pictures(grid_evaluation)
    assert dict(mpl.rcParams) == before
    assert len({picture.name for picture in pictures}) == len(pictures)
    assert all(len(picture.caption) > 60 for picture in pictures)


def test_history_is_read_by_quantity(history: Path) -> None:
    curves = read_history(history)
    assert curves.keys() == {"total", "mmd"}
    assert curves["total"]["validation"].tolist() == [[10, 20], [4, 3]]
    assert curves["mmd"]["train"].tolist() == [[0, 20], [1, 0.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found columns none"),
        ("step,loss\n1,2\n", "found columns step, loss"),
        ("step,train/a\n1,x\n", "could not convert string to float: 'x' in column 'train/a'"),
    ],
)
def test_unusable_history_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(DataFormatError, match=message):
        read_history(path)
    with pytest.raises(DataFormatError, match="cannot be read"):
        read_history(tmp_path / "none.csv")

"""The report: complete, self-contained, and safe against odd names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from caloforge.errors import ConfigError, DataFormatError, OutputError
from caloforge.metrics.assessment import COMPATIBLE
from caloforge.report import Evaluation, write_report
from caloforge.report.history import read_history

HISTORY = (
    "epoch,step,train/total,validation/total,train/mmd\n0,0,9,,1\n0,10,3,4,\n1,20,2,3,0.5\n"
)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.csv"
    path.write_text(HISTORY)
    return path


def test_page_of_a_grid_is_whole(report_page: Path, assessed: Evaluation) -> None:
    text = report_page.read_text(encoding="utf-8")
    images = re.findall(r'<img alt="([^"]+)" src="data:image/svg\+xml,([^"]+)"', text)
    assert len(images) == text.count("<img") == 14
    for _, data in images:
        picture = ET.fromstring(unquote(data))
        assert picture.tag.endswith("svg")
        assert len(list(picture.iter())) > 50
    # One file: nothing is loaded from elsewhere, and the browser is told to load nothing.
    assert not re.search(r"<script src|@import|url\((?!%23)", text)
    assert set(re.findall(r"https?://[^'\"]*", text)) == {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip
    assert "default-src 'none'" in text
    assert len(text) < 5_000_000
    assert "faithful" in text
    assert "<b>$" not in text
    assert "_swap&lt;b&gt;$" in text
    assert "Response &lt;toy&gt;" in text
    assert assessed.comparison.statement in text.replace("&gt;", ">")
    assert "machine.cores" in text
    assert "versions.scikit-learn" in text
    assert "in memory" in text
    assert "Standard pictures" in text
    assert "40 particles, 160 showers" in text
    for verdict in assessed.outcome.verdicts:
        assert f"{'✓' if verdict.compatible else '✗'} {verdict.text}" in text
    assert "worse than full simulation by" in text
    assert COMPATIBLE not in text
    for title in ("Where does it fail?", "Which generator is better?", "Glossary"):
        assert title in text


def test_files_beside_the_page(report_page: Path, assessed: Evaluation) -> None:
    folder = report_page.parent
    assert {p.name for p in folder.iterdir()} == {
        "figures", "metrics.csv", "metrics.json", "report.html",
    }  # fmt: skip
    table = json.loads((folder / "metrics.json").read_text())
    assert table == json.loads(json.dumps(assessed.as_dict()))
    assert table["cpu_seconds_per_shower"].keys() == {"reference", "faithful", "_swap<b>$"}
    text = report_page.read_text(encoding="utf-8")
    pictures = list((folder / "figures").iterdir())
    assert len(pictures) == text.count("<img")
    for path in pictures:
        assert f'<section id="{path.stem}">' in text
        assert path.read_bytes().startswith(b"\x89PNG")


def test_every_table_cell_has_a_column(report_page: Path) -> None:
    text = report_page.read_text(encoding="utf-8")
    tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
    assert len(tables) >= 10
    for table in tables:
        lines = [
            len(re.findall(r"<t[hd][ >]", row))
            for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
        ]
        assert len(set(lines)) == 1, table[:300]


def test_page_of_a_cylinder_with_single_showers(
    cylinder_assessed: Evaluation, tmp_path: Path
) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    text = write_report(cylinder_assessed, tmp_path).read_text(encoding="utf-8")
    assert dict(mpl.rcParams) == before
    names = re.findall(r'<section id="([^"]+)">', text)
    assert len(names) == len(set(names)) == text.count("<img") == 14
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text, re.DOTALL)
    assert all(captions)
    assert "unmatched floor" in text
    assert "Layer sums" in text
    assert "MeV" in text


def test_used_folder_needs_force(cylinder_evaluation: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        write_report(cylinder_evaluation, tmp_path)
    assert (tmp_path / "metrics.json").read_text() == "mine"
    assert not (tmp_path / "report.html").exists()


def test_unknown_format_of_figures_is_refused(
    cylinder_evaluation: Evaluation, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="found 'gif', expected one of pdf, svg, png"):
        write_report(cylinder_evaluation, tmp_path / "r", figures="gif")
    assert not (tmp_path / "r").exists()


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

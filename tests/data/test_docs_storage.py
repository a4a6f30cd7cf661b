import json
import re
from pathlib import Path

import numpy as np

from caloforge.data import load_sample

ROOT = Path(__file__).parents[2]


def test_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "storage.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    names: dict = {}
    exec(example, names)
    showers = load_sample("zn-test").showers
    np.testing.assert_array_equal(names["first"], showers[:1000])
    np.testing.assert_array_equal(names["some"], showers[[3, 14, 1592]])
    assert len(names["their_particles"]) == 3


def test_tables_are_those_of_the_committed_results(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import storage_tables

    for name in ("TABLE", "PAGE"):
        path = getattr(storage_tables, name)
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        monkeypatch.setattr(storage_tables, name, tmp_path / path.parent.name / path.name)
        (tmp_path / path.parent.name / path.name).write_text(path.read_text())
    results = ROOT / "benchmarks" / "results" / "storage.json"
    storage_tables.write_tables(json.loads(results.read_text()))
    for folder in ("tables", "docs"):
        committed = ROOT / "docs" / ("tables" if folder == "tables" else "") / "storage.md"
        assert (tmp_path / folder / "storage.md").read_text() == committed.read_text()

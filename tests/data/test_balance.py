"""Balance of a split, counted and written."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from caloforge.config import run_from_tables
from caloforge.data import BalanceRow, Particles, ShowerFile, ShowerWriter, Split, balance
from caloforge.data.splits.balance import balance_lines, balance_of
from caloforge.data.splits.partition import pieces
from caloforge.data.splits.split_record import split_record

DOCS = Path(__file__).parents[2] / "docs" / "splits-and-conditions.md"


@pytest.fixture(scope="module")
def sample(toy_grid, toy_sample):
    return toy_sample(toy_grid, 50, repeats=3)


def test_counts_by_hand(sample):
    # By shower: the first shower of each particle to train on, the second to validate.
    rows = np.arange(150)
    table = balance(sample.particles, rows[::3], rows[1::3])
    assert sum(row.train for row in table) == sum(row.validation for row in table) == 50
    assert sum(row.train_showers for row in table) == 50
    low = min(row.low_gev for row in table)
    assert low == 10
    gamma = sample.particles.select(slice(0, None, 3))
    gamma = gamma.select((gamma["pdg"] == 22) & (gamma["energy_gev"] < 30))
    (row,) = (row for row in table if row[:3] == ("gamma", 10, 30))
    assert row[3:] == (len(gamma),) * 4


def test_a_file_is_counted_piece_by_piece(sample, tmp_path, monkeypatch):
    with ShowerWriter(tmp_path / "a.h5", sample.geometry, provenance={}) as writer:
        writer.append(sample.particles, sample.showers)
    split = Split(np.arange(0, 150, 2), np.arange(1, 100, 2))
    whole = balance(sample.particles, *split)
    # The package has a function of the module's name.
    monkeypatch.setattr(sys.modules["caloforge.data.splits.partition"], "_PARTICLE_ROWS", 7)
    with ShowerFile(tmp_path / "a.h5") as file:
        assert len(list(pieces(file, cells=False))) == 22
        assert balance_of(file, split) == whole


class TestLines:
    def test_written(self):
        rows = [
            BalanceRow("gamma", 10, 30, 1000, 20, 7, 8),
            BalanceRow("n", 10, 30, 3, 4, 5, 6),
            BalanceRow("n", 30, 100, 5000, 600, 1, 1),
        ]
        assert balance_lines(rows) == [
            "particles          all  10 to 30 GeV  30 to 100 GeV",
            "n          5,003 + 604         3 + 4    5,000 + 600",
            "gamma       1,000 + 20    1,000 + 20              -",
        ]
        assert balance_lines(rows, showers=True)[0].startswith("showers")
        assert balance_lines(rows, showers=True)[1].split()[1:4] == ["7", "+", "8"]

    def test_many_bins_become_decades_and_more_are_left_out(self):
        edges = [1, 3, 10, 30, 100, 300, 1000, 3000, 10000]
        rows = [BalanceRow("n", *edges[k : k + 2], k, 1) for k in range(8)]
        head, line = balance_lines(rows)
        assert head.split("  ")[-1] == "1000 to 10000 GeV"
        assert re.split(r"\s{2,}", line) == [
            "n",
            "28 + 8",
            *(f"{4 * k + 1} + 2" for k in range(4)),
        ]
        low = [float(f"1e{k}") for k in range(-4, 6)]
        wide = [BalanceRow("n", e, 3 * e, 1, 1) for e in low]
        assert balance_lines(wide) == ["particles      all", "n          10 + 10"]

    def test_rare_kinds_are_joined(self):
        rows = [BalanceRow(f"kind {k}", 10, 30, 1000 - 10 * k, k) for k in range(11)]
        lines = balance_lines(rows)
        assert len(lines) == 9
        assert lines[-1].split() == ["4", "others", "3,660", "+", "34"]


class TestDocs:
    def test_run_file_is_valid_and_its_table_is_the_one_shown(self):
        import tomllib

        text = DOCS.read_text(encoding="utf-8")
        (table,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
        tables = tomllib.loads(table) | {"model": {"name": "vae"}, "train": {"steps": 1}}
        data = run_from_tables(tables, source="docs").data
        from caloforge.data import load_sample, partition

        sample = load_sample(data.train)
        split = partition(sample, data.split_plan, data.selection)
        lines = split_record(sample, data.split_plan, data.selection, split).lines()
        assert "\n".join(lines) in text

    def test_example_runs(self, capsys):
        text = DOCS.read_text(encoding="utf-8")
        (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        space: dict[str, object] = {}
        exec(example, space)
        assert capsys.readouterr().out.startswith("split by incident particle, fold 1 of 5\n")

    def test_every_condition_is_described(self):
        from caloforge.data.derived import DERIVED

        text = DOCS.read_text(encoding="utf-8")
        assert all(f"`{name}`" in text for name in (*DERIVED, "kind", "pdg"))


def test_kinds_without_a_name_stay_apart():
    columns = {
        name: np.zeros(2) for name in ("x_cm", "y_cm", "z_cm", "px_gev", "py_gev", "charge_e")
    }
    columns |= {"pz_gev": np.ones(2), "mass_mev": np.zeros(2), "energy_gev": np.full(2, 5.0)}
    columns["pdg"] = np.array([99999, 88888])
    particles = Particles(columns, np.arange(2))
    table = balance(particles, np.array([0]), np.array([1]))
    assert [(row.kind, row.train, row.validation) for row in table] == [
        ("pdg 88888", 0, 1),
        ("pdg 99999", 1, 0),
    ]

"""Tables and sentences."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from caloforge.metrics import METRICS, ChannelFigure, Measured
from caloforge.report import Evaluation, evaluate_samples, print_comparison
from caloforge.report.tables import (
    introduction,
    main_table,
    sentences,
)


def test_every_figure_has_its_error(grid_evaluation: Evaluation) -> None:
    comparison = grid_evaluation.comparison
    table = main_table(comparison)
    assert table.head == ["mean over channels", "floor", "faithful", "_swap<b>$"]
    assert len(table.rows) == len(METRICS)
    assert table.rows[0][:2] == ["W1 / floor", "1"]
    assert all("±" in cell for row in table.rows[1:] for cell in row[1:])
    assert table.rows[1][0] == "W1 [photons]"
    assert all(len(row) == len(table.head) for row in table.rows)


def test_printed_table_states_convention_cut_and_floor(grid_evaluation: Evaluation) -> None:
    stream = io.StringIO()
    print_comparison(grid_evaluation, Console(file=stream, width=160))
    text = " ".join(stream.getvalue().split())
    assert "channels: total; no cut; 40 of 40 incident particles, paired by incident id" in text
    assert "faithful: W1 is" in text
    assert "_swap<b>$" in text


def test_sentences_tell_a_bias_from_noise_and_from_copies(grid_evaluation: Evaluation) -> None:
    comparison = grid_evaluation.comparison

    def words(bias: float) -> str:
        figure = ChannelFigure(Measured(bias, 1.0, "photons"), {})
        row = comparison.generated[0]
        row = replace(row, metrics={**row.metrics, "conditional_bias": figure})
        return sentences(replace(comparison, rows=(comparison.floor, row)))[0][1]

    assert "is off by 9.0 ± 1.0 photons a channel" in words(9)
    assert "shows no error beyond noise (-1.0 ± 1.0 photons a channel)" in words(-1)
    assert "made from the reference?" in words(-9)


def test_unmatched_floor_is_said_so(cylinder_evaluation: Evaluation) -> None:
    comparison = cylinder_evaluation.comparison
    assert main_table(comparison).head[1] == "unmatched floor"
    assert "–" in {cell for row in main_table(comparison).rows for cell in row}
    assert "unmatched floor" in sentences(comparison)[0][1]
    assert "unmatched floor" in introduction(comparison)


def test_printed_table_has_verdicts_and_headlines_in_100_columns(assessed: Evaluation) -> None:
    side = assessed.trial.generated[0]
    three = evaluate_samples(
        assessed.reference,
        {f"sample {k}": assessed.generated[side.name] for k in range(3)},
    )
    stream = io.StringIO()
    print_comparison(three, Console(file=stream, width=100))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("±" in line for line in lines if line.startswith("W1 [photons]")) == 1
    stream = io.StringIO()
    print_comparison(assessed, Console(file=stream, width=100))
    text = stream.getvalue()
    for verdict in assessed.outcome.verdicts:
        assert f"{verdict.sample}: {verdict.text}" in text
    (row,) = [line for line in text.splitlines() if line.startswith("Response <toy>")]
    assert row.count("±") == 3

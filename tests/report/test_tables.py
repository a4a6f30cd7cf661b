"""Tables and sentences."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from caloforge.metrics import METRICS, ChannelFigure, Figure, Measured
from caloforge.metrics.assessment import COMPATIBLE, Test
from caloforge.report import Evaluation, evaluate_samples, print_comparison
from caloforge.report.content import Content
from caloforge.report.sheets import group_sheets
from caloforge.report.summary import summaries
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


def test_sentences_tell_a_bias_from_noise_and_from_copies(
    grid_evaluation: Evaluation, assessed: Evaluation
) -> None:
    comparison = grid_evaluation.comparison
    channels = dict.fromkeys(comparison.channels)

    def words(bias: float, evaluation: Evaluation = grid_evaluation) -> str:
        figure = ChannelFigure(Measured(bias, 1.0, "photons"), channels)
        row = comparison.generated[0]
        row = replace(row, metrics={**row.metrics, "conditional_bias": figure})
        changed = replace(comparison, rows=(comparison.floor, row))
        return sentences(replace(evaluation, comparison=changed))[0][1]

    assert "the bias per particle, rms, is 9.0 ± 1.0 photons a channel" in words(9)
    assert "rms, is −1.0 ± 1.0 photons a channel" in words(-1)
    assert "made from the reference?" in words(-9)
    # A sample that tests reject is no copy.
    assert any(t.p_adjusted <= 0.01 for t in assessed.outcome.tests if t.sample == "faithful")
    assert "made from the reference?" not in words(-9, assessed)


def test_signed_means_say_what_is_too_large(assessed: Evaluation) -> None:
    trial = assessed.trial
    total = trial.shapes[trial.total].name
    first, second, third, calm = [s for s in trial.shapes if s.name != total][:4]

    def figure(target: str, value: float, unit: str = "%") -> Figure:
        return Figure(
            "mean_difference", target, "faithful", Measured(value, 0.4, unit), None, 9
        )

    def test(metric: str, target: str, p: float, excess: float) -> Test:
        return Test(metric, target, "faithful", "t", 1.0, 1.0, p, p, excess)

    def words(p_total: float) -> str:
        outcome = replace(
            assessed.outcome,
            figures=(
                figure(total, -5.0), figure(first.name, 4.9, "cm"),
                figure(second.name, 0.3), figure(third.name, -3.0), figure(calm.name, 9.0),
            ),
            tests=(
                test("mean_shift", total, p_total, 9.0),
                test("mean_shift", first.name, 0.001, 5.0),
                test("w1_observable", first.name, 0.001, 4.0),
                test("w1_observable", second.name, 0.001, 3.0),
                test("mean_shift", third.name, 0.001, 2.0),
                test("mean_shift", calm.name, 0.5, 8.0),
            ),
        )  # fmt: skip
        return sentences(replace(assessed, assessment=outcome))[0][1].lower()

    text = words(0.001)
    assert "the total response is 5.00 ± 0.40 % too small" in text
    assert f"; {first.label.lower()} is 4.90 ± 0.40 cm too large; " in text
    name = second.label.lower()
    assert f"; {name} is distributed differently, its mean by +0.30 ± 0.40 %" in text
    assert f"{third.label.lower()} is 3.00 ± 0.40 % too small" in text
    assert "9.00" not in text
    assert "bias per particle" not in text
    assert "the total response has no shift beyond noise on average (−5.00" in words(0.5)


def test_verdict_of_few_particles_is_no_praise(assessed: Evaluation) -> None:
    good = replace(assessed.outcome.verdicts[0], compatible=True, text=COMPATIBLE)
    few = replace(assessed, assessment=replace(assessed.outcome, verdicts=(good,)))
    many = replace(few, comparison=replace(few.comparison, n_particles=100))
    told = {}
    for name, evaluation in (("few", few), ("many", many)):
        stream = io.StringIO()
        print_comparison(evaluation, Console(file=stream, width=300), words=False)
        told[name] = stream.getvalue()
    warning = "only 40 particles: small differences cannot be seen (docs/metrics-power.md)"
    assert "(40 particles, 160 showers; " in told["few"]
    assert warning in told["few"]
    assert "only" not in told["many"]
    card = summaries(Content(few))[0]
    assert (card.size, card.caution) == ("40 particles, 160 showers", warning)
    assert summaries(Content(assessed))[0].caution == ""


def test_time_of_full_simulation_is_in_no_column_of_a_generator(assessed: Evaluation) -> None:
    def figure(target: str, sample: str, value: float) -> Figure:
        return Figure("speed", target, sample, Measured(value, 0.0, "s"), None, 9)

    figures = tuple(
        figure(target, sample, value)
        for sample in ("faithful", "_swap<b>$")
        for target, value in (("full simulation", 0.7), ("batched", 9.5e-5))
    )
    outcome = replace(assessed.outcome, figures=figures)
    (sheet,) = group_sheets(Content(replace(assessed, assessment=outcome)))
    assert list(sheet.head[2:]) == ["full simulation", "faithful", "_swap<b>$"]
    assert [[c.text for c in row[1:]] for row in sheet.rows] == [
        ["batched", "0.7", "9.5 × 10⁻⁵", "9.5 × 10⁻⁵"]
    ]


def test_unmatched_floor_is_said_so(cylinder_evaluation: Evaluation) -> None:
    comparison = cylinder_evaluation.comparison
    assert main_table(comparison).head[1] == "unmatched floor"
    assert "–" in {cell for row in main_table(comparison).rows for cell in row}
    assert "unmatched floor" in sentences(cylinder_evaluation)[0][1]
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

"""Pictures of samples with little in them, and of curves of all sorts."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from caloforge.metrics import ChannelFigure, Curve, Measured
from caloforge.metrics.assessment import Test
from caloforge.metrics.regions import find_regions
from caloforge.metrics.settings import Settings
from caloforge.report import Evaluation, evaluate_samples
from caloforge.report.content import Content
from caloforge.report.correlation_maps import correlations
from caloforge.report.curve_ratios import panels, ratios
from caloforge.report.curves import draw_curves
from caloforge.report.histograms import ENOUGH, Panel
from caloforge.report.lean_svg import lean, svg_uri
from caloforge.report.pictures import make_pictures
from caloforge.report.profiles import worst_ratios
from caloforge.report.significance import shown_targets
from caloforge.report.style import data_uri, new_figure

if TYPE_CHECKING:
    from caloforge.data import ShowerSample


def with_regions(reference: ShowerSample, generated: ShowerSample) -> Evaluation:
    evaluation = evaluate_samples(reference, {"made": generated})
    found = find_regions(
        evaluation.trial, Settings(n_bootstrap=5, n_permutations=9), np.random.default_rng(0)
    )
    return replace(evaluation, assessment=replace(evaluation.outcome, regions=tuple(found)))


@pytest.mark.parametrize("detector", ["toy_grid", "toy_cylinder"])
@pytest.mark.parametrize("dark", ["generated", "both"])
def test_nothing_to_see_is_no_error(detector, dark, toy_sample, request) -> None:
    reference = toy_sample(request.getfixturevalue(detector), n=3, repeats=1)
    empty = replace(reference, showers=np.zeros_like(reference.showers))
    evaluation = with_regions(empty if dark == "both" else reference, empty)
    pictures = list(make_pictures(Content(evaluation)))
    assert {"floor", "channels", "maps", "showers"} <= {p.name for p in pictures}
    assert all(len(p.caption) > 60 for p in pictures)


def test_sparse_bins_are_joined_and_nothing_is_lost() -> None:
    rng = np.random.default_rng(0)
    values = rng.exponential(10.0, 3000), rng.exponential(12.0, 2000)
    panel = Panel.of_values("x", values, skewed=True, integers=False)
    assert panel.numbers[0].min() >= ENOUGH
    assert len(panel.edges) == panel.numbers.shape[1] + 1
    for numbers, column in zip(panel.numbers, values, strict=True):
        inside = (column >= panel.edges[0]) & (column <= panel.edges[-1])
        assert numbers.sum() == inside.sum()
        np.testing.assert_array_equal(numbers, np.histogram(column, panel.edges)[0])


def test_correlations_are_numpys_and_unknown_for_a_constant() -> None:
    values = np.random.default_rng(0).normal(size=(50, 4))
    values[:, 1] += values[:, 0]
    np.testing.assert_allclose(correlations(values), np.corrcoef(values.T), atol=1e-12)
    values[:, 2] = 7.0
    found = correlations(values)
    assert np.isnan(found[2]).all()
    assert np.isfinite(np.delete(np.delete(found, 2, 0), 2, 1)).all()


def test_curves_of_all_sorts() -> None:
    def curve(sample: str, panel: str = "", **more) -> Curve:
        made = {"x": (1.0, 10.0), "y": (1.0, 2.0), "error": (), "x_label": "x", "y_label": "y"}
        return Curve("c", "Title", "Caption", panel, sample, **{**made, **more})

    curves = [
        curve("full simulation"),
        curve("unmatched floor", y=(np.nan, 1.0), error=(np.nan, 0.1)),
        curve("_odd$name", x=(5.0,), y=(-1.0,)),
        curve("_odd$name", "other", x=(), y=(), log_x=True, log_y=True),
        curve("a", "steps", x=(0.0, 1.0, 2.0), error=(0.1, 0.1), style="steps"),
    ]
    figure = draw_curves(curves, ["a", "_odd$name"], {"other": "Of other things"})
    assert [ax.get_title() for ax in figure.axes] == ["", "Of other things", "steps"]
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(names) == 4
    inks = [line.get_color() for line in figure.legends[0].get_lines()]
    assert len(set(inks)) == len(inks) == 3  # and one is an outline
    assert data_uri(figure).startswith("data:image/svg+xml,")


def test_ratios_to_full_simulation_where_points_coincide() -> None:
    def curve(
        sample: str, x: tuple[float, ...], y: tuple[float, ...], panel: str = "n"
    ) -> Curve:
        error = tuple(0.1 * v for v in y)
        return Curve(
            "response_against_energy",
            "T",
            "C",
            panel,
            sample,
            x,
            y,
            error,
            "E",
            "r",
            log_x=True,
        )

    curves = [
        curve("full simulation", (10.0, 100.0, 300.0), (2.0, 4.0, 5.0)),
        curve("a", (10.0, 100.0 * (1 + 1e-9), 250.0), (1.0, 5.0, 9.0)),
        curve("full simulation", (10.0,), (2.0,), "gamma"),
        curve("a", (10.0,), (2.0,), "gamma"),
    ]
    shown, n = panels(curves)
    assert (list(shown), n) == (["n"], 2)
    assert list(panels(curves[2:])[0]) == ["gamma"]
    (ratio,) = ratios(shown["n"]).values()
    np.testing.assert_allclose(ratio.x, (10.0, 100.0))
    np.testing.assert_allclose(ratio.y, (0.5, 1.25))
    np.testing.assert_allclose(ratio.error, ratio.y * np.hypot(0.1, 0.1))
    figure = draw_curves(curves, ["a"], {})
    _, below = figure.axes
    assert below.get_ylabel() == "ratio"
    low, high = below.get_ylim()
    assert 0.3 < low < 0.43
    assert 1.42 < high < 1.6
    assert data_uri(figure).startswith("data:image/svg+xml,")
    assert ratios([replace(c, name="other") for c in curves]) == {}


def test_of_many_columns_the_worst_and_the_classifiers_are_shown() -> None:
    layers = [f"layer {k}" for k in range(45)]
    tests = [
        Test("w1", name, "a", name, 1.0, 1.0, 0.001, 0.001, float(k))
        for k, name in enumerate(layers)
    ]
    tests += [Test("scores", "cells, trees", "a", "c", 1.0, 1.0, 0.9, 0.9, 0.0)]
    tests += [Test("joint", "", "a", "j", 1.0, 1.0, 0.9, 0.9, 0.0)]
    shown, n = shown_targets(tests, layers)
    assert n == 47
    assert shown == [*layers[-26:], "cells, trees", ""]
    assert shown_targets(tests[40:], layers)[1] == len(shown_targets(tests[40:], layers)[0])


def test_of_many_channels_the_worst_are_in_units_of_the_floor(
    grid_evaluation: Evaluation,
) -> None:
    comparison = grid_evaluation.comparison
    names = tuple(f"layer {k}" for k in range(45))
    rows = []
    for row in comparison.rows:
        channels = {name: Measured(float(k), 0.1) for k, name in enumerate(names, start=100)}
        rows.append(
            replace(row, metrics={**row.metrics, "w1_ratio": ChannelFigure(None, channels)})
        )
    shown, n = worst_ratios(replace(comparison, channels=names, rows=tuple(rows)))
    assert list(shown) == list(names[-28:])
    assert n == 45 + len(comparison.floor.observables)


def test_lean_svg_is_the_same_picture() -> None:
    figure = new_figure(3, 2)
    ax = figure.add_subplot()
    ax.plot([0, 1, 2], [1.23456, 3, 2], "o-", label="100 % & 'more'")
    ax.legend()
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    before, text = buffer.getvalue(), lean(buffer.getvalue())
    assert len(text) < 0.8 * len(before)

    def shapes(svg: str) -> list[tuple[str, int]]:
        drawn = [
            e for e in ET.fromstring(svg).iter() if e.tag.endswith(("path", "use", "rect"))
        ]
        return [(e.tag, len(e.get("d", "").split())) for e in drawn]

    assert shapes(text) == shapes(before)
    uri = svg_uri(text)
    assert not set('"<>#\n') & set(uri)
    assert shapes(unquote(uri.removeprefix("data:image/svg+xml,"))) == shapes(before)

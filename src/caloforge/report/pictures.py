"""All pictures of a report, in order, with their words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from caloforge.metrics.assessment import LEVEL
from caloforge.report import histograms, maps, profiles
from caloforge.report.correlation_maps import correlation_maps
from caloforge.report.curve_ratios import panels, ratios
from caloforge.report.curves import by_picture, draw_curves
from caloforge.report.history import read_history, training_curves
from caloforge.report.profiles import worst_ratios
from caloforge.report.region_figures import region_profile, region_showers, worst_regions
from caloforge.report.significance import shown_targets, test_matrix
from caloforge.report.style import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from caloforge.metrics import Curve, Side
    from caloforge.report.content import Content


class Picture(NamedTuple):
    """A figure with its words.

    Attributes:
        name: Short name, also the anchor in the page and the name of the file.
        title: Headline.
        caption: What is drawn and what to look for.
        figure: The figure.
        section: Key of `SECTIONS`: where in the page it goes.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    section: str = "showers"


SECTIONS = {
    "verdict": "Is it full simulation?",
    "regions": "Where does it fail?",
    "showers": "Standard pictures",
    "metrics": "Behind the figures",
    "training": "Training",
}


def make_pictures(content: Content, history: str | Path | None = None) -> Iterator[Picture]:
    """Draw the pictures one after the other, so that only one need be in memory."""
    yield from _of_tests(content)
    yield from _of_regions(content)
    yield from _of_showers(content)
    for name, curves in by_picture(content.outcome.curves).items():
        figure = draw_curves(curves, content.samples, content.targets)
        first = curves[0]
        caption = first.caption + _of_panels(curves)
        yield Picture(f"curve-{name}", first.title, caption, figure, "metrics")
    if history is not None:
        yield Picture(
            "training",
            "Training",
            "Logged terms against the training step. A validation curve that turns up "
            "while training falls is over-training.",
            training_curves(read_history(history)),
            "training",
        )


def _of_panels(curves: Sequence[Curve]) -> str:
    """What must be said of ratios, and of panels that are not shown."""
    shown, n = panels(curves)
    words = ""
    if any(map(ratios, shown.values())):
        words = (
            " Below: ratio to full simulation at equal energies; bars take the two as "
            "independent."
        )
    return words + _of_all(len(shown), n, "panels")


def _of_all(shown: int, n: int, what: str) -> str:
    return "" if shown == n else f" {shown} of {n} {what} shown."


def _of_tests(content: Content) -> Iterator[Picture]:
    comparison, tests = content.evaluation.comparison, content.outcome.tests
    if tests:
        labels = (
            {t.metric: content.metric_label(t.metric) for t in tests},
            content.targets,
        )
        level = _level(content)
        shown, n = shown_targets(tests, list(content.targets))
        yield Picture(
            "tests",
            "Which test sees what",
            "Every permutation test of every sample. Colour: by how many floors the statistic "
            "exceeds its mean over permuted labels (full simulation against itself). Full "
            f"colour, dot: rejected at a family-wise level of {level:g}; faint: compatible."
            + _of_all(len(shown), n, "columns, the worst,"),
            test_matrix(tests, content.samples, labels, level),
            "verdict",
        )
    ratio_rows, n = worst_ratios(comparison)
    yield Picture(
        "floor",
        "Distance to full simulation, in units of the floor",
        "W1 of each channel and shower shape, divided by what two full-simulation samples "
        "of the same particles show. The dashed line is full simulation: points on it are "
        "as good as this sample can tell, 2 is twice as far. Bars are one standard "
        "deviation." + _of_all(len(ratio_rows), n, "channels and shapes, the worst,"),
        profiles.floor_ratios(comparison),
        "verdict",
    )


def _of_regions(content: Content) -> Iterator[Picture]:
    outcome, trial = content.outcome, content.evaluation.trial
    if not outcome.regions:
        return
    floor = content.evaluation.comparison.floor_label
    grid, images = trial.geometry.kind == "grid", trial.images
    yield Picture(
        "regions",
        "By label" if images else "By kind and energy",
        "Total response in each region: W1 over its floor (1 is full simulation) and relative "
        "bias of the mean. Full markers: rejected by the permutation test of the region, all "
        "regions of the sample taken into account; open ones: compatible. "
        + (
            "Bars are one standard deviation."
            if images
            else "Horizontal bars are the energies of the region, vertical ones one standard "
            "deviation."
        ),
        region_profile(outcome.regions, content.samples, floor, _level(content)),
        "regions",
    )
    worst = worst_regions(outcome.regions)
    if worst:
        yield Picture(
            "region-showers",
            "Showers of the worst regions",
            (
                "Full simulation above, generated showers of the same particles below, "
                if grid
                else "Full simulation and generated showers of the same particles, "
            )
            + ("" if images else "for particles over the energies of the region; ")
            + "not chosen for their looks. "
            + ("The number is the sum of all cells. " if grid and not images else "")
            + "Showers of one particle differ anyway: look for what all columns share.",
            region_showers(worst, trial, content.samples),
            "regions",
        )


def _of_showers(content: Content) -> Iterator[Picture]:
    trial, comparison = content.evaluation.trial, content.evaluation.comparison
    geometry, shapes = trial.geometry, trial.shapes
    samples = [replace(side, name=plain(side.name)) for side in trial.sides]
    grid = geometry.kind == "grid"
    yield Picture(
        "channels",
        "Channel sums" if grid else "Layer sums",
        f"What is read out ({comparison.convention} convention). Grey: full simulation. "
        "Look for lost tails and a wrong rate of small sums; below, the ratio to full "
        "simulation should stay in the grey band of its statistical error. The horizontal "
        "axis is a square root. Bars count showers as independent.",
        histograms.channel_histograms(
            samples, comparison.channels, geometry.unit, counts=geometry.counts
        ),
    )
    cells = histograms.cell_histograms(samples, geometry)
    if cells is not None:
        yield Picture(
            "centre",
            "Centre of the response",
            "Sum of the cells within a quarter of the half width of the axis, and the spectrum "
            "of single cells there and everywhere. A generator that blurs has too few bright "
            "and too many faint cells. Bars count cells as independent, which they are not.",
            cells,
        )
    shown = histograms.observable_histograms(samples, shapes, counts=geometry.counts)
    if shown is not None:
        yield Picture(
            "shapes",
            "Shower shapes",
            "Where the shower lies, how wide it is, how many cells are lit and how high the "
            "brightest is. Generators that blur are too wide and light too many cells.",
            shown,
        )
    correlated = correlation_maps(samples, shapes)
    if correlated is not None:
        yield Picture(
            "correlations",
            "Correlations of shower shapes",
            "Pearson correlation of every two shapes over all showers, and its difference to "
            "full simulation. Single histograms may all be right where these are wrong.",
            correlated,
        )
    if not trial.images:
        yield from _of_particles(content, samples)
    yield Picture(
        "maps",
        "Mean response and residual" if grid else "Mean response of the layers",
        "Mean over all showers and its difference to full simulation. Blue is too little, "
        "red too much: look for structure, such as a blurred core or a seam between "
        "towers; unordered speckle is statistics.",
        maps.mean_maps(samples, geometry),
    )
    if trial.images:
        words = (
            "First row: full simulation, the given images; below, generated ones of the same "
            "labels. They should be as sharp and as different from each other, not equal."
        )
        title = "The same labels, image by image"
        yield Picture("showers", title, words, maps.shower_grid(samples, geometry, 10))
        return
    yield Picture(
        "showers",
        "The same particles, shower by shower",
        "Two full-simulation showers of a particle show what is fluctuation; below, "
        "generated ones of the same particle. They should be as grainy and as different, "
        "not equal."
        + (" The number is the sum of all cells; white cells are empty." if grid else ""),
        maps.shower_grid(samples, geometry),
    )


def _of_particles(content: Content, samples: Sequence[Side]) -> Iterator[Picture]:
    trial = content.evaluation.trial
    geometry, total = trial.geometry, trial.total
    label = trial.shapes[total].label
    yield Picture(
        "energy",
        f"{label} against energy",
        "For the most frequent kinds of particles. Dots: single full-simulation showers; "
        "lines: mean in bins of energy. The ratio of means should be 1 at all energies; "
        "the relative spread should follow the black line, or the resolution is wrong.",
        profiles.response_against_energy(samples, total, label, geometry.unit),
    )
    yield Picture(
        "particles",
        "Particle by particle",
        "One point a particle: mean and spread of its repeated showers. Means off the "
        "diagonal: the generator answers to the wrong particle (a flat cloud ignores it). "
        "Spreads below: showers of one particle are too much alike. The scatter of a "
        "faithful generator is that of few repeats.",
        profiles.particle_means(samples, total, label, geometry.unit),
    )


def _level(content: Content) -> float:
    verdicts = content.outcome.verdicts
    return verdicts[0].level if verdicts else LEVEL

"""All pictures of an inspection, with their words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from caloforge.geometry import GridLayout
from caloforge.inspection import cell_pictures, particle_pictures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from caloforge.inspection.evidence import Evidence


class Picture(NamedTuple):
    """A figure with its words.

    Attributes:
        name: Anchor in the page.
        title: Headline.
        caption: What is drawn and what to look for.
        figure: The figure.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def make_pictures(evidence: Evidence) -> Iterator[Picture]:
    """Draw what can be drawn of a file."""
    grid = isinstance(evidence.geometry.layout, GridLayout)
    if evidence.cells.hits.any():
        if evidence.images:
            yield Picture(
                "mean",
                "Mean image",
                "Mean of every pixel, and how often it is lit.",
                cell_pictures.mean_image(evidence),
            )
            yield from _spectrum(evidence)
            return
        if grid:
            yield Picture(
                "mean",
                "Mean shower and impact points",
                "Left: mean response of every cell. Right: where particles meet the front face "
                "(up to 3,000 of them; the frame is the detector). The two must look alike.",
                cell_pictures.mean_and_impacts(evidence),
            )
        else:
            yield Picture(
                "mean",
                "Mean shower",
                "Mean response by layer, by ring and by sector. Showers begin in the first "
                "layers, fall with the radius, and do not prefer a sector.",
                cell_pictures.cylinder_profiles(evidence),
            )
        yield Picture(
            "hits",
            "How often cells are lit",
            "Left: share of showers that light a cell. Crosses: dead; squares: hot; triangles: "
            "weak. Right: hits of each cell against those that its neighbours let expect; "
            "right of the dotted line, a dead cell can be told.",
            cell_pictures.hit_map(evidence),
        )
    if evidence.response.bins():
        yield Picture(
            "response",
            "Response and energy",
            "Left: summed response against the energy of the particle. Right: response per GeV "
            "by kind; one kind in two units makes two hills.",
            particle_pictures.response(evidence),
        )
        if grid:
            yield Picture(
                "orientation",
                "Centroid against impact point",
                "Top: along the same axis, points lie on the diagonal. Below: along the other "
                "axis, points on a diagonal mean that the axes are swapped.",
                cell_pictures.orientation(evidence),
            )
        else:
            yield Picture(
                "orientation",
                "Depth of the showers",
                "Mean layer against energy: showers get deeper with the energy.",
                cell_pictures.depth(evidence),
            )
    yield Picture(
        "conditions",
        "Conditions",
        "Histograms of the columns that vary; logarithmic in energy. Look for holes, spikes "
        "and stray values.",
        particle_pictures.conditions(evidence),
    )
    yield Picture(
        "coverage",
        "Coverage",
        "Particles by kind and energy. A model has to guess where there are none.",
        particle_pictures.coverage(evidence),
    )
    yield Picture(
        "repeats",
        "Repeats",
        "How many particles have how many showers.",
        particle_pictures.repeats(evidence),
    )
    yield from _spectrum(evidence)
    if evidence.other is not None:
        yield Picture(
            "overlap",
            "Overlap of the two files",
            "Particles of both files by energy, and those that are in both.",
            particle_pictures.overlap(evidence, evidence.other),
        )


def _spectrum(evidence: Evidence) -> Iterator[Picture]:
    """How often each response occurs, if any does."""
    if evidence.cells.top > 0:
        end = "a last bin that rises is saturation"
        if evidence.geometry.maximum is not None:
            end = "images may reach their largest value often"
        yield Picture(
            "spectrum",
            "Spectrum of the cells",
            f"How often a cell has a response. It falls to its end; {end}.",
            cell_pictures.spectrum(evidence),
        )

"""The report: ``metrics.json`` and one page that needs no other file and no network."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from caloforge import __version__
from caloforge.metrics import METRICS, observables
from caloforge.output import new_file, new_folder
from caloforge.report import figures, maps, tables
from caloforge.report.history import read_history, training_curves
from caloforge.report.style import data_uri, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from caloforge.report.evaluate import Evaluation


class Picture(NamedTuple):
    """A figure with its words.

    Attributes:
        name: Short name, also the anchor in the page.
        title: Headline.
        caption: What is drawn and what to look for.
        figure: The figure.
    """

    name: str
    title: str
    caption: str
    figure: Figure


def write_report(
    evaluation: Evaluation,
    folder: str | Path,
    *,
    history: str | Path | None = None,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
    force: bool = False,
) -> Path:
    """Write ``metrics.json`` and ``report.html``.

    Arguments:
        evaluation: What was compared.
        folder: Created if missing.
        history: Training curves to show, a CSV file as of `history.read_history`.
        provenance: Further tables to show under their names, e.g. of the training; those of the
            shower files are shown anyway.
        force: Whether a folder that is not empty may be used.

    Returns:
        Path of the page.

    Raises:
        OutputError: If the folder is in use and ``force`` is not given, or cannot be written.
        DataFormatError: If the history cannot be read.
    """
    folder = new_folder(folder, force=force)
    page = folder / "report.html"
    text = render_page(evaluation, history=history, provenance=provenance)
    content = json.dumps(evaluation.as_dict(), indent=1, allow_nan=False)
    for path, output in ((folder / "metrics.json", content + "\n"), (page, text)):
        with new_file(path, force=force) as temporary:
            temporary.write_text(output, encoding="utf-8")
    return page


def render_page(
    evaluation: Evaluation,
    *,
    history: str | Path | None = None,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Return the page of `write_report`."""
    comparison = evaluation.comparison
    environment = Environment(
        loader=PackageLoader("caloforge.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    origins: dict[str, Mapping[str, Any]] = {"full simulation": evaluation.reference.provenance}
    origins |= {name: sample.provenance for name, sample in evaluation.generated.items()}
    origins |= provenance or {}
    return environment.get_template("report.html.j2").render(
        comparison=comparison,
        title=evaluation.reference.geometry.title,
        sentences=tables.sentences(comparison),
        main=tables.main_table(comparison),
        definitions=list(METRICS.values()),
        channel_tables=[tables.channel_table(comparison, key) for key in METRICS],
        shapes=tables.observable_table(comparison),
        introduction=tables.introduction(comparison),
        sizes=[(r.name, r.n_showers, r.repeats) for r in comparison.rows],
        cpu_seconds={name: f"{value:.3g}" for name, value in evaluation.cpu_seconds.items()},
        pictures=[
            (picture, data_uri(picture.figure))
            for picture in make_pictures(evaluation, history)
        ],
        provenance={name: _flat(table) for name, table in origins.items() if table},
        seed=evaluation.seed,
        version=__version__,
    )


def make_pictures(evaluation: Evaluation, history: str | Path | None = None) -> list[Picture]:
    """Draw all pictures of the report."""
    geometry, comparison = evaluation.reference.geometry, evaluation.comparison
    samples = [replace(sample, name=plain(sample.name)) for sample in evaluation.trial.sides]
    shapes = observables(geometry)
    total = [shape.name for shape in shapes].index("total")
    label = shapes[total].label
    grid = geometry.kind == "grid"
    pictures = [
        Picture(
            "floor",
            "Distance to full simulation, in units of the floor",
            "W1 of each channel and shower shape, divided by what two full-simulation samples "
            "of the same particles show. The dashed line is full simulation: points on it are "
            "as good as this sample can tell, 2 is twice as far. Bars are one standard "
            "deviation.",
            figures.floor_ratios(comparison),
        ),
        Picture(
            "channels",
            "Channel sums" if grid else "Layer sums",
            f"What is read out ({comparison.convention} convention). Grey: full simulation. "
            "Look for lost tails and a wrong rate of small sums; below, the ratio to full "
            "simulation should stay in the grey band of its statistical error. The horizontal "
            "axis is a square root. Bars count showers as independent.",
            figures.channel_histograms(
                samples, comparison.channels, geometry.unit, counts=geometry.counts
            ),
        ),
        Picture(
            "shapes",
            "Shower shapes",
            "Where the shower lies, how wide it is, how many cells are lit and how high the "
            "brightest is. Generators that blur are too wide and light too many cells.",
            figures.observable_histograms(samples, shapes, counts=geometry.counts),
        ),
        Picture(
            "energy",
            f"{label} against energy",
            "For the most frequent kinds of particles. Dots: single full-simulation showers; "
            "lines: mean in bins of energy. The ratio of means should be 1 at all energies; "
            "the relative spread should follow the black line, or the resolution is wrong.",
            figures.response_against_energy(samples, total, label, geometry.unit),
        ),
        Picture(
            "particles",
            "Particle by particle",
            "One point a particle: mean and spread of its repeated showers. Means off the "
            "diagonal: the generator answers to the wrong particle (a flat cloud ignores it). "
            "Spreads below: showers of one particle are too much alike. The scatter of a "
            "faithful generator is that of few repeats.",
            figures.particle_means(samples, total, label, geometry.unit),
        ),
        Picture(
            "maps",
            "Mean response and residual" if grid else "Mean response of the layers",
            "Mean over all showers and its difference to full simulation. Blue is too little, "
            "red too much: look for structure, such as a blurred core or a seam between "
            "towers; unordered speckle is statistics.",
            maps.mean_maps(samples, geometry),
        ),
        Picture(
            "showers",
            "The same particles, shower by shower",
            "Two full-simulation showers of a particle show what is fluctuation; below, "
            "generated ones of the same particle. They should be as grainy and as different, "
            "not equal."
            + (" The number is the sum of all cells; white cells are empty." if grid else ""),
            maps.shower_grid(samples, geometry),
        ),
    ]
    if history is not None:
        pictures.append(
            Picture(
                "training",
                "Training",
                "Logged terms against the training step. A validation curve that turns up "
                "while training falls is over-training.",
                training_curves(read_history(history)),
            )
        )
    return pictures


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Lines of a nested table."""
    lines: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", str(value)))
    return lines

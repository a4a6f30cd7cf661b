"""The report: figures for programs, and one page that needs no other file and no network."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from caloforge import __version__
from caloforge.errors import ConfigError, OutputError
from caloforge.metrics.assessment import LEVEL
from caloforge.output import new_file, new_folder
from caloforge.report import sheets, tables
from caloforge.report.content import Content
from caloforge.report.images import words_of_images
from caloforge.report.numbers import number
from caloforge.report.pictures import SECTIONS, Picture, make_pictures
from caloforge.report.spreadsheet import csv_text
from caloforge.report.style import colour, data_uri, save
from caloforge.report.summary import summaries
from caloforge.report.template import page_template, shared_look

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from caloforge.report.evaluate import Evaluation

FIGURE_FORMATS = ("pdf", "svg", "png")


def write_report(
    evaluation: Evaluation,
    folder: str | Path,
    *,
    history: str | Path | None = None,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
    figures: str | None = None,
    force: bool = False,
) -> Path:
    """Write ``metrics.json``, ``metrics.csv`` and ``report.html``.

    Arguments:
        evaluation: What was compared.
        folder: Created if missing.
        history: Training curves to show, a CSV file as of `history.read_history`.
        provenance: Further tables to show under their names, e.g. of the training; those of the
            shower files are shown anyway.
        figures: ``"pdf"``, ``"svg"`` or ``"png"`` also writes every picture into the folder
            ``figures``.
        force: Whether a folder that is not empty may be used.

    Returns:
        Path of the page.

    Raises:
        ConfigError: If there is no such format of figures.
        OutputError: If the folder is in use and ``force`` is not given, or cannot be written.
        DataFormatError: If the history cannot be read.
    """
    if figures is not None and figures not in FIGURE_FORMATS:
        msg = f"figures: found '{figures}', expected one of {', '.join(FIGURE_FORMATS)}"
        raise ConfigError(msg)
    folder = new_folder(folder, force=force)
    content = Content(evaluation)
    pictures = []
    for picture in make_pictures(content, history):
        pictures.append((picture, Markup(data_uri(picture.figure))))
        if figures is not None:
            _save(picture, folder / "figures", figures, force=force)
    page = folder / "report.html"
    outputs = {
        folder / "metrics.json": json.dumps(evaluation.as_dict(), indent=1, allow_nan=False)
        + "\n",
        folder / "metrics.csv": csv_text(content),
        page: _render(content, pictures, provenance or {}),
    }
    for path, text in outputs.items():
        with new_file(path, force=force) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return page


def render_page(
    evaluation: Evaluation,
    *,
    history: str | Path | None = None,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Return the page of `write_report`."""
    content = Content(evaluation)
    pictures = [(p, Markup(data_uri(p.figure))) for p in make_pictures(content, history)]
    return _render(content, pictures, provenance or {})


def _save(picture: Picture, folder: Path, suffix: str, *, force: bool) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        msg = f"{folder}: cannot be created ({error.strerror}); choose another place"
        raise OutputError(msg) from error
    with new_file(folder / f"{picture.name}.{suffix}", force=force) as temporary:
        save(picture.figure, temporary, suffix)


def _render(
    content: Content,
    pictures: Sequence[tuple[Picture, Markup]],
    provenance: Mapping[str, Mapping[str, Any]],
) -> str:
    evaluation, comparison = content.evaluation, content.evaluation.comparison
    origins: dict[str, Mapping[str, Any]] = {"full simulation": evaluation.reference.provenance}
    origins |= {name: sample.provenance for name, sample in evaluation.generated.items()}
    origins |= provenance
    floor, images = comparison.floor, evaluation.trial.images
    introduction = tables.introduction(comparison)
    if images:
        introduction += f" {words_of_images(evaluation.reference.geometry)}"
    made_of = {k: v for k, v in evaluation.provenance.items() if k not in {"files", "warnings"}}
    return page_template("caloforge.report", "report.html.j2").render(
        comparison=comparison,
        outcome=content.outcome,
        title=evaluation.reference.geometry.title,
        summaries=summaries(content),
        colours=[colour(k) for k in range(len(content.samples))],
        level=LEVEL,
        images=images,
        introduction=introduction,
        headline=sheets.headline_sheet(content),
        differences=sheets.difference_sheet(content),
        tests=sheets.test_sheet(content),
        regions=sheets.region_sheet(content),
        groups=sheets.group_sheets(content),
        shapes=sheets.shape_sheet(comparison),
        definitions=content.used,
        sections={
            key: (title, [p for p in pictures if p[0].section == key])
            for key, title in SECTIONS.items()
        },
        sizes=[("full simulation", floor.n_showers, floor.repeats)]
        + [(r.name, r.n_showers, r.repeats) for r in comparison.generated],
        cpu_seconds={name: number(value, 3) for name, value in evaluation.cpu_seconds.items()},
        made_of=_flat({k: v for k, v in made_of.items() if v is not None}),
        files=evaluation.provenance.get("files", ()),
        provenance={name: _flat(table) for name, table in origins.items() if table},
        seed=evaluation.seed,
        version=__version__,
        **shared_look(),
    )


def _flat(table: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Lines of a nested table."""
    lines: list[tuple[str, str]] = []
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{prefix}{key}.")
        else:
            lines.append((f"{prefix}{key}", str(value)))
    return lines

"""The explanation as files: ``explain.json``, one page that needs no network, and figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from caloforge import __version__
from caloforge.output import new_file, new_folder
from caloforge.report.style import data_uri, styled

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from caloforge.explain.explanation import Explanation

FIGURES = ("pdf", "svg", "png")


def write_explanation(
    explanation: Explanation,
    folder: str | Path,
    *,
    figures: str | None = None,
    force: bool = False,
) -> Path:
    """Write ``explain.json``, ``explain.html`` and, if asked for, ``figures/``.

    Arguments:
        explanation: What was found.
        folder: Created if missing.
        figures: Also write every picture as a file of this kind, one of `FIGURES`.
        force: Whether a folder that is not empty may be used.

    Returns:
        Path of the page.

    Raises:
        OutputError: If the folder is in use and ``force`` is not given, or cannot be written.
    """
    folder = new_folder(folder, force=force)
    page = folder / "explain.html"
    content = json.dumps(explanation.as_dict(), indent=1, allow_nan=False)
    outputs = ((folder / "explain.json", content + "\n"), (page, render_page(explanation)))
    for path, output in outputs:
        with new_file(path, force=force) as temporary:
            temporary.write_text(output, encoding="utf-8")
    if figures is not None:
        new_folder(folder / "figures", force=force)
        for part in explanation.sections:
            for picture in part.pictures:
                place = folder / "figures" / f"{picture.name}.{figures}"
                with new_file(place, force=force) as temporary:
                    _save(picture.figure, temporary, figures)
    return page


def render_page(explanation: Explanation) -> str:
    """Return the page of `write_explanation`."""
    environment = Environment(
        loader=PackageLoader("caloforge.explain"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("explain.html.j2").render(
        explanation=explanation,
        uris={
            picture.name: data_uri(picture.figure)
            for part in explanation.sections
            for picture in part.pictures
        },
        version=__version__,
    )


@styled
def _save(figure: Figure, path: Path, kind: str) -> None:
    # Dates would make two equal runs differ.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {}}[kind]
    figure.savefig(path, format=kind, dpi=160, metadata=metadata)

"""The explanation as files: ``explain.json``, one page that needs no network, and figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from caloforge import __version__
from caloforge.output import new_file, new_folder
from caloforge.report.style import data_uri, save
from caloforge.report.template import page_template, shared_look

if TYPE_CHECKING:
    from pathlib import Path

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
                    save(picture.figure, temporary, figures)
    return page


def render_page(explanation: Explanation) -> str:
    """Return the page of `write_explanation`."""
    return page_template("caloforge.explain", "explain.html.j2").render(
        explanation=explanation,
        # The look, and the switch between light and dark, are those of the report.
        **shared_look(),
        uris={
            picture.name: data_uri(picture.figure)
            for part in explanation.sections
            for picture in part.pictures
        },
        version=__version__,
    )

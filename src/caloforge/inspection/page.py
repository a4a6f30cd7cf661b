"""The outcome of an inspection as files: ``inspection.json``, and one page with pictures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from markupsafe import Markup

from caloforge import __version__
from caloforge.inspection.finding import is_bad
from caloforge.inspection.pictures import make_pictures
from caloforge.inspection.table import verdict_line
from caloforge.output import new_file, new_folder
from caloforge.report.style import data_uri
from caloforge.report.template import page_template, shared_look

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from caloforge.inspection.inspect import Inspection


def write_inspection(
    inspection: Inspection, folder: str | Path, *, force: bool = False
) -> Path:
    """Write ``inspection.json`` and ``inspection.html``.

    Arguments:
        inspection: What was found.
        folder: Created if missing.
        force: Whether a folder that is not empty may be used.

    Returns:
        Path of the page.

    Raises:
        OutputError: If the folder is in use and ``force`` is not given, or cannot be written.
    """
    folder = new_folder(folder, force=force)
    page = folder / "inspection.html"
    content = json.dumps(inspection.as_dict(), indent=1, allow_nan=False)
    outputs = (
        (folder / "inspection.json", content + "\n"),
        (page, render_page(inspection)),
    )
    for path, output in outputs:
        with new_file(path, force=force) as temporary:
            temporary.write_text(output, encoding="utf-8")
    return page


def render_page(inspection: Inspection) -> str:
    """Return the page of `write_inspection`."""
    evidence = inspection.evidence
    about = {
        "file": evidence.source,
        "against": "" if evidence.other is None else evidence.other.source,
        "detector": f"{evidence.geometry.title} ('{evidence.geometry.name}')",
        "cells": f"{evidence.geometry.n_cells:,} in {evidence.geometry.unit}",
        "showers": f"{evidence.n_showers:,}",
        "incident particles": "none, these are images"
        if evidence.images
        else f"{len(evidence.identity.distinct):,} different ones",
        "in pictures": f"{len(evidence.sample.number):,} showers at equal distances",
    }
    return page_template("caloforge.inspection", "inspection.html.j2").render(
        inspection=inspection,
        verdict=verdict_line(inspection),
        about={k: v for k, v in about.items() if v},
        origin=dict(_flat(evidence.provenance or {})),
        is_bad=is_bad,
        pictures=[(p, Markup(data_uri(p.figure))) for p in make_pictures(evidence)],
        version=__version__,
        # The look, and the switch between light and dark, are those of the report.
        **shared_look(),
    )


def _flat(table: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{within}{key}.")
        else:
            yield f"{within}{key}", str(value)

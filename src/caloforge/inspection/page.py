"""The outcome of an inspection as files: ``inspection.json``, and one page with pictures."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from caloforge import __version__
from caloforge.inspection.finding import is_bad
from caloforge.inspection.pictures import make_pictures
from caloforge.inspection.table import verdict_line
from caloforge.output import new_file, new_folder
from caloforge.report.style import data_uri

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
    environment = Environment(
        loader=PackageLoader("caloforge.inspection"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    evidence = inspection.evidence
    about = {
        "file": evidence.source,
        "against": "" if evidence.other is None else evidence.other.source,
        "detector": f"{evidence.geometry.title} ('{evidence.geometry.name}')",
        "cells": f"{evidence.geometry.n_cells:,} in {evidence.geometry.unit}",
        "showers": f"{evidence.n_showers:,}",
        "incident particles": f"{len(evidence.identity.distinct):,} different ones",
        "in pictures": f"{len(evidence.sample.number):,} showers at equal distances",
    }
    return environment.get_template("inspection.html.j2").render(
        inspection=inspection,
        verdict=verdict_line(inspection),
        about={k: v for k, v in about.items() if v},
        origin=dict(_flat(evidence.provenance or {})),
        is_bad=is_bad,
        pictures=[(p, Markup(data_uri(p.figure))) for p in make_pictures(evidence)],
        version=__version__,
        # The look, and the switch between light and dark, are those of the report.
        style=_verbatim("report.css"),
        script=_verbatim("report.js"),
    )


def _flat(table: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{within}{key}.")
        else:
            yield f"{within}{key}", str(value)


def _verbatim(name: str) -> Markup:
    """Read a file of the report that goes into the page as it is: ours, nothing of a user."""
    text = resources.files("caloforge.report") / "templates" / name
    return Markup(text.read_text(encoding="utf-8"))

"""Templates of self-contained pages, and the look and script that all pages share."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup


def page_template(package: str, name: str) -> Template:
    """Load a page from ``templates`` of a package; what is not filled in is an error."""
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def shared_look() -> dict[str, Markup]:
    """Return ``style`` and ``script`` of the report, as they go into every page."""
    return {"style": _verbatim("report.css"), "script": _verbatim("report.js")}


def _verbatim(name: str) -> Markup:
    """Read a file that goes into the page as it is: ours, nothing of a user."""
    text = resources.files("caloforge.report") / "templates" / name
    return Markup(text.read_text(encoding="utf-8"))

"""Results of studies on disk: one JSON a run, there whole or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caloforge.output import new_file

if TYPE_CHECKING:
    from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write aside, then rename: a kill leaves no half file under the name."""
    with new_file(path, force=True) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, found: object, *, compact: bool = False) -> None:
    """Write a result: indented by one, or without any white space."""
    layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 1}
    write_text(path, json.dumps(found, **layout) + "\n")


def read_json(path: Path) -> Any:
    """Read a result."""
    return json.loads(path.read_text(encoding="utf-8"))


def results_in(folder: Path, pattern: str = "*.json") -> dict[str, dict]:
    """Results of a folder by the stem of their file, in the order of their names.

    Hidden files are what a command beside this one is writing, or a killed one left.
    """
    paths = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    return {path.stem: read_json(path) for path in paths}

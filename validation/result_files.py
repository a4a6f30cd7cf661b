"""Results of studies on disk: one JSON a run, there whole or not at all."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.output import new_file

if TYPE_CHECKING:
    from caloforge.config import RunConfig

ROOT = Path(__file__).resolve().parents[1]


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


def same_run(run: RunConfig, text: str) -> bool:
    """Whether a run file says the same, what it leaves out being what it is by default.

    A run file that this version cannot read says something else.
    """
    from caloforge.config import run_from_tables
    from caloforge.errors import ConfigError

    try:
        return run_from_tables(tomllib.loads(text), source="result") == run
    except ConfigError:
        return False


def warn_of_changes(root: Path = ROOT) -> None:
    """Print a line where tracked files of ``src`` or ``validation`` are not as committed.

    As in `caloforge.training.provenance`, files that git does not track do not count.
    """
    command = ["git", "-C", str(root), "status", "--porcelain", "-uno", "--"]
    command += ["src", "validation"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):  # no git, or no checkout
        return
    changed = [line[3:] for line in done.stdout.splitlines()]
    if changed:
        print(
            f"warning: found {len(changed)} changed file(s) in src/ and validation/, e.g. "
            f"{changed[0]}: results will say +changes; run from a clean worktree: "
            "git worktree add ../clean HEAD",
            flush=True,
        )

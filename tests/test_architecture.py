"""The shape of the house: imports go one way, files stay small, randomness is an argument."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "caloforge"
FILES = sorted(SOURCE.rglob("*.py"))

# Lower may not import higher. Files of one number may import each other.
ORDER = {
    "errors": 0,
    "types": 0,
    "toml_tables": 1,
    "output": 1,
    "child_process": 1,
    "geometry": 1,
    "data": 2,
    "events": 3,
    "formats": 3,
    "simulation": 4,
    "losses": 5,
    "nn": 5,
    "models": 6,
    "config": 7,
    "training": 8,
    "generation": 9,
    "metrics": 10,
    "report": 11,
    "explain": 12,
    "inspection": 12,
    "tuning": 12,
    "demo": 13,
    "cli": 14,
}


def room(path: Path) -> str:
    relative = path.relative_to(SOURCE)
    return relative.parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Rooms of caloforge that a file imports, also inside functions and for types."""
    rooms = set()
    package = ["caloforge", *path.relative_to(SOURCE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "caloforge" and len(parts) > 1 and parts[1] in ORDER:
                rooms.add(parts[1])
    return rooms


def test_every_room_has_its_place() -> None:
    rooms = {room(path) for path in FILES} - {"__init__", "__main__"}
    assert rooms == set(ORDER)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    if here in {"__init__", "__main__"}:
        return
    upward = {name for name in imported(path) if ORDER[name] > ORDER[here]}
    assert not upward


def test_metrics_know_no_model_and_no_file() -> None:
    found = {name for path in FILES if room(path) == "metrics" for name in imported(path)} - {
        "metrics"
    }
    assert found <= {"data", "errors", "types", "geometry"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_randomness_is_an_argument(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"np\.random\.(rand|randn|normal|uniform|seed|shuffle)\b", text)
    for call in re.findall(r"torch\.(?:randn|rand|poisson|bernoulli)\(([^)]*)", text):
        assert "generator=" in call, call


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_nothing_is_unpickled(path: Path) -> None:
    text = path.read_text()
    assert not re.search(
        r"^\s*import pickle|pickle\.load|allow_pickle=True", text, re.MULTILINE
    )
    assert "weights_only=False" not in text


@pytest.mark.parametrize(
    "path", [p for p in FILES if room(p) in {"nn", "models", "losses"}], ids=lambda p: p.name
)
def test_networks_do_not_depend_on_the_environment(path: Path) -> None:
    assert "environ" not in path.read_text()

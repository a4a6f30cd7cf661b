"""The pages about one-dimensional and conditional metrics name what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caloforge.geometry import load_geometry
from caloforge.metrics import Definition
from caloforge.metrics.conditional import coactivation, diversity, quantiles, response
from caloforge.metrics.one_dimensional import correlations, histograms, means
from caloforge.metrics.shower.catalogue import observables

DOCS = Path(__file__).parents[2] / "docs"
FILES = {
    "metrics-observables.md": (means, histograms, correlations),
    "metrics-conditional.md": (quantiles, coactivation, diversity, response),
}
WORDS = ("Definition", "Source", "Unit", "Range", "Bias", "Cannot see")


@pytest.mark.parametrize("page", FILES)
def test_every_metric_is_described(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    for module in FILES[page]:
        for definition in module.DEFINITIONS:
            assert f"`{definition.name}`" in text, definition.name
    for part in text.split("\n### ")[1:]:
        for word in WORDS:
            assert f"**{word}:**" in part, (part.splitlines()[0], word)


def test_every_observable_is_described() -> None:
    text = (DOCS / "metrics-observables.md").read_text(encoding="utf-8")
    for name in ("zn", "zp", "cylinder"):
        for shape in observables(load_geometry(name)):
            named = re.sub(r"_layer_\d+$", "_layer_3", shape.name)
            named = named.replace("_y_layer", "_x_layer")
            if not re.match(r"(ring_[34]|cells_to_(0\.1|1|10))$", named):  # in a "..."
                assert f"`{named}`" in text, named
                assert shape.headline == (not starred(text, named)), named


def starred(text: str, name: str) -> bool:
    return any(f"`{name}`" in line and " * |" in line for line in text.splitlines())


def test_example_runs() -> None:
    text = (DOCS / "metrics-observables.md").read_text(encoding="utf-8")
    space: dict[str, object] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), space)
    assert space["core"].shape == (2200,)


def test_definitions_are_complete() -> None:
    definitions: list[Definition] = [
        d for modules in FILES.values() for module in modules for d in module.DEFINITIONS
    ]
    assert len({d.name for d in definitions}) == len(definitions)
    for d in definitions:
        assert all((d.label, d.ideal, d.range, d.meaning, d.source, d.bias, d.blind))

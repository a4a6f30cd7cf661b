"""docs/explain.md names what there is."""

from __future__ import annotations

import re
from pathlib import Path

from caloforge.cli.explain import explain
from caloforge.explain import explain_file
from caloforge.metrics.multivariate.memorisation import DEFINITIONS

TEXT = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()


def test_every_option_is_described() -> None:
    options = {o for p in explain.params for o in p.opts if o.startswith("--")} - {"--output"}
    assert set(re.findall(r"^\| `(--[\w-]+)", TEXT, re.MULTILINE)) == options


def test_keys_of_the_json_are_described(make_bundle, held_out_file) -> None:
    table = explain_file(make_bundle("e2e-sae"), held_out_file("toy_grid")).as_dict()
    described = TEXT.partition("## explain.json")[2]
    names = set(re.findall(r"`([\w_]+)`", described))
    assert {*table, *table["sections"], *table["sections"]["prior"]} - {"sentences"} <= names
    assert {"ratio", "copied", "p_near", "p_copied", "verdict"} <= names


def test_metrics_are_described() -> None:
    for definition in DEFINITIONS:
        assert f"**{definition.label}** (`{definition.name}`)" in TEXT

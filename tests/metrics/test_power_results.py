"""The promises of docs/metrics-power.md, in the results that are committed.

`test_verdicts.py` checks the same on the spot with the permutation tests; classifiers of the
`full` suite take an hour, so here their committed results are read.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from caloforge.geometry import load_geometry
from caloforge.metrics.assessment import COMPATIBLE
from caloforge.metrics.distortions import distortions

RESULTS = Path(__file__).parents[2] / "validation" / "results" / "power"


def found(study: str) -> dict:
    return json.loads((RESULTS / f"{study}.json").read_text())["found"]


def test_every_distortion_is_in_the_results() -> None:
    names = {*distortions(load_geometry("zn")), "memorised"}
    assert set(found("full")) == {"none", *names}
    assert {key.rpartition(" ")[0] for key in found("sizes")} == names


def test_full_simulation_passes() -> None:
    assert found("full")["none"]["verdict"] == COMPATIBLE
    verdicts = [one["verdict"] for one in found("splits").values()]
    assert len(verdicts) == 100
    assert verdicts.count(COMPATIBLE) >= 95


@pytest.mark.parametrize(
    "name",
    ["memorised", *(n for n, d in distortions(load_geometry("zn")).items() if d.must_be_seen)],
)
def test_distortions_are_seen_by_the_full_suite(name: str) -> None:
    assert found("full")[name]["verdict"].startswith("worse than full simulation by ")

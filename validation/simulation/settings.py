"""What production cut, electromagnetic option and physics list change in the ZN.

    python validation/simulation/settings.py --workers 2            # 12 CPU minutes
    python validation/simulation/settings.py --workers 2 --scale 4

Electrons of 10 GeV and neutrons of 50 GeV, anywhere in the cell in the middle, along the beam.
The ZN is simulated with a detection efficiency of 1, so that counting noise hides little; light
is given times the efficiency of the ZN, and lit cells are counted after thinning to it. CPU
seconds are compared on a machine that does other things too: take them to 10 %. Writes
``validation/results/simulation-settings.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from common import (
    CELL,
    arguments,
    efficiency,
    fixed_gun,
    mean_error,
    save,
    scaled,
    showers,
    with_efficiency,
)

from caloforge.errors import SimulationError
from caloforge.metrics.shower.catalogue import measure, observables

if TYPE_CHECKING:
    import argparse

    from caloforge.data import ShowerSample

DEFAULT = ("FTFP_BERT", "option0", 0.1)
VARIANTS = [
    DEFAULT,
    ("FTFP_BERT", "option0", 0.02),
    ("FTFP_BERT", "option0", 0.3),
    ("FTFP_BERT", "option0", 1.0),
    ("FTFP_BERT", "option1", 0.1),
    ("FTFP_BERT", "option1", 0.7),
    ("FTFP_BERT", "option2", 0.1),
    ("FTFP_BERT", "option4", 0.1),
    ("QGSP_BERT", "option0", 0.1),
    ("QGSP_BIC", "option0", 0.1),
    ("FTF_BIC", "option0", 0.1),
]
SHOTS = {"e-": (10, 100), "n": (50, 60)}
THINNINGS = 8


def variant(
    options: argparse.Namespace, kind: str, physics: str, em: str, cut_mm: float
) -> tuple[dict[str, Any], ShowerSample]:
    """Light, shape and time of one kind with one set of settings."""
    gev, n = SHOTS[kind]
    sample = showers(
        options, f"settings-{kind}", with_efficiency(options, "zn", 1), n=scaled(options, n),
        gun=fixed_gun(options, kind, gev, CELL), physics=physics, em=em, cut_mm=cut_mm,
        seed=options.seed,
    )  # fmt: skip
    shapes = observables(sample.geometry)
    values = dict(zip((s.name for s in shapes), measure(shapes, sample.showers).T, strict=True))
    rng = np.random.default_rng(options.seed)
    share = efficiency("zn")
    lit = np.mean(
        [(rng.binomial(sample.showers, share) > 0).sum(axis=1) for _ in range(THINNINGS)],
        axis=0,
    )
    width = (values["width_x"] + values["width_y"]) / 2
    assert sample.cpu_seconds is not None
    return {
        "showers": len(lit),
        "photons_per_gev": mean_error(share * values["total"] / gev),
        "spread": float(values["total"].std(ddof=1) / values["total"].mean()),
        "width_cm": mean_error(width),
        "lit_cells": mean_error(lit),
        "cpu_seconds_per_gev": mean_error(sample.cpu_seconds / gev),
    }, sample


def main() -> None:
    options = arguments(__doc__).parse_args()
    rows: list[dict[str, Any]] = []
    for physics, em, cut_mm in VARIANTS:
        row: dict[str, Any] = {"physics": physics, "em": em, "cut_mm": cut_mm}
        for kind in SHOTS:
            # Hadronic models have no say in the shower of an electron of 10 GeV.
            if kind == "e-" and physics != DEFAULT[0]:
                continue
            try:
                row[kind], sample = variant(options, kind, physics, em, cut_mm)
            except SimulationError as error:  # substituted run data are not enough for all
                row["left_out"] = " ".join(str(error).split())[:200]
                print(f"{physics} {em} {cut_mm}: {row['left_out']}", flush=True)
                break
        rows.append(row)
        result = {
            "detector": f"zn, efficiency 1, light scaled to {efficiency('zn')}",
            "particles": {k: f"{gev} GeV" for k, (gev, _) in SHOTS.items()},
            "default": list(DEFAULT),
            "rows": rows,
        }
        save("settings", result, sample)


if __name__ == "__main__":
    main()

"""The aims of the zoo, and how far its best systems are from them."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import markdown_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Run = dict[str, Any]
    Found = Mapping[tuple[str, str], Sequence[Run]]

SYSTEMS = ("e2e SAE", "e2e SAE, shapes", "latent flow matching")
# Figure, what it is called, and its limit: alone, or times the floor.
FIGURES = (
    ("w1_ratio", "W1 / floor", 1.15, False),
    ("classifier_auc", "AUC of a classifier of observables", 0.60, False),
    ("mae_conditional", "conditional MAE / floor", 1.1, True),
    ("dispersion_discrepancy", "dispersion discrepancy / floor", 1.1, True),
)
# The e2e SAE has an aim of its own.
E2E_LIMITS = {"w1_ratio": 1.5}
SPEEDS = (("256", "showers/s of a core, 256 at a time", 50_000), ("1", "us, one by one", 200))


def aims(found: Mapping[str, Found]) -> list[str]:
    """Lines of the table, for results by detector; a figure in bold reaches its aim."""
    head = ["detector", "figure", "aim", *SYSTEMS]
    rows = []
    for detector in ("zn", "zp"):
        systems = [found[detector].get(("tuned", name), []) for name in SYSTEMS]
        if not any(systems):
            continue
        for key, name, limit, of_floor in FIGURES:
            limits = [
                E2E_LIMITS.get(key, limit) if k == 0 else limit for k in range(len(SYSTEMS))
            ]
            cells = [
                _figure(runs, key, own, of_floor=of_floor)
                for runs, own in zip(systems, limits, strict=True)
            ]
            aim = f"<= {limit:g}" + (f" (e2e SAE {limits[0]:g})" if limits[0] != limit else "")
            rows.append([detector.upper(), name, aim, *cells])
        for key, name, limit in SPEEDS:
            cells = [_speed(runs, key, limit) for runs in systems]
            sign = ">=" if key == "256" else "<="
            rows.append([detector.upper(), name, f"{sign} {limit:,}", *cells])
    return markdown_tables.table(head, rows)


def _figure(runs: Sequence[Run], key: str, limit: float, *, of_floor: bool) -> str:
    """Mean of the seeds with its errors, over the floor if it is to be so."""
    found = [(run["model"].get(key), run["floor"].get(key)) for run in runs]
    kept = [(model, floor) for model, floor in found if model and floor]
    if not kept:
        return ""
    scales = [floor["value"] if of_floor else 1.0 for _, floor in kept]
    values = [model["value"] / scale for (model, _), scale in zip(kept, scales, strict=True)]
    errors = [model["error"] / scale for (model, _), scale in zip(kept, scales, strict=True)]
    text = markdown_tables.with_spread(values, errors)
    return f"**{text}**" if statistics.mean(values) <= limit else text


def _speed(runs: Sequence[Run], key: str, limit: float) -> str:
    """Showers a second, or microseconds of a single shower."""
    timed = [run["showers_per_second"] for run in runs if "showers_per_second" in run]
    if not timed:
        return ""
    rate = float(timed[0][key])
    if key == "1":
        text, reached = f"{1e6 / rate:,.0f}", 1e6 / rate <= limit
    else:
        text, reached = f"{float(format(rate, '.2g')):,.0f}", rate >= limit
    return f"**{text}**" if reached else text

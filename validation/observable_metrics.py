"""Calibration and power of the one-dimensional and conditional metrics.

    python validation/observable_metrics.py       # two minutes on one core

Full simulation (zn-test) is split at random within its particles: three showers of each are the
reference, two are judged like a generator, as they are (20 splits) or distorted by
`caloforge.metrics.distortions` (4 splits). Of every figure the *pull* is taken: its distance
from the ideal in its error, or, where the ideal is the floor, from the floor in the errors of
both. Written to validation/results/observable-metrics.json; the tables of
docs/metrics-observables.md and docs/metrics-conditional.md show some of it.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from result_files import write_json

RESULT = Path(__file__).parent / "results" / "observable-metrics.json"
N_CLEAN, N_DISTORTED = 20, 4


def split(sample, seed: int):
    """Three showers of every particle, and the two others, at random."""
    rng = np.random.default_rng([seed, 3])
    order = np.lexsort((rng.random(len(sample)), sample.particles.incident)).reshape(-1, 5)
    return (sample.select(np.sort(order[:, part].ravel())) for part in (slice(3), slice(3, 5)))


def pull(figure, ideal: float | None) -> float | None:
    """Distance from the ideal or the floor in errors, 99 at most; ``None`` if there is none."""
    value, floor = figure.value, figure.floor
    if value is None or (ideal is None and floor is None):
        return None
    error = value.error if ideal is not None else np.hypot(value.error, floor.error)
    distance = value.value - (floor.value if ideal is None else ideal)
    return float(np.clip(distance / max(error, 1e-12), -99, 99))


def main() -> None:
    from caloforge.data import load_sample
    from caloforge.metrics import make_trial
    from caloforge.metrics.conditional import coactivation, diversity, quantiles, response
    from caloforge.metrics.distortions import distortions
    from caloforge.metrics.one_dimensional import correlations, histograms
    from caloforge.metrics.settings import Settings

    sections = (
        (histograms.histogram_distances, histograms.DEFINITIONS),
        (correlations.correlation_distances, correlations.DEFINITIONS),
        (quantiles.pit, quantiles.DEFINITIONS),
        (coactivation.coactivation, coactivation.DEFINITIONS),
        (diversity.diversity, diversity.DEFINITIONS),
        (response.response, response.DEFINITIONS),
    )
    sample = load_sample("zn-test")
    every = distortions(sample.geometry, load_sample("zn-train"))
    pulls: dict = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for seed in range(N_CLEAN):
        rng = np.random.default_rng([seed, 4])
        reference, other = split(sample, seed)
        generated = {"none": other}
        if seed < N_DISTORTED:
            generated |= {name: every[name].apply(other, rng) for name in every}
        trial = make_trial(reference, generated, rng=rng)
        for section, definitions in sections:
            ideals = {d.name: d.ideal_value for d in definitions}
            for figure in section(trial, Settings(n_bootstrap=100), rng).figures:
                found = pull(figure, ideals[figure.metric])
                if found is not None:
                    pulls[figure.sample][figure.metric][figure.target].append(found)
    table: dict = {}
    for name, metrics in pulls.items():
        for metric, targets in metrics.items():
            means = {target: float(np.mean(values)) for target, values in targets.items()}
            top = max(means, key=lambda target: abs(means[target]))
            flat = np.concatenate(list(targets.values()))
            row = {
                "mean": round(float(flat.mean()), 2),
                "spread": round(float(flat.std()), 2),
                "beyond 3": round(float((np.abs(flat) > 3).mean()), 4),
                "top": top,
                "top pull": round(means[top], 1),
            }
            for key in ("", "cells"):
                if key in means:
                    row[key or "whole"] = round(means[key], 1)
            table.setdefault(name, {})[metric] = row
            print(f"{name:14} {metric:18} {row}")
    result = {"sample": "zn-test", "splits": N_CLEAN, "distorted": N_DISTORTED, "pulls": table}
    write_json(RESULT, result)


if __name__ == "__main__":
    main()

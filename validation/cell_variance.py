"""Variance over mean of a cell in repeated full-simulation showers: are photons independent?

    python validation/cell_variance.py

Pairs of showers of the same particle in zn-train, thinned at random to equal light, so that the
fluctuation of whole showers is out; that of their shape is not. Of two Poisson counts with the
same mean, the squared difference over the sum is 1 on average, whatever their sum: so binning
by the sum introduces no bias.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from result_files import write_json

from caloforge.data import load_sample
from caloforge.training.provenance import provenance

RESULT = Path(__file__).parent / "results" / "cell_variance.json"
BINS = ((0.3, 1), (1, 3), (3, 10), (10, 40))


def main() -> None:
    """Bin cells by the mean of a pair, after the pair's photon sums were made equal."""
    sample = load_sample("zn-train")
    _, group, counts = np.unique(
        sample.particles.incident, return_inverse=True, return_counts=True
    )
    twice = np.flatnonzero(counts[group] == 2)
    pairs = twice[np.argsort(group[twice], kind="stable")].reshape(-1, 2)
    a, b = (sample.showers[pairs[:, k]].astype(float) for k in (0, 1))
    rng = np.random.default_rng(0)
    # Thin the brighter shower at random to the light of the other: counts stay counts, Poisson
    # stays Poisson, and the fluctuation of the whole shower is out.
    low = np.minimum(a.sum(1), b.sum(1))
    a, b = (
        rng.binomial(x.astype(int), (low / np.maximum(x.sum(1), 1))[:, None]).astype(float)
        for x in (a, b)
    )
    mean, variance = (a + b) / 2, (a - b) ** 2 / 2
    rows = []
    for lower, upper in BINS:
        chosen = (mean > lower) & (mean <= upper)
        per_pair = np.stack((variance * chosen, mean * chosen)).sum(axis=2)
        value = per_pair[0].sum() / per_pair[1].sum()
        resampled = []
        for _ in range(100):
            picked = rng.integers(len(pairs), size=len(pairs))
            resampled.append(per_pair[0, picked].sum() / per_pair[1, picked].sum())
        rows.append(
            {"mean": [lower, upper], "variance_over_mean": value, "error": np.std(resampled)}
        )
        print(f"mean {lower} to {upper}: variance / mean {value:.2f} ± {np.std(resampled):.2f}")
    write_json(RESULT, {"data": "zn-train pairs", "rows": rows, "provenance": provenance()})


if __name__ == "__main__":
    main()

"""How two sets of showers of the same particles differ: ratios, tests, a classifier.

Errors and tests respect that showers of one particle belong together. Errors come from the
spread within particles (they are the same in both), for the classifier from a bootstrap of
particles. Tests permute within each particle which of its showers are ours: exact if both
programs draw from one distribution, whatever the particles.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from caloforge.metrics.shower.catalogue import measure, observables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caloforge.data import ShowerSample

BINS = (0.0, 50.0, 200.0, 1e9)
PERMUTATIONS, MORE = 999, 9999
RADII_CM = (0, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 20)
COUNTS = (1, 2, 3, 5, 9, 17, 33, 65, 10**6)


def compare(theirs: ShowerSample, made: Sequence[ShowerSample], seed: int) -> dict[str, Any]:
    """All comparisons of one detector."""
    particles = theirs.particles
    _, first, where, count = np.unique(
        particles.incident, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.argsort(first)
    n, repeats = len(first), int(count[0])
    assert (count == repeats).all()
    rows = np.argsort(where, kind="stable").reshape(n, repeats)[order]
    few = particles.select(first[order])
    for sample in made:
        assert np.array_equal(sample.particles["energy_gev"], few["energy_gev"])
        assert np.array_equal(sample.particles["pdg"], few["pdg"])
    cells = np.concatenate(
        (theirs.showers[rows], np.stack([s.showers for s in made], axis=1)), axis=1
    )  # (particle, shower, cell): the first are theirs
    tables = table(theirs, cells)
    rng = np.random.default_rng(seed)
    kinds, energy = few.kinds(), few["energy_gev"]
    names = [k for k, _ in zip(*np.unique(kinds, return_counts=True), strict=True)]
    names.sort(key=lambda k: -int((kinds == k).sum()))
    groups = {"all": np.ones(n, bool), **{k: kinds == k for k in names}}
    ratios, tests = [], []
    for group, inside in groups.items():
        for low, high in [(0.0, 1e9), *pairwise(BINS)]:
            chosen = inside & (energy >= low) & (energy < high)
            if chosen.sum() >= 8:
                ratios.append(
                    {
                        "kind": group, "low_gev": low, "high_gev": min(high, energy.max()),
                        "particles": int(chosen.sum()),
                        **{
                            name: ratio(values[chosen], repeats)
                            for name, values in tables.items()
                        },
                    }
                )  # fmt: skip
        if inside.sum() >= 8:
            tests += [
                {"kind": group, "observable": name, **permuted(values[inside], repeats, rng)}
                for name, values in tables.items()
            ]
    adjust(tests)
    totals = tables["total"]
    return {
        "particles": n, "reference_showers": repeats, "our_showers": len(made),
        "kinds": {k: int((kinds == k).sum()) for k in names},
        "per_gev": {
            group: {
                "reference": float(
                    totals[inside, :repeats].mean(axis=1).sum() / energy[inside].sum()
                ),
                "ours": float(
                    totals[inside, repeats:].mean(axis=1).sum() / energy[inside].sum()
                ),
            }
            for group, inside in groups.items()
        },
        "ratios": ratios, "tests": tests,
        "tests_made": 3 * len(tests),
        "smallest_holm_p": min(min(t["holm"].values()) for t in tests),
        "empty": {
            "reference": int((totals[:, :repeats] == 0).sum()),
            "of_reference": n * repeats,
            "ours": int((totals[:, repeats:] == 0).sum()),
            "of_ours": n * len(made),
        },
        "largest_cell": {
            "reference": [int(v) for v in cells[:, :repeats].max(axis=(0, 2))],
            "ours": [int(v) for v in cells[:, repeats:].max(axis=(0, 2))],
            "what": "largest cell of each repeat of all particles",
        },
        "radial": profile(theirs, cells, few, repeats),
        "cell_spectrum": spectrum(cells, repeats),
        "classifier": classify(theirs, cells, few, repeats, seed),
        "cpu_seconds_per_gev": {
            "reference": float(theirs.cpu_seconds.sum() / energy.sum() / repeats),
            "ours": float(sum(s.cpu_seconds.sum() for s in made) / energy.sum() / len(made)),
            "what": "on machines that did other things too",
        },
    }  # fmt: skip


def table(sample: ShowerSample, cells: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Observables, ``(particle, shower)`` each."""
    n, m = cells.shape[:2]
    flat = cells.reshape(n * m, -1)
    shapes = observables(sample.geometry)
    values = dict(zip((s.name for s in shapes), measure(shapes, flat).T, strict=True))
    grid = np.arange(flat.shape[1]).reshape(sample.geometry.layout.cells)
    edge = np.unique(np.concatenate((grid[0], grid[-1], grid[:, 0], grid[:, -1])))
    sums = channels(sample, flat)
    found = {
        "total": values["total"],
        "lit_cells": values["lit_cells"],
        "width": np.hypot(values["width_x"], values["width_y"]),
        "peak_cell": values["peak_cell"],
        "edge_light": flat[:, edge].sum(axis=1, dtype=float),
        "channel 5": sums[:, 4],
        "largest of channels 1-4": sums[:, :4].max(axis=1),
    }
    return {name: value.reshape(n, m) for name, value in found.items()}


def channels(sample: ShowerSample, flat: NDArray[Any]) -> NDArray[np.float64]:
    """Sums of channels in the convention of the literature, ``(n, 5)``."""
    masks = sample.geometry.channels("literature").masks
    found: NDArray[np.float64] = flat.astype(float) @ masks.T.astype(float)
    return found


def ratio(values: NDArray[np.float64], repeats: int) -> dict[str, float]:
    """Mean of ours over mean of theirs, with the error of the showers (particles are fixed)."""
    theirs, mine = values[:, :repeats], values[:, repeats:]
    # Variance within particles, pooled over both: a particle has few showers of each.
    within = values.var(axis=1, ddof=1).sum()
    n = len(values)
    mean = theirs.mean(), mine.mean()
    if not min(mean) > 0:
        return {"ratio": float("nan"), "error": float("nan")}
    found = mean[1] / mean[0]
    relative = [
        np.sqrt(within / k) / n / m for k, m in zip((repeats, mine.shape[1]), mean, strict=True)
    ]
    return {"ratio": float(found), "error": float(found * np.hypot(*relative))}


def permuted(
    values: NDArray[np.float64], repeats: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Three tests by permutation: Kolmogorov-Smirnov, shift, and spread within particles."""
    n, m = values.shape
    centred = values - values.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    centred = centred / np.where(scale > 0, scale, 1.0)
    # Place of each value among all, ties alike: KS distance from counts in order.
    flat = centred.reshape(-1)
    level, where = np.unique(np.round(flat, 9), return_inverse=True)
    where = where.reshape(n, m)

    def statistics(mine: NDArray[np.int64]) -> tuple[float, float, float]:
        is_mine = np.zeros((n, m), bool)
        np.put_along_axis(is_mine, mine, values=True, axis=1)
        ours = np.bincount(where[is_mine], minlength=len(level))
        rest = np.bincount(where[~is_mine], minlength=len(level))
        ks = np.abs(np.cumsum(ours) / ours.sum() - np.cumsum(rest) / rest.sum()).max()
        shift = centred[is_mine].mean() - centred[~is_mine].mean()
        size = (centred[is_mine] ** 2).mean() - (centred[~is_mine] ** 2).mean()
        return float(ks), abs(float(shift)), abs(float(size))

    def draw() -> NDArray[np.int64]:
        return rng.random((n, m)).argsort(axis=1)[:, : m - repeats]

    truth = statistics(np.tile(np.arange(repeats, m), (n, 1)))

    def p_values(times: int) -> NDArray[np.float64]:
        drawn = np.array([statistics(draw()) for _ in range(times)])
        return (1 + (drawn >= np.array(truth) - 1e-12).sum(axis=0)) / (1 + times)

    p = p_values(PERMUTATIONS)
    if (
        p.min() < 10 / PERMUTATIONS
    ):  # of many tests, only small p-values can matter: get them right
        p = p_values(MORE)
    return {"p": dict(zip(("ks", "shift", "spread"), p.tolist(), strict=True))}


def adjust(tests: list[dict[str, Any]]) -> None:
    """Add Holm's adjusted p-values over all tests."""
    flat = [(t["p"][name], t, name) for t in tests for name in t["p"]]
    flat.sort(key=lambda row: row[0])
    largest = 0.0
    for place, (p, test, name) in enumerate(flat):
        largest = max(largest, min(1.0, p * (len(flat) - place)))
        test.setdefault("holm", {})[name] = largest


def profile(
    sample: ShowerSample, cells: NDArray[Any], few: Any, repeats: int
) -> dict[str, Any]:
    """Light against the distance from where the particle enters: ours over theirs."""
    centres = sample.geometry.layout.centres_cm()
    at = np.stack((few["x_cm"], few["y_cm"]), axis=1)
    which = np.digitize(np.linalg.norm(centres - at[:, None], axis=2), RADII_CM) - 1
    light = [
        (cells * (which == k)[:, None]).sum(axis=2, dtype=float)
        for k in range(len(RADII_CM) - 1)
    ]
    return {
        "radii_cm": RADII_CM,
        "photons": [float(v[:, :repeats].mean()) for v in light],
        "ratios": [ratio(v, repeats) for v in light],
    }


def spectrum(cells: NDArray[Any], repeats: int) -> dict[str, Any]:
    """Number of cells with so many photons: ours over theirs."""
    number = [
        ((cells >= low) & (cells < high)).sum(axis=2, dtype=float)
        for low, high in pairwise(COUNTS)
    ]
    return {
        "photons_from": COUNTS[:-1],
        "cells": [float(v[:, :repeats].mean()) for v in number],
        "ratios": [ratio(v, repeats) for v in number],
    }


def classify(
    sample: ShowerSample, cells: NDArray[Any], few: Any, repeats: int, seed: int
) -> dict[str, Any]:
    """AUC of boosted trees that tell ours from theirs, and theirs from theirs (the floor).

    One repeat against four of the reference: each of ours against each choice of four; for the
    floor each of the reference against its four others. Folds keep particles together.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits
    except ImportError:
        return {"left_out": "scikit-learn is not installed"}
    features = inputs(sample, cells, few)
    n, m = features.shape[:2]
    fold = np.random.default_rng(seed).integers(5, size=n)

    def auc(one: int, others: list[int]) -> tuple[NDArray[Any], NDArray[Any]]:
        columns = [one, *others]
        x, score = features[:, columns], np.zeros((n, len(columns)))
        y = np.zeros((n, len(columns)))
        y[:, 0] = 1
        for k in range(5):
            train, test = fold != k, fold == k
            model = HistGradientBoostingClassifier(
                max_iter=60, learning_rate=0.06, max_leaf_nodes=8, min_samples_leaf=20,
                class_weight="balanced", random_state=seed,
            )  # fmt: skip
            with threadpool_limits(1):  # small tables: threads only wait for each other
                model.fit(x[train].reshape(-1, x.shape[2]), y[train].reshape(-1))
                found = model.predict_proba(x[test].reshape(-1, x.shape[2]))[:, 1]
            score[test] = found.reshape(-1, len(columns))
        # Ranks within folds: each has a model of its own.
        for k in range(5):
            score[fold == k] = stats.rankdata(score[fold == k]).reshape(-1, len(columns)) / (
                (fold == k).sum() * len(columns)
            )
        return score[:, :1], score[:, 1:]

    def one_auc(mine: NDArray[Any], rest: NDArray[Any]) -> float:
        u = stats.mannwhitneyu(mine.reshape(-1), rest.reshape(-1)).statistic
        return float(u / mine.size / rest.size)

    def measured(designs: list[tuple[int, list[int]]]) -> dict[str, Any]:
        scores = [auc(*design) for design in designs]
        rng = np.random.default_rng(seed)
        picks = rng.integers(n, size=(200, n))
        drawn = [np.mean([one_auc(a[p], b[p]) for a, b in scores]) for p in picks]
        values = [one_auc(a, b) for a, b in scores]
        return {"auc": float(np.mean(values)), "error": float(np.std(drawn)), "each": values}

    theirs = list(range(repeats))
    four = [[j for j in theirs if j != k] for k in theirs]
    return {
        "what": "boosted trees, one repeat against four, folds by particle",
        "ours_against_reference": measured(
            [(k, others) for k in range(repeats, m) for others in four]
        ),
        "reference_against_reference": measured(list(zip(theirs, four, strict=True))),
        "spoilt": {
            "what": "a reference repeat with 10 % more light (each cell, at random)",
            **spoilt(sample, cells, few, repeats, seed, measured, features),
        },
    }


def spoilt(
    sample: ShowerSample, cells: NDArray[Any], few: Any, repeats: int, seed: int,
    measured: Any, features: NDArray[Any],
) -> dict[str, Any]:  # fmt: skip
    """What a difference of known size gives: does the classifier see anything at all?"""
    rng = np.random.default_rng(seed)
    kept = features[:, 0].copy()
    first = cells[:, :1]
    features[:, 0] = inputs(sample, first + rng.poisson(0.1 * first), few)[:, 0]
    found: dict[str, Any] = measured([(0, list(range(1, repeats)))])
    features[:, 0] = kept
    return found


def inputs(sample: ShowerSample, cells: NDArray[Any], few: Any) -> NDArray[np.float64]:
    """Features: shapes, channels, and the particle, ``(particle, shower, feature)``."""
    n, m = cells.shape[:2]
    flat = cells.reshape(n * m, -1)
    shapes = observables(sample.geometry)
    found = measure(shapes, flat)
    names = [s.name for s in shapes]
    total = np.maximum(found[:, names.index("total")], 1)
    shared = channels(sample, flat) / total[:, None]
    per_gev = total / np.repeat(few["energy_gev"], m)
    conditions = np.stack(
        [few["energy_gev"], few["x_cm"], few["y_cm"], few["pdg"].astype(float)], axis=1
    )
    columns = (found, shared, per_gev[:, None], np.repeat(conditions, m, axis=0))
    return np.concatenate(columns, axis=1).reshape(n, m, -1)

"""What goes together in a shower, measured on training showers.

    python validation/correlations.py            # 3 core-minutes
    python validation/correlations.py --draw     # only docs/tables/correlations.md

ZN: companions of photons (`TrackLight`) by family and brightness, and how many cells hold one,
two and more photons in showers of `zn-e2e-shapes`, of the validation side. Cylinder: the mean
deposit of a cell, from how often it is empty and from its variance, and which cells light
together. Its particles differ in energy alone, so that two that are next in energy stand for
repeated showers of one. Errors are bootstraps over pairs of showers. Test showers are not
touched.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markdown_tables import table
from result_files import read_json, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

HERE = Path(__file__).parent
RESULT = HERE / "results" / "correlations.json"
PAGE = HERE.parent / "docs" / "tables" / "correlations.md"
BUNDLE = "zn-e2e-shapes"
BOOTSTRAPS = 12
# Photons a cell, lower edges; photons a shower.
PHOTONS, TOTALS = (1, 2, 3, 4, 8), (5, 15, 50, 150)
# Of the cylinder: energies in GeV, showers near in energy, steps in layers, sectors and rings.
ENERGIES = ((1, 5), (5, 15), (15, 50))
NEAR = 60
STEPS = ((0, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (0, 2, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0))
OUTER = (
    1  # ring from which pairs are counted: the innermost is full of the particle's own light
)


def tracks() -> list[dict[str, Any]]:
    """Companions of a photon by family and third of the pairs by their light."""
    from caloforge.config import load_run
    from caloforge.data.features import ELECTROMAGNETIC
    from caloforge.data.track_light import TrackLight
    from caloforge.training.preparation import prepare

    sides = prepare(load_run(BUNDLE))
    sample, frame = sides.train.sample, sides.frame
    order = np.argsort(sample.particles.incident, kind="stable")
    incident = sample.particles.incident[order]
    first = np.flatnonzero(incident[1:] == incident[:-1])
    first = first[np.append(True, np.diff(first) > 1)]
    pairs = np.stack((order[first], order[first + 1]), axis=1)
    light = sample.showers.sum(axis=1, dtype=np.int64)[pairs].sum(axis=1)
    own = np.isin(np.abs(sample.particles["pdg"][pairs[:, 0]]), ELECTROMAGNETIC)

    def fit(chosen: NDArray[np.int64]) -> Array:
        rows = pairs[chosen].ravel()
        some = sample.particles.select(rows)
        made = TrackLight.fit(frame, some, sample.showers[rows], fewest=1, share=1.0)
        return np.array([made.companions, made.wander, made.reach])

    found = []
    for family, members in (("hadrons", ~own), ("photons and electrons", own)):
        rows = np.flatnonzero(members)
        ranked = rows[np.argsort(light[rows], kind="stable")]
        thirds = np.array_split(ranked, 3)
        for part, chosen in zip(
            ("all", "dimmest third", "middle third", "brightest third"),
            (rows, *thirds),
            strict=True,
        ):
            value, error = with_errors(fit, chosen)
            figures = dict(
                zip(("companions", "wander", "reach"), both(value, error), strict=True)
            )
            found.append({"family": family, "pairs": part, "n": len(chosen), **figures})
    return found


def multiplicities() -> list[dict[str, Any]]:
    """Cells with so many photons, generated over full simulation, by photons a shower."""
    from caloforge.data.features import ELECTROMAGNETIC
    from caloforge.generation import load
    from caloforge.training.preparation import prepare

    simulation = load(BUNDLE)
    sample = prepare(simulation.bundle.run).validation.sample
    made = simulation.generate(sample.particles, seed=1, repeats=5).showers
    hadrons = np.flatnonzero(~np.isin(np.abs(sample.particles["pdg"]), ELECTROMAGNETIC))
    found = []
    for low, high in zip(TOTALS, (*TOTALS[1:], np.inf), strict=True):

        def numbers(showers: NDArray[Any], low: float = low, high: float = high) -> Array:
            light = showers.sum(axis=1)
            some = showers[(light >= low) & (light < high)]
            edges = (*PHOTONS, np.inf)
            cells = [((some >= a) & (some < b)).sum() for a, b in pairwise(edges)]
            return np.array(cells) / max(some.sum(), 1)

        def ratio(rows: NDArray[np.int64]) -> Array:
            fast = made[(5 * rows[:, None] + np.arange(5)).ravel()]
            full = numbers(sample.showers[rows])
            return numbers(fast) / np.where(full > 0, full, np.nan)

        value, error = with_errors(ratio, hadrons, 50)
        found.append({"photons": [low, high if np.isfinite(high) else None]})
        found[-1]["ratios"] = both(value, error)
    return found


def deposits() -> dict[str, Any]:
    """Mean deposit by ring, and companions of a deposit by step."""
    from caloforge.config import load_run
    from caloforge.data.deposit_twins import like
    from caloforge.training.preparation import prepare

    sample = prepare(load_run("cylinder-e2e-sae")).train.sample
    energy = sample.particles["energy_gev"]
    order = np.argsort(energy, kind="stable")
    layers = sample.geometry.layout.layers
    shape = (len(layers), *layers[0].shape)
    x = sample.showers[order].astype(np.float64).reshape(-1, *shape)
    energy = energy[order]

    def mean_deposit(groups: NDArray[np.int64]) -> Array:
        """By empty cells and by variance, ``(2 ring)``; only where either tells something."""
        light, number, variance = np.zeros((3, shape[2]))
        for group in groups:
            part = x[group * NEAR : (group + 1) * NEAR]
            empty, mean = (part == 0).mean(axis=(0, 2)), part.mean(axis=(0, 2))
            some = (empty > 0.1) & (empty < 1)
            light += np.where(some, mean, 0).sum(axis=0)
            number += np.where(some, -np.log(np.where(some, empty, 1)), 0).sum(axis=0)
            spread = part.var(axis=0, ddof=1).mean(axis=1)
            variance += np.where(some, spread, 0).sum(axis=0)
        return np.concatenate((light / number, variance / light / 2))

    value, error = with_errors(mean_deposit, np.arange(len(x) // NEAR))
    rings = shape[2]
    result: dict[str, Any] = {
        "by empty cells": both(value[:rings], error[:rings]),
        "by variance": both(value[rings:], error[rings:]),
        "companions": [],
    }
    typical = float(np.median(value[1:rings]))
    for low, high in ENERGIES:
        rows = np.flatnonzero((energy >= low) & (energy < high))
        pairs = rows[: len(rows) // 2 * 2].reshape(-1, 2)

        def companions(chosen: NDArray[np.int64], pairs: NDArray[np.int64] = pairs) -> Array:
            one, other = (x[pairs[chosen, side]] / typical for side in (0, 1))
            return excess(one, other)

        value, error = with_errors(companions, np.arange(len(pairs)))
        result["companions"].append(
            {
                "energies": [low, high],
                "pairs": len(pairs),
                "steps": [
                    {"step": list(step), "cells": len(like(step)), "each": [v, e]}
                    for step, v, e in zip(STEPS, value, error, strict=True)
                ],
            }
        )
    return result


def excess(one: Array, other: Array) -> Array:
    """Deposits that lie a step away because of each other, a deposit, for one such cell."""
    from caloforge.data.deposit_twins import pair_excess

    weight = 1 / (1 + (one + other)[..., OUTER:].sum(axis=(1, 2, 3)) / 2)
    light = np.einsum("nijk,n->", (one + other)[..., OUTER:], weight) / 2
    found = [pair_excess(one, other, step, weight)[OUTER:].sum() / light for step in STEPS]
    found[STEPS.index((0, 0, 0))] -= 2.0  # second moment of an exponential deposit
    return np.array(found)


def with_errors(
    figure: Callable[[NDArray[np.int64]], Array],
    rows: NDArray[np.int64],
    bootstraps: int = BOOTSTRAPS,
) -> tuple[list[float], list[float]]:
    """Value of figures of some rows, and bootstrap errors."""
    rng = np.random.default_rng(0)
    drawn = [figure(rng.choice(rows, len(rows))) for _ in range(bootstraps)]
    value, error = figure(rows), np.std(drawn, axis=0, ddof=1)
    return [float(f"{v:.4g}") for v in value], [float(f"{e:.2g}") for e in error]


def both(value: list[float], error: list[float]) -> list[list[float | None]]:
    """Pairs of value and error, without those that have none."""
    pairs = zip(value, error, strict=True)
    return [[v, e] if np.isfinite([v, e]).all() else [None, None] for v, e in pairs]


def page(found: dict[str, Any]) -> str:
    """The tables."""

    def text(pair: list[float | None]) -> str:
        value, error = pair
        if value is None or error is None or error > 1:  # too few to say
            return "-"
        return f"{value:.2f} ± {error:.1g}"

    lines = [
        "# What goes together in a shower",
        "",
        "Tracks in the ZN, pairs of training showers:",
        "",
    ]
    heads = ["family", "pairs", "number", "companions", "wander", "reach [cells]"]
    rows = [
        [row["family"], row["pairs"], f"{row['n']:,}"]
        + [text(row[name]) for name in ("companions", "wander", "reach")]
        for row in found["tracks"]
    ]
    lines += table(heads, rows)
    edges = [*PHOTONS, None]
    names = [
        f"{a} or more" if b is None else str(a) if b == a + 1 else f"{a} to {b - 1}"
        for a, b in pairwise(edges)
    ]
    lines += [
        "",
        f"Cells of so many photons, `{BUNDLE}` / Geant4, hadrons of the validation side:",
        "",
    ]
    rows = [
        [f"{low} to {high - 1}" if high else f"{low} or more", *map(text, row["ratios"])]
        for row in found["multiplicities"]
        for low, high in [row["photons"]]
    ]
    lines += table(["photons a shower", *names], rows)
    own = found["deposits"]
    lines += ["", "Mean deposit on the cylinder [MeV], by ring from the axis:", ""]
    rows = [
        [f"from {way.removeprefix('by ')}", *map(text, own[way])]
        for way in ("by empty cells", "by variance")
    ]
    lines += table(["", *map(str, range(len(own["by variance"])))], rows)
    lines += [
        "",
        "Companions of a deposit in one cell so many layers, sectors and rings away, outside",
    ]
    lines += ["the innermost ring:", ""]
    steps = [row["step"] for row in own["companions"][0]["steps"]]
    rows = [
        [f"{row['energies'][0]} to {row['energies'][1]} GeV", f"{row['pairs']:,}"]
        + [text(step["each"]) for step in row["steps"]]
        for row in own["companions"]
    ]
    lines += table(["energy", "pairs", *(", ".join(map(str, step)) for step in steps)], rows)
    made = f"`python validation/correlations.py`, {found['provenance']['date']}"
    lines += ["", f"± bootstrap over showers, or pairs of them. Made by {made}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draw", action="store_true", help="only draw")
    if not parser.parse_args().draw:
        import torch

        from caloforge.training.provenance import provenance

        torch.set_num_threads(1)
        found = {"tracks": tracks(), "multiplicities": multiplicities(), "deposits": deposits()}
        write_json(RESULT, {**found, "provenance": provenance()})
    write_text(PAGE, page(read_json(RESULT)))


if __name__ == "__main__":
    main()

"""Response of the simulated ZN: per GeV, resolution, linearity, e/h, containment, profiles.

    python validation/simulation/response.py --workers 2            # 10 CPU minutes
    python validation/simulation/response.py --workers 2 --scale 4  # half the errors

Particles enter the middle of the face along the beam. Writes
``validation/results/simulation-response.json``. Light: the ZN of the package with the default
physics. Deposited energy: ``zn-block.toml`` (the ZN mixed to a homogeneous cylinder) and
``zn-wide.toml`` (60 cm wide), beside this file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from common import (
    CELL,
    FIBRE,
    HERE,
    POINT,
    arguments,
    efficiency,
    fit,
    fixed_gun,
    mean_error,
    resolution_fit,
    save,
    scaled,
    showers,
    spread,
)
from scipy import stats

from caloforge.data import ShowerSample, read_showers

if TYPE_CHECKING:
    import argparse

    from numpy.typing import NDArray

PLAN = {
    "n": {20: 60, 50: 50, 100: 40, 200: 20, 400: 10, 800: 6},
    "gamma": {20: 30, 50: 24, 100: 16, 200: 8},
    "pi+": {20: 40, 50: 30, 100: 20, 200: 12},
    "p": {50: 30, 100: 20, 200: 12},
}
BLOCK = {"n": {20: 30, 100: 24, 400: 6}, "gamma": {100: 10}, "pi+": {100: 16}}
WIDE = {"n": {100: 16}, "gamma": {100: 6}}
IN_CELL = {"corner of four cells": POINT, "fibre": FIBRE, "anywhere in a cell": CELL}
# Photons per GeV above 20 GeV incident: ALICE, O2 with GEANT3 (shared/ZDC.md, section 1).
# Spread: relative, from shower to shower, where it is given.
ALICE = {
    "n": {"mean": 0.66, "spread": 0.2, "at_gev": {"40": 0.60, "750": 0.71}},
    "gamma": {"mean": 1.02, "spread": 0.18},
    "pi+": {"mean": [0.62, 0.66]},
    "p": {"mean": 0.61},
}
GROOM_K, GROOM_E0 = 0.82, {"n": 2.6, "pi+": 1.0, "p": 2.6}


def light(options: argparse.Namespace) -> tuple[dict[str, Any], ShowerSample]:
    """Photons of each kind and energy."""
    found: dict[str, Any] = {}
    sample = None
    for kind, energies in PLAN.items():
        rows = []
        for gev, n in energies.items():
            if (kind, gev) == ("n", 100) and options.neutrons is not None:
                sample = read_showers(options.neutrons)
            else:
                sample = showers(
                    options, f"zn-{kind}-{gev}", "zn", n=scaled(options, n),
                    gun=fixed_gun(options, kind, gev), seed=options.seed,
                )  # fmt: skip
            rows.append(one_energy(sample, gev))
        found[kind] = rows
    assert sample is not None
    return found, sample


def one_energy(sample: ShowerSample, gev: float) -> dict[str, Any]:
    """Response per GeV and resolution at one energy."""
    total = sample.showers.sum(axis=1, dtype=float)
    # To the efficiency that the ZN has now: thinned counts keep the share `p` of the light, and
    # have counting noise for what is left of it.
    p = efficiency("zn") / efficiency(sample)
    mean, error = mean_error(p * total / gev)
    relative, of_relative = spread(total)
    own = relative**2 - 1 / total.mean()
    now = float(np.sqrt(own + 1 / (p * total.mean())))
    return {
        "gev": gev, "showers": len(total), "per_gev": mean, "error": error,
        "resolution": now, "resolution_error": of_relative * relative / now,
        "squared_without_counting": own,
        "cpu_seconds_per_gev": float(np.mean(sample.cpu_seconds) / gev),
    }  # fmt: skip


def against_alice(found: dict[str, Any]) -> dict[str, Any]:
    """Scale by one constant, fitted to neutrons only; show the rest with it."""
    gev, per_gev, error = (
        np.array([row[k] for row in found["n"]]) for k in ("gev", "per_gev", "error")
    )
    # ALICE's two energies give its slope in ln E; the mean of 0.66 lies on that line.
    low, high = (float(v) for v in ALICE["n"]["at_gev"].values())
    theirs = low + (high - low) * np.log(gev / 40) / np.log(750 / 40)
    weight = (theirs / error) ** 2
    ratio = per_gev / theirs
    factor = float((ratio * weight).sum() / weight.sum())
    factor_error = float(weight.sum() ** -0.5)
    chi2 = float((((per_gev - factor * theirs) / error) ** 2).sum())
    slope = fit(
        lambda e, c, s: c + s * np.log(e / 100), gev, per_gev / factor, error / factor,
        (0.65, 0.03), ("at_100_gev", "per_unit_of_ln_e"),
    )  # fmt: skip
    used = efficiency("zn")
    kinds = {}
    for kind, rows in found.items():
        chosen = [r for r in rows if r["gev"] >= 20]
        values = np.array([r["per_gev"] for r in chosen]) / factor
        errors = np.array([r["error"] for r in chosen]) / factor
        # Mean over ln E, as of a log-uniform spectrum.
        kinds[kind] = {
            "scaled_mean": float(values.mean()),
            "error": float(np.sqrt((errors**2).sum()) / len(errors)),
            "scale_error": float(values.mean() * factor_error / factor),
            "alice": ALICE[kind]["mean"],
        }
    return {
        "what": "photons per GeV over those of ALICE, fitted to n at all energies",
        "factor": factor, "factor_error": factor_error, "chi2": chi2, "ndf": len(gev) - 1,
        "efficiency_in_zn_toml": used, "efficiency_that_fits": used / factor,
        "efficiency_error": used * factor_error / factor**2,
        "alice_slope_per_unit_of_ln_e": (high - low) / np.log(750 / 40),
        "slope": slope, "kinds": kinds, "alice": ALICE,
    }  # fmt: skip


def resolutions(found: dict[str, Any]) -> dict[str, Any]:
    """Fit sigma / E = a / sqrt(E) (+) b of each kind."""
    fits = {}
    for kind, rows in found.items():
        gev, sigma, error = (
            [row[k] for row in rows] for k in ("gev", "resolution", "resolution_error")
        )
        fits[kind] = resolution_fit(gev, sigma, error)
    return fits


def linearity(found: dict[str, Any]) -> dict[str, Any]:
    """Response per GeV of each kind: is it one constant?"""
    result = {}
    for kind, rows in found.items():
        value, error = (np.array([row[k] for row in rows]) for k in ("per_gev", "error"))
        mean = float((value / error**2).sum() / (error**-2).sum())
        chi2 = float((((value - mean) / error) ** 2).sum())
        result[kind] = {
            "mean": mean, "largest_deviation": float(np.abs(value / mean - 1).max()),
            "chi2": chi2, "ndf": len(rows) - 1,
            "p": float(stats.chi2.sf(chi2, len(rows) - 1)),
        }  # fmt: skip
    return result


def e_over_h(found: dict[str, Any], gamma: float, gamma_error: float) -> dict[str, Any]:
    """e/h from e/pi against energy, with Groom's electromagnetic share.

    h-response / e-response = 1 - (1 - h/e) (E / E0)^(k - 1), k from 0.82 to 0.87, E0 = 1 GeV
    for pions and 2.6 GeV for nucleons (Groom, NIM A 572, 633). "e" is that of photons of
    50 GeV, averaged over a cell.
    """
    result: dict[str, Any] = {"photons_per_gev_of_gamma": gamma, "error": gamma_error}
    for kind, e0 in GROOM_E0.items():
        gev, value, error = (
            np.array([row[k] for row in found[kind]]) for k in ("gev", "per_gev", "error")
        )
        rows = []
        for k in (GROOM_K, 0.85, 0.87):

            def model(e: Any, h_e: float, e0: float = e0, k: float = k) -> NDArray[np.float64]:
                return 1 - (1 - h_e) * (np.asarray(e) / e0) ** (k - 1)

            got = fit(model, gev, value / gamma, error / gamma, (0.3,), ("h_over_e",))
            h_e, h_error = got["h_over_e"]["value"], got["h_over_e"]["error"]
            rows.append({"k": k, "e_over_h": 1 / h_e, "error": h_error / h_e**2, **got})
        ratio = gamma / value
        errors = ratio * np.hypot(gamma_error / gamma, error / value)
        result[kind] = {
            "fits": rows, "gev": gev, "e_over_hadron": ratio, "e_over_hadron_error": errors
        }  # fmt: skip
    return result


def deposits(options: argparse.Namespace, detector: str, plan: dict[str, Any]) -> list[Any]:
    """Deposited share, containment and profiles in a homogeneous block."""
    rows = []
    for kind, energies in plan.items():
        for gev, n in energies.items():
            sample = showers(
                options, f"{detector}-{kind}-{gev}", HERE / f"{detector}.toml",
                n=scaled(options, n), gun=fixed_gun(options, kind, gev), seed=options.seed,
            )  # fmt: skip
            layers = np.stack(sample.geometry.layout.shaped(sample.showers), axis=1)
            cells = layers[:, :, 0, :].astype(float) / (1000 * gev)  # (n, depth, ring)
            share = cells.sum(axis=(1, 2))
            mean, error = mean_error(share)
            depth, ring = cells.sum(axis=2), cells.sum(axis=1)
            edges = np.array(sample.geometry.layout.layers[0].r_edges_mm) / 10
            rows.append({
                "kind": kind, "gev": gev, "showers": len(share), "deposited": mean,
                "error": error, "spread": float(share.std(ddof=1)),
                "per_cm": depth.mean(axis=0),
                "per_cm_error": depth.std(axis=0, ddof=1) / np.sqrt(len(depth)),
                "rings_cm": edges, "per_ring": ring.mean(axis=0),
                "per_ring_error": ring.std(axis=0, ddof=1) / np.sqrt(len(ring)),
                "depth_of_half_cm": quantile(depth.mean(axis=0), np.arange(101), 0.5),
                "depth_of_95_percent_cm": quantile(depth.mean(axis=0), np.arange(101), 0.95),
                "radius_of_90_percent_cm": quantile(ring.mean(axis=0), edges, 0.9),
            })  # fmt: skip
    return rows


def quantile(content: NDArray[Any], edges: NDArray[Any], share: float) -> float:
    """Where the share of all that is deposited is reached, linear between edges."""
    total = np.concatenate(([0.0], np.cumsum(content)))
    return float(np.interp(share, total / total[-1], edges))


def in_the_cell(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Photons of 50 GeV: how much light depends on where in its cell one enters."""
    rows = []
    for where, position in IN_CELL.items():
        sample = showers(
            options, f"zn-gamma-50-{where.split()[0]}", "zn", n=scaled(options, 24),
            gun=fixed_gun(options, "gamma", 50, position), seed=options.seed + 7,
        )  # fmt: skip
        largest = sample.showers.max(axis=1)
        row = one_energy(sample, 50)
        rows.append({"where": where, **row, "largest_cell": mean_error(largest)})
    return rows


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--neutrons", type=Path, help="zn-neutron-100.h5, else made here")
    options = parser.parse_args()
    found, sample = light(options)
    # Showers of hadrons are as wide as many cells; those of photons feel where in its cell they
    # begin. "e" is their mean over a cell.
    cell = in_the_cell(options)
    gamma = next(r for r in cell if r["where"] == "anywhere in a cell")
    alice = against_alice(found)
    alice["gamma anywhere in a cell"] = {
        "scaled": gamma["per_gev"] / alice["factor"],
        "error": gamma["error"] / alice["factor"],
    }
    result = {
        "detector": "zn", "position": "middle of the face, along the beam",
        "light": found, "in_the_cell": cell, "alice": alice, "resolution": resolutions(found),
        "linearity": linearity(found),
        "e_over_h": e_over_h(found, gamma["per_gev"], gamma["error"]),
    }  # fmt: skip
    save("response", result, sample)
    result["deposits"] = {
        "zn-block": deposits(options, "zn-block", BLOCK),
        "zn-wide": deposits(options, "zn-wide", WIDE),
    }
    save("response", result, sample)


if __name__ == "__main__":
    main()

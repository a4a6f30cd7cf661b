"""Electrons in the silicon-tungsten cylinder against what is known of such showers.

    python validation/simulation/cylinder.py     # seconds: the showers come with caloforge

Reads ``cylinder-train`` and ``cylinder-test`` (electrons of 1 to 50 GeV, made by
``caloforge simulate cylinder``; their card has the commands). Response, sampling resolution,
depth of the maximum against ln E, and containment against the Moliere radius of the stack.
Writes ``validation/results/simulation-cylinder.json``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from common import arguments, fit, mean_error, resolution_fit, save
from scipy import optimize

from caloforge.data import read_showers
from caloforge.data.sample import resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Review of Particle Physics, atomic and nuclear properties: radiation length (cm), critical
# energy for electrons (MeV), Moliere radius (g/cm2), density (g/cm3).
TUNGSTEN = {"x0_cm": 0.3504, "ec_mev": 7.97, "moliere_g_cm2": 18.0, "density": 19.3}
SILICON = {"x0_cm": 9.37, "ec_mev": 40.19, "moliere_g_cm2": 11.51, "density": 2.329}
W_CM, SI_CM, PAIRS = 0.14, 0.03, 2  # sheets of a layer: cylinder.toml
EDGES_GEV = np.geomspace(1, 50, 9)
SHARES = (0.5, 0.8, 0.9, 0.95)
N_BOOTSTRAP = 200


def stack() -> dict[str, float]:
    """Radiation lengths of a layer, critical energy and Moliere radius of the stack."""
    w, si = PAIRS * W_CM, PAIRS * SI_CM
    depth = w / TUNGSTEN["x0_cm"] + si / SILICON["x0_cm"]
    ec = (
        w / TUNGSTEN["x0_cm"] * TUNGSTEN["ec_mev"] + si / SILICON["x0_cm"] * SILICON["ec_mev"]
    ) / depth
    mass = w * TUNGSTEN["density"] + si * SILICON["density"]
    inverse = (
        w * TUNGSTEN["density"] / TUNGSTEN["moliere_g_cm2"]
        + si * SILICON["density"] / SILICON["moliere_g_cm2"]
    ) / mass
    return {
        "x0_a_layer": depth, "critical_energy_mev": ec,
        "moliere_cm": 1 / inverse / (mass / (w + si)),
    }  # fmt: skip


def depths(material: dict[str, float], n_layers: int) -> NDArray[np.float64]:
    """Mean depth of the silicon of each layer in radiation lengths."""
    w, si = W_CM / TUNGSTEN["x0_cm"], SI_CM / SILICON["x0_cm"]
    within = np.mean([k * (w + si) + w + si / 2 for k in range(PAIRS)])
    found: NDArray[np.float64] = np.arange(n_layers) * material["x0_a_layer"] + within
    return found


def shower_maximum(depth: NDArray[Any], profile: NDArray[Any], above: float = 0.05) -> float:
    """Maximum of the gamma distribution that fits a mean profile, where it is above a share."""

    def model(t: Any, scale: float, at: float, b: float) -> Any:
        # dE/dt ~ (b t)^(a-1) exp(-b t), with its maximum at (a - 1) / b.
        power = at * b
        return scale * np.exp(power * np.log(t / at) - b * (t - at))

    start = (profile.max(), depth[profile.argmax()], 0.5)
    # The tails are no gamma distribution, and hold little.
    near = profile > above * profile.max()
    best, _ = optimize.curve_fit(model, depth[near], profile[near], p0=start)
    return float(best[1])


def radii(ring: NDArray[Any], edges_cm: NDArray[Any]) -> list[float]:
    """Radii that hold the shares; between edges what is outside falls exponentially."""
    outside = 1 - np.concatenate(([0.0], np.cumsum(ring) / ring.sum()))[:-1]
    wanted = np.log(1 - np.array(SHARES))
    return np.interp(-wanted, -np.log(outside), edges_cm[:-1]).tolist()


def resampled(function: Any, values: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Standard deviation of a function of the mean over showers, by bootstrap."""
    n = len(values)
    drawn = [function(values[rng.integers(n, size=n)].mean(axis=0)) for _ in range(N_BOOTSTRAP)]
    found: NDArray[Any] = np.std(drawn, axis=0)
    return found


def main() -> None:
    options = arguments(__doc__).parse_args()
    samples = [read_showers(resolve(name)) for name in ("cylinder-train", "cylinder-test")]
    layout = samples[0].geometry.layout
    shaped = [np.stack(layout.shaped(s.showers), axis=1) for s in samples]
    rings = np.concatenate([cells.sum(axis=2, dtype=np.float64) for cells in shaped])
    energy = np.concatenate([s.particles["energy_gev"] for s in samples])
    seconds = np.concatenate([s.cpu_seconds for s in samples])
    visible = rings.sum(axis=(1, 2))
    edges_cm = np.array(layout.layers[0].r_edges_mm) / 10
    material = stack()
    depth = depths(material, len(layout.layers))
    rng = np.random.default_rng(options.seed)
    rows: list[dict[str, Any]] = []
    for low, high in pairwise(EDGES_GEV):
        chosen = (energy >= low) & (energy < high)
        # The energy itself varies within a bin: all is per GeV of the shower's own energy.
        per_gev = visible[chosen] / energy[chosen]
        share = rings[chosen] / energy[chosen, None, None]
        longitudinal, lateral = share.sum(axis=2), share.sum(axis=1)
        mean, error = mean_error(per_gev)
        drawn = per_gev[rng.integers(len(per_gev), size=(N_BOOTSTRAP, len(per_gev)))]
        rows.append({
            "low_gev": low, "high_gev": high,
            "gev": float(np.exp(np.log(energy[chosen]).mean())),
            "showers": int(chosen.sum()), "mev_per_gev": mean, "error": error,
            "resolution": float(per_gev.std(ddof=1) / mean),
            "resolution_error": float((drawn.std(axis=1, ddof=1) / drawn.mean(axis=1)).std()),
            "maximum_x0": shower_maximum(depth, longitudinal.mean(axis=0)),
            "maximum_error": float(
                resampled(lambda p: shower_maximum(depth, p), longitudinal, rng)
            ),
            "maximum_x0_of_peak": shower_maximum(depth, longitudinal.mean(axis=0), 0.5),
            "profile": longitudinal.mean(axis=0) / mean,
            "rings": lateral.mean(axis=0) / mean,
            "radii_cm": radii(lateral.mean(axis=0), edges_cm),
            "radii_error": resampled(lambda p: radii(p, edges_cm), lateral, rng),
            "last_ring": float(lateral.mean(axis=0)[-1] / mean),
            "last_layer": float(longitudinal.mean(axis=0)[-1] / mean),
            "cpu_seconds_per_gev": float(seconds[chosen].sum() / energy[chosen].sum()),
        })  # fmt: skip
    column = {k: np.array([r[k] for r in rows]) for k in rows[0] if k != "profile"}
    gev, ec = column["gev"], material["critical_energy_mev"] / 1000
    maximum = fit(
        lambda e, slope, at: slope * np.log(e / ec) + at, gev, column["maximum_x0"],
        column["maximum_error"], (1.0, -0.5), ("slope", "offset"),
    )  # fmt: skip
    of_peak = fit(
        lambda e, slope, at: slope * np.log(e / ec) + at, gev, column["maximum_x0_of_peak"],
        column["maximum_error"], (1.0, -0.5), ("slope", "offset"),
    )  # fmt: skip
    linear = fit(
        lambda e, at, slope: at * (1 + slope * np.log(e / 10)), gev, column["mev_per_gev"],
        column["error"], (5.0, 0.0), ("mev_per_gev_at_10_gev", "relative_slope_per_ln_e"),
    )  # fmt: skip
    line = fit(
        lambda e, k, c: k + c / e, gev, column["mev_per_gev"], column["error"], (5.0, 0.0),
        ("mev_per_gev", "offset_mev"),
    )  # fmt: skip
    whole = rings.sum(axis=1)
    all_radii = radii(whole.sum(axis=0), edges_cm)
    result = {
        "detector": "cylinder", "particle": "e-", "showers": len(energy), "stack": material,
        "rows": rows,
        "depth_x0": depth, "edges_cm": edges_cm,
        "sampling": resolution_fit(gev, column["resolution"], column["resolution_error"]),
        "linearity": linear, "line": line,
        "maximum": {**maximum, "expected_slope": 1.0, "expected_offset": -0.5},
        "maximum_of_peak": {**of_peak, "what": "fit above half of the maximum: a systematic"},
        "containment": {
            "shares": SHARES, "radius_cm": all_radii, "error": resampled(
                lambda p: radii(p, edges_cm), whole, rng
            ),
            "in_moliere_radii": [r / material["moliere_cm"] for r in all_radii],
            "expected_in_moliere_radii": {"0.9": 1.0, "0.95": 2.0},
            "of": f"what silicon within {edges_cm[-1]:g} cm sees",
        },
    }  # fmt: skip
    save("cylinder", result, samples[0])
    for key in (
        "stack",
        "sampling",
        "linearity",
        "line",
        "maximum",
        "maximum_of_peak",
        "containment",
    ):
        print(key, result[key])


if __name__ == "__main__":
    main()

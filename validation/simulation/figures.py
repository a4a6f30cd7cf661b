"""Draw docs/figures/simulation-*.png from the committed results; Geant4 is not needed.

python validation/simulation/figures.py
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from common import RESULTS, ROOT
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

from caloforge.report.style import COLOURS, REFERENCE, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

FIGURES = ROOT / "docs" / "figures"
KINDS = ("n", "gamma", "pi+", "p")
LABELS = {
    "n": "n", "gamma": "γ", "pi+": "π⁺", "pi-": "π⁻", "p": "p", "e-": "e⁻", "K(L)0": "K⁰$_L$",
    "K+": "K⁺", "Lambda": "Λ", "Sigma+": "Σ⁺", "all": "all",
}  # fmt: skip
MARKERS = ("o", "s", "^", "D")


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"simulation-{name}.json").read_text())


def log_energy(ax: Any, ticks: tuple[int, ...], label: str = "energy [GeV]") -> None:
    ax.set(xscale="log", xlabel=label)
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.xaxis.set_major_formatter(ScalarFormatter())
    ax.xaxis.set_minor_formatter(NullFormatter())


def agreement() -> Figure:
    """Ratios of means, by kind, distance and photons in a cell."""
    result = read("reference")
    figure = new_figure(9.6, 3.2)
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.5, 1, 1))
    zn = result["zn"]
    names = (("total", "photon sum"), ("lit_cells", "lit cells"), ("width", "width"))
    rows = [r for r in zn["ratios"] if r["low_gev"] == 0 and r["high_gev"] > 900]
    for k, (name, label) in enumerate(names):
        at = np.arange(len(rows)) + 0.22 * (k - 1)
        axes[0].errorbar(
            at, [r[name]["ratio"] for r in rows], [r[name]["error"] for r in rows],
            fmt=MARKERS[k], ms=4, color=COLOURS[k], label=label,
        )  # fmt: skip
    axes[0].set_xticks(range(len(rows)), [LABELS.get(r["kind"], r["kind"]) for r in rows])
    axes[0].set(ylim=(0.75, 1.3), ylabel="caloforge / reference")
    axes[0].legend(loc="upper left", ncols=3)
    for k, (detector, found) in enumerate((d, result[d]) for d in ("zn", "zp") if d in result):
        for ax, part, edges in (
            (axes[1], "radial", np.array(found["radial"]["radii_cm"])),
            (
                axes[2],
                "cell_spectrum",
                np.array([*found["cell_spectrum"]["photons_from"], 130]),
            ),
        ):
            at = np.sqrt(np.maximum(edges[:-1], 0.05) * edges[1:]) * (1 + 0.06 * k)
            ratios = found[part]["ratios"]
            good = [r["error"] is not None and r["error"] < 0.2 for r in ratios]
            ax.errorbar(
                at[good], [r["ratio"] for r, g in zip(ratios, good, strict=True) if g],
                [r["error"] for r, g in zip(ratios, good, strict=True) if g],
                fmt=MARKERS[k], ms=4, color=(REFERENCE, COLOURS[3])[k], label=detector.upper(),
            )  # fmt: skip
    axes[1].set(xscale="log", xlabel="distance from entry point [cm]", title="light")
    axes[2].set(xscale="log", xlabel="photons in the cell", title="number of cells")
    axes[0].set_title(f"ZN, {zn['particles']} particles, means by kind")
    axes[1].legend(loc="upper left")
    for ax in axes:
        ax.axhline(1, color="0.6", lw=0.8, zorder=0)
    return figure


def response() -> Figure:
    """Light per GeV, resolution and e over hadron."""
    result = read("response")
    figure = new_figure(9.6, 3.3)
    axes = figure.subplots(1, 3)
    factor = result["alice"]["factor"]
    ticks = (20, 50, 100, 200, 400, 800)
    for k, kind in enumerate(KINDS):
        rows = result["light"][kind]
        gev, value, error, sigma, of_sigma = (
            np.array([r[name] for r in rows])
            for name in ("gev", "per_gev", "error", "resolution", "resolution_error")
        )
        style = {"fmt": MARKERS[k], "ms": 4, "color": COLOURS[k], "label": LABELS[kind]}
        axes[0].errorbar(gev, value / factor, error / factor, **style)
        axes[1].errorbar(gev, sigma, of_sigma, **style)
        fitted = result["resolution"][kind]
        fine = np.geomspace(gev.min(), gev.max(), 100)
        a, b = fitted["a"]["value"], fitted["b"]["value"]
        axes[1].plot(fine, np.sqrt(a**2 / fine + b**2), color=COLOURS[k], lw=0.9)
        if kind in result["e_over_h"]:
            found = result["e_over_h"][kind]
            axes[2].errorbar(
                found["gev"], found["e_over_hadron"], found["e_over_hadron_error"], **style
            )
            fit = found["fits"][2]
            fine = np.geomspace(20, 500, 100)
            e0 = {"n": 2.6, "pi+": 1.0, "p": 2.6}[kind]
            share = (fine / e0) ** (fit["k"] - 1)
            axes[2].plot(
                fine, 1 / (1 - (1 - fit["h_over_e"]["value"]) * share), color=COLOURS[k], lw=0.9
            )
    theirs = result["alice"]["alice"]
    axes[0].plot(
        [40, 750], list(theirs["n"]["at_gev"].values()), "-", color=COLOURS[0], lw=5, alpha=0.25
    )
    axes[0].axhline(theirs["gamma"]["mean"], color=COLOURS[1], lw=5, alpha=0.25)
    axes[0].axhspan(*theirs["pi+"]["mean"], color=COLOURS[2], alpha=0.18, lw=0)
    axes[0].axhline(theirs["p"]["mean"], color=COLOURS[3], lw=2, alpha=0.4)
    over_cell = result["alice"]["gamma anywhere in a cell"]
    axes[0].errorbar(
        [50], [over_cell["scaled"]], [over_cell["error"]], fmt="s", ms=5, mfc="none",
        color=COLOURS[1], label="γ, mean over a cell",
    )  # fmt: skip
    axes[0].set(ylabel=f"photons / GeV / {factor:.3f}", ylim=(0.4, 1.45))
    axes[0].set_title("light; bands: ALICE (GEANT3)")
    axes[1].set(ylabel="σ / mean", ylim=(0, None), title="resolution; a/√E ⊕ b")
    axes[2].set(ylabel="γ / hadron, light per GeV", title="γ over hadron; Groom, k = 0.87")
    for ax in axes:
        log_energy(ax, ticks)
    axes[0].legend(ncols=3, loc="upper left", columnspacing=0.8, handletextpad=0.1)
    axes[2].legend()
    return figure


def deposits() -> Figure:
    """Where energy is left: along and across."""
    found = read("response")["deposits"]
    figure = new_figure(9.6, 3.2)
    axes = figure.subplots(1, 3)
    for k, row in enumerate(found["zn-block"]):
        label = f"{LABELS[row['kind']]} {row['gev']:g} GeV"
        colour = COLOURS[k % len(COLOURS)]
        depth = np.arange(0, len(row["per_cm"]), 4) + 2  # four centimetres together
        per_cm = 100 * np.array(row["per_cm"]).reshape(-1, 4).mean(axis=1)
        axes[0].step(depth, per_cm, where="mid", color=colour, label=label)
        edges = np.array(row["rings_cm"])
        inside = np.concatenate(([0.0], np.cumsum(row["per_ring"])))
        axes[1].plot(edges, inside, ".-", ms=4, color=colour, label=label)
    axes[0].set(yscale="log", ylim=(1e-3, 30), xlim=(0, 100))
    axes[0].set(xlabel="depth [cm]", ylabel="deposit per cm [% of the energy]")
    axes[0].set_title("block of the ZN's front area")
    axes[0].legend(fontsize=7, ncols=2)
    axes[1].set(xlabel="radius [cm]", ylabel="deposited within / energy")
    axes[1].set(ylim=(0, 1.05), xlim=(0, 4.1), title="the same, from the axis")
    for k, row in enumerate(found["zn-wide"]):
        edges = np.array(row["rings_cm"])
        inside = np.concatenate(([0.0], np.cumsum(row["per_ring"])))
        label = f"{LABELS[row['kind']]} {row['gev']:g} GeV"
        axes[2].plot(edges, inside, ".-", ms=4, color=COLOURS[k], label=label)
    axes[2].axvline(3.972, color="0.6", lw=0.8)
    axes[2].text(4.2, 0.05, "edge of the ZN", color="0.4", fontsize=8)
    axes[2].set(xlabel="radius [cm]", ylabel="deposited within / energy", xscale="log")
    axes[2].set(ylim=(0, 1.05), xlim=(0.1, 30), title="block 60 cm wide")
    axes[2].legend(loc="upper left")
    return figure


def cylinder() -> Figure:
    """Linearity, resolution, maximum and containment of electrons."""
    result = read("cylinder")
    figure = new_figure(9.6, 5.4)
    axes = figure.subplots(2, 2)
    rows = result["rows"]
    gev = np.array([r["gev"] for r in rows])
    ticks = (1, 2, 5, 10, 20, 50)
    linear = result["linearity"]["mev_per_gev_at_10_gev"]["value"]
    points = {"fmt": "o", "ms": 4, "color": COLOURS[0]}
    ax = axes[0, 0]
    value, error = (np.array([r[k] for r in rows]) / linear for k in ("mev_per_gev", "error"))
    ax.errorbar(gev, value, error, **points)
    ax.axhline(1, color="0.6", lw=0.8, zorder=0)
    ax.set(ylim=(0.97, 1.03), ylabel=f"visible MeV per GeV / {linear:.2f}", title="linearity")
    ax = axes[0, 1]
    ax.errorbar(
        gev, [r["resolution"] for r in rows], [r["resolution_error"] for r in rows], **points
    )
    fine = np.geomspace(1, 50, 200)
    a, b = (result["sampling"][k] for k in "ab")
    ax.plot(fine, np.sqrt(a["value"] ** 2 / fine + b["value"] ** 2), color=COLOURS[1])
    ax.set(ylabel="σ / mean", ylim=(0, None), title=(
        f"a = {100 * a['value']:.1f} ± {100 * a['error']:.1f} % √GeV, "
        f"b = {100 * b['value']:.1f} ± {100 * b['error']:.1f} %"
    ))  # fmt: skip
    ax = axes[1, 0]
    ax.errorbar(
        gev, [r["maximum_x0"] for r in rows], [r["maximum_error"] for r in rows], **points
    )
    found, ec = result["maximum"], result["stack"]["critical_energy_mev"] / 1000
    slope, offset = found["slope"], found["offset"]
    ax.plot(
        fine, slope["value"] * np.log(fine / ec) + offset["value"], color=COLOURS[1],
        label=f"fit: slope {slope['value']:.2f} ± {slope['error']:.2f}",
    )  # fmt: skip
    ax.plot(fine, np.log(fine / ec) - 0.5, "--", color=REFERENCE, label="ln(E/E$_c$) - 0.5")
    ax.set(ylabel="shower maximum [X$_0$]")
    ax.legend(loc="upper left")
    for ax in (axes[0, 0], axes[0, 1], axes[1, 0]):
        log_energy(ax, ticks)
    ax = axes[1, 1]
    edges = np.array(result["edges_cm"]) / result["stack"]["moliere_cm"]
    for k, which in enumerate((0, len(rows) // 2, -1)):
        inside = 100 * np.concatenate(([0.0], np.cumsum(rows[which]["rings"])))
        label = f"{rows[which]['low_gev']:.1f}-{rows[which]['high_gev']:.1f} GeV"
        ax.plot(edges, inside, ".-", ms=5, color=COLOURS[k], label=label)
    ax.plot([1, 2], [90, 95], "k*", ms=9, label="rule of thumb")
    ax.set(xlabel="radius [Molière radii]", ylabel="visible within [%]", ylim=(0, 103))
    ax.legend(loc="lower right")
    return figure


@styled
def draw(name: str, make: Callable[[], Figure]) -> None:
    figure = make()
    FigureCanvasAgg(figure)
    path = FIGURES / f"simulation-{name}.png"
    figure.savefig(path, dpi=140, metadata={"Software": None})
    print(path)


def main() -> None:
    for name, make in (
        ("agreement", agreement),
        ("response", response),
        ("deposits", deposits),
        ("cylinder", cylinder),
    ):
        try:
            draw(name, make)
        except (FileNotFoundError, KeyError) as error:
            print(f"{name}: left out, {error!r} is missing")


if __name__ == "__main__":
    main()

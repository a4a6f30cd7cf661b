"""Figures of the e2e study."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from e2e_runs import WEIGHTS

from caloforge.report.style import COLOURS, REFERENCE, new_figure, styled

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

RED, BLUE, GREY = "#c8202f", "#1f5fbf", "#8a8a8a"
DPI = 150


@styled
def condition_weight(runs: dict, path: Path) -> None:
    """Score, spread, plan and codes against the weight of the condition."""
    scan = {w: runs[f"weight-{w}"] for w in WEIGHTS if f"weight-{w}" in runs}
    if len(scan) < 2:
        return
    tuned = runs["e2e-0"]
    x = list(scan)
    figure = new_figure(10.8, 3.0)
    axes = figure.subplots(1, 4)
    tied = [w for w in (0.03, 1) if f"paper-cw{w}-2" in runs]

    def alive(run: dict) -> float:
        codes = run["codes"]
        return codes["generated within a particle"] / codes["spread within a particle"]

    panels = (
        ("Energy score [photons]", lambda run: run["figures"]["score"]["value"]),
        ("Spread of showers", lambda run: run["figures"]["spread"]["value"]),
        ("Plan's mass on own condition", lambda run: run["codes"]["own share"]),
        ("Spread of codes", alive),
    )
    for ax, (title, value) in zip(axes, panels, strict=True):
        ax.plot(x, [value(run) for run in scan.values()], "o-", color=COLOURS[0], ms=4.5)
        ax.plot(
            tied, [value(runs[f"paper-cw{w}-2"]) for w in tied], "s", color=COLOURS[1], ms=4.5,
            mfc="none", mew=1.4,
        )  # fmt: skip
        ax.plot([0.03], [value(tuned)], "*", color=COLOURS[2], ms=10)
        ax.set_xscale("symlog", linthresh=0.003, linscale=0.6)
        ax.set(title=title, xlabel="weight of the condition")
        ax.set_xticks([0, 0.003, 0.03, 0.3, 3], ["0", "0.003", "0.03", "0.3", "3"])
        ax.minorticks_off()
        ax.margins(x=0.08)
    for ax, what in (
        (axes[1], "generated / full simulation"),
        (axes[3], "generated / encoded"),
    ):
        ax.axhline(1, color=REFERENCE, lw=0.8, ls=":")
        ax.set_ylabel(what)
    axes[2].axhline(tuned["codes"]["own share by chance"], color=REFERENCE, lw=0.8, ls=":")
    axes[2].set_ylim(-0.04, 1.04)
    axes[2].text(3.3, 0.02, "chance", fontsize=7.5, ha="right")
    handles = [
        axes[0].plot([], [], "o-", color=COLOURS[0], ms=4.5, label="paper's loss, ε = 0.5")[0],
        axes[0].plot(
            [], [], "s", color=COLOURS[1], ms=4.5, mfc="none", mew=1.4,
            label="paper's loss, ε = 0.005, 2 iterations",
        )[0],
        axes[0].plot([], [], "*", color=COLOURS[2], ms=10, label="tuned loss")[0],
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    figure.savefig(path, dpi=DPI)


@styled
def truncation(rows: list[dict], path: Path) -> None:
    """Value and gradient of the divergence against the number of iterations."""
    figure = new_figure(8.6, 3.4)
    axes = figure.subplots(1, 3)
    epsilons = sorted({row["epsilon"] for row in rows})
    for row in rows:
        if row["points"] != 256:
            continue
        ink = COLOURS[epsilons.index(row["epsilon"])]
        line = "-" if row["condition weight"] == 1 else "--"
        for ax, key in zip(axes, ("value", "error", "cosine"), strict=True):
            ax.plot(row["iterations"], row[key], line, color=ink, marker="o", ms=3)
    for ax, title in zip(
        axes,
        (
            "Value / converged",
            "Relative error of the gradient",
            "Cosine to the converged one",
        ),
        strict=True,
    ):
        ax.axvline(2, color=REFERENCE, lw=0.8, ls=":")
        ax.set_xscale("log")
        ax.set(title=title, xlabel="iterations")
    axes[1].set_yscale("log")
    axes[1].set_yticks([0.01, 0.03, 0.1, 0.3, 1], ["0.01", "0.03", "0.1", "0.3", "1"])
    axes[1].minorticks_off()
    for ax in axes:
        ax.set_xticks([2, 5, 10, 20, 50, 100, 200], ["2", "5", "10", "20", "50", "100", "200"])
    axes[0].axhline(1, color=REFERENCE, lw=0.8)
    handles = [
        axes[2].plot([], [], color=COLOURS[k], label=f"ε = {e:g}")[0]
        for k, e in enumerate(epsilons)
    ]
    handles += [
        axes[2].plot([], [], line, color=GREY, label=f"condition weight {w:g}")[0]
        for line, w in (("-", 1), ("--", 0.03))
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    figure.savefig(path, dpi=DPI)


@styled
def stability(curves: dict[str, dict[str, list[dict]]], path: Path) -> None:
    """Score and W1 while training, every seed and the band between them.

    Arguments:
        curves: By model, by what the curves are called, one of each seed: ``step``, ``score``
            and ``w1`` as lists.
        path: Where to.
    """
    figure = new_figure(3.3 * len(curves) + 0.5, 4.8)
    axes = figure.subplots(2, len(curves), sharex="col", sharey="row", squeeze=False)
    for column, (model, kinds) in enumerate(curves.items()):
        for row, key in enumerate(("score", "w1")):
            ax = axes[row, column]
            for ink, (name, seeds) in zip(
                (COLOURS[0], COLOURS[1]), kinds.items(), strict=False
            ):
                steps = seeds[0]["step"]
                values = np.array([one[key] for one in seeds])
                ax.fill_between(
                    steps, values.min(axis=0), values.max(axis=0), color=ink, alpha=0.2, lw=0
                )
                for k, one in enumerate(values):
                    ax.plot(steps, one, color=ink, lw=0.9, label=name if k == 0 else None)
            ax.set_yscale("log")
        n = len(next(iter(kinds.values())))
        axes[0, column].set_title(f"{model}, {n} seed{'s' * (n > 1)}")
        axes[1, column].set_xlabel("step")
    axes[0, 0].set_ylabel("energy score [photons]")
    axes[1, 0].set_ylabel("W1 [photons]")
    _plain_ticks(axes[0, 0], (9, 9.5, 10, 11, 12, 15, 20, 30, 50, 100), 9.2)
    _plain_ticks(axes[1, 0], (0.8, 1, 1.5, 2, 3, 5, 10, 20, 50), 0.78)
    axes[0, 0].legend()
    figure.savefig(path, dpi=DPI)


def _plain_ticks(ax: Axes, ticks: tuple[float, ...], low: float) -> None:
    high = min(ax.get_ylim()[1], ticks[-1] * 1.1)
    ax.set_ylim(low, high)
    shown = [t for t in ticks if low <= t <= high]
    ax.set_yticks(shown, [f"{t:g}" for t in shown])
    ax.minorticks_off()


@styled
def clouds(ours: dict, gaussian: dict, path: Path) -> None:
    """Codes of one kind and energy: encoded, generated, and what a fixed prior gives."""
    figure = new_figure(10.0, 3.7)
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 1.05))
    group = ours["group"]
    low, high = group["energy"]
    what = f"{ours['showers']} showers, {group['kind']}, {low:g} to {high:g} GeV"
    for ax, picture, second, title in (
        (axes[0], ours, "generated by the noise generator", "e2e SAE"),
        (axes[1], gaussian, "drawn from the prior N(0, 1)", "VAE"),
    ):
        every = np.array(picture["all encoded"])
        ax.scatter(*every.T, s=3, color="#d9d9d9", lw=0, label="encoded, all showers")
        ax.scatter(*np.array(picture["generated"]).T, s=9, color=BLUE, lw=0, alpha=0.7,
                   label=second)  # fmt: skip
        ax.scatter(*np.array(picture["encoded"]).T, s=9, color=RED, lw=0, alpha=0.7,
                   label="encoded")  # fmt: skip
        ax.set(title=f"{title}: {what}", xlim=(-3.6, 3.6), ylim=(-3.6, 3.6))
        ax.set(xlabel="first principal component", ylabel="second")
        ax.title.set_fontsize(8.5)
        ax.legend(loc="upper left", fontsize=7, markerscale=1.6, handletextpad=0.1)
    bins = np.linspace(-3, 3, 37)
    ax = axes[2]
    for values, ink, label, fill in (
        (ours["encoded"], RED, "encoded", True),
        (ours["generated"], BLUE, "generated", False),
    ):
        data = np.array(values)[:, 0]
        share = np.histogram(data, bins)[0] / len(data) / np.diff(bins)
        ax.stairs(share, bins, color=ink, lw=1.4, label=f"e2e SAE, {label}")
        if fill:
            ax.stairs(share, bins, color=ink, alpha=0.2, fill=True)
    x = np.linspace(-3, 3, 200)
    ax.plot(x, np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), color=GREY, lw=1.2, ls="--",
            label="standard normal prior")  # fmt: skip
    ax.set(xlabel="first principal component", ylabel="density", xlim=(-3, 3), ylim=(0, 1.85),
           title="What a fixed prior would be")  # fmt: skip
    ax.title.set_fontsize(8.5)
    ax.legend(fontsize=7.5, loc="upper left")
    figure.savefig(path, dpi=DPI)


@styled
def noise(found: dict, path: Path) -> None:
    """How the noise is used, and how the cloud of generated codes moves and widens."""
    figure = new_figure(10.6, 3.1)
    axes = figure.subplots(1, 4)
    used = np.sort(found["sensitivity"])[::-1]
    axes[0].bar(np.arange(1, len(used) + 1), used, color=COLOURS[0])
    axes[0].set(title="Change of the code", xlabel="noise variable, sorted",
                ylabel="per unit of noise")  # fmt: skip
    shares = np.array(found["singular values"])
    axes[1].bar(np.arange(1, len(shares) + 1), 100 * shares, color=COLOURS[1])
    axes[1].set(title="Directions of the cloud", xlabel="singular direction",
                ylabel="share of the variance [%]", ylim=(0, None))  # fmt: skip
    cloud = found["cloud"]
    energies = cloud["energies"]
    centres = np.array([[one["centre"] for one in some] for some in cloud["by kind"].values()])
    flat = centres.reshape(-1, centres.shape[2])
    axis = np.linalg.svd(flat - flat.mean(axis=0))[2][0]
    axis *= np.sign((centres[0, -1] - centres[0, 0]) @ axis)
    for k, (kind, some) in enumerate(cloud["by kind"].items()):
        ink = COLOURS[k]
        middle = (centres[k] - flat.mean(axis=0)) @ axis
        axes[2].plot(energies, middle, "o-", ms=3.5, color=ink, label=kind)
        axes[3].plot(energies, [one["widths"][0] for one in some], "o-", ms=3.5, color=ink,
                     label=f"{kind}, widest direction")  # fmt: skip
        axes[3].plot(energies, [one["widths"][-1] for one in some], "o--", ms=2.5, color=ink,
                     lw=0.9, label=f"{kind}, narrowest")  # fmt: skip
    axes[2].set(title="Place of the cloud", xlabel="energy [GeV]", ylabel="code")
    axes[3].set(title="Width of the cloud", xlabel="energy [GeV]", ylabel="code",
                ylim=(0, None))  # fmt: skip
    for ax in axes[2:]:
        ax.set_xscale("log")
    axes[2].legend()
    axes[3].legend(fontsize=6.5, ncols=1, loc="center right", bbox_to_anchor=(1, 0.47))
    figure.savefig(path, dpi=DPI)

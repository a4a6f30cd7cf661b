"""Picture of the model zoo: what the talk's two figures say, and what they do not."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

FIGURES = Path(__file__).parent.parent / "docs" / "figures"
COLOURS = {
    "e2e SAE": "#d62728",
    "VAE": "#1f77b4",
    "WAE": "#2ca02c",
    "bigWAE": "#98df8a",
    "SWAE": "#17becf",
    "CWAE": "#8c564b",
    "SAE": "#ff7f0e",
    "SAE (H)": "#bcbd22",
    "DCGAN": "#9467bd",
    "mean regression": "#7f7f7f",
    "e2e SAE, shapes": "#ff9896",
    "flow on codes": "#aec7e8",
    "latent flow matching": "#c5b0d5",
    "flow matching": "#f7b6d2",
    "SDI-GAN": "#c49c94",
    "channel regressor": "#c7c7c7",
}


def draw_picture(found: Mapping[str, Any]) -> None:
    """Draw docs/figures/zoo.png from results by detector, variant and system."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = {}
    for variant, more in (("tuned", ""), ("published", ", published, cut short")):
        for detector, runs in found.items():
            chosen = {key: several for key, several in runs.items() if key[0] == variant}
            if chosen:
                shown[detector.upper() + more] = chosen
    figure = Figure(figsize=(11, 4.6 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(shown), 2, squeeze=False)
    for row, (name, runs) in zip(grid, shown.items(), strict=True):
        _pair(row[0], runs, "mae", "w1", ("MAE [photons]", "W1 [photons]"))
        _pair(
            row[1],
            runs,
            "classifier_auc",
            "spread_ratio",
            (
                "AUC of a classifier of observables",
                "spread of showers of a particle / Geant4",
            ),
        )
        scale = "linear" if next(iter(runs))[0] == "tuned" else "log"
        row[0].set(title=f"{name}: the talk's figures", xscale=scale, yscale=scale)
        for axis in (row[0].xaxis, row[0].yaxis) if scale == "log" else ():
            _plain_ticks(axis)
        row[1].set(title=f"{name}: what they do not see")
    _legend(figure, grid[0][0])
    figure.savefig(FIGURES / "zoo.png", dpi=110)


def draw_frontier(found: Mapping[str, Any]) -> None:
    """Draw docs/figures/zoo-frontier.png, fidelity against speed, of runs that were timed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    timed = {
        detector: {
            key: several
            for key, several in runs.items()
            if any("showers_per_second" in run for run in several)
        }
        for detector, runs in found.items()
    }
    timed = {detector: runs for detector, runs in timed.items() if len(runs) > 1}
    if not timed:
        return
    figure = Figure(figsize=(11, 4.6 * len(timed)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(timed), 2, squeeze=False)
    for row, (detector, runs) in zip(grid, timed.items(), strict=True):
        for ax, key, name in (
            (row[0], "classifier_auc", "AUC of a classifier of observables"),
            (row[1], "w1_ratio", "W1 of channel sums / floor"),
        ):
            _against_speed(ax, runs, key)
            ax.set(xscale="log", xlabel="showers a second of one core, 256 at a time")
            if key == "w1_ratio":
                ax.set_yscale("log")
                _plain_ticks(ax.yaxis)
            title = detector.upper() if len(detector) == 2 else detector
            ax.set(ylabel=name, title=f"{title}: fidelity against speed")
    _legend(figure, grid[0][0])
    figure.savefig(FIGURES / "zoo-frontier.png", dpi=110)


def _legend(figure: Figure, ax: Axes) -> None:
    """Name the systems above all panels, where they hide no point."""
    handles, names = ax.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside upper center", fontsize=8, ncols=6, frameon=False
    )


def _plain_ticks(axis: Axis) -> None:
    """Write the ticks of a logarithmic axis as plain numbers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7), numticks=30))
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _against_speed(ax: Axes, runs: Any, key: str) -> None:
    """One figure of every system against its speed, with full simulation and its floor."""
    some = next(iter(runs.values()))[0]
    floor = some["floor"][key]
    seconds = next(
        (run.get("full simulation seconds") for several in runs.values() for run in several),
        None,
    )
    ax.axhline(floor["value"], color="k", lw=0.8, ls=":")
    if seconds:
        ax.errorbar(
            1 / seconds, floor["value"], yerr=floor["error"], fmt="k*", ms=11, label="Geant4"
        )
    for (variant, system), several in runs.items():
        tuned = variant == "tuned"
        ax.errorbar(
            statistics.mean(
                run["showers_per_second"]["256"]
                for run in several
                if "showers_per_second" in run
            ),
            statistics.mean(run["model"][key]["value"] for run in several),
            yerr=_error(several, key),
            fmt="o" if tuned else "s",
            mfc=COLOURS[system] if tuned else "white",
            color=COLOURS[system],
            label=system if tuned else None,
        )


def _pair(ax: Axes, runs: Any, x: str, y: str, labels: tuple[str, str]) -> None:
    floor = next(iter(runs.values()))[0]["floor"]
    ax.axvline(floor[x]["value"], color="k", lw=0.8, ls=":")
    ax.axhline(floor[y]["value"], color="k", lw=0.8, ls=":")
    ax.errorbar(
        floor[x]["value"],
        floor[y]["value"],
        xerr=floor[x]["error"],
        yerr=floor[y]["error"],
        fmt="k*",
        ms=11,
        label="Geant4 (floor)",
    )
    for (variant, system), several in runs.items():
        tuned = variant == "tuned"
        ax.errorbar(
            *(statistics.mean(run["model"][key]["value"] for run in several) for key in (x, y)),
            xerr=_error(several, x),
            yerr=_error(several, y),
            fmt="o" if tuned else "s",
            mfc=COLOURS[system] if tuned else "white",
            color=COLOURS[system],
            label=system,
        )
    ax.set(xlabel=labels[0], ylabel=labels[1])


def _error(runs: Sequence[dict[str, Any]], key: str) -> float:
    """Bootstrap error and spread over seeds, added in squares."""
    values = [run["model"][key]["value"] for run in runs]
    spread = statistics.stdev(values) if len(values) > 1 else 0.0
    error: float = statistics.mean(run["model"][key]["error"] for run in runs)
    return (error**2 + spread**2) ** 0.5

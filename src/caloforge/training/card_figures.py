"""What was measured of a bundle, for its card: figures with errors and floors, and speed.

The tables are those of ``metrics.test`` in ``bundle.json``; docs/bundle.md lists the keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# In the order of the card: what the field asks first stands first.
FIGURES = {
    "w1_ratio": "W1 of the channel sums over the floor",
    "w1": "W1 of the channel sums, mean over channels",
    "classifier_auc": "AUC of a classifier on observables (0.5: cannot be told apart)",
    "mae_conditional": "MAE of the mean response of each particle",
    "dispersion_discrepancy": "dispersion discrepancy of repeated showers",
    "spread_ratio": "spread of repeated showers over that of full simulation",
    "conditional_bias": "bias of the mean response, rms over particles",
    "mae": "MAE between single showers",
}
_WORSE_BY = 2.0  # errors above 1, for a shape to be named among the limits
_MOST_SHAPES = 3


def figure_lines(test: Mapping[str, Any]) -> list[str]:
    """Write the figures of a test sample as Markdown."""
    lines = [
        f"Against full simulation of `{test['sample']}`, which training has not seen.",
        "The floor is full simulation against itself.",
        "",
        "| figure | unit | this bundle | floor |",
        "|---|---|---|---|",
    ]
    for name, label in FIGURES.items():
        one = test["figures"].get(name)
        if one:
            unit = one["model"].get("unit") or "1"
            floor = measured_text(one.get("floor")) or "-"
            lines.append(f"| {label} | {unit} | {measured_text(one['model'])} | {floor} |")
    for name, ratio in test.get("shapes", {}).items():
        label = f"{name.replace('_', ' ')}: W1 over the floor"
        lines.append(f"| {label} | 1 | {measured_text(ratio)} | 1 |")
    lines += ["", f"How: {test['statement']}."]
    return lines


def speed_lines(test: Mapping[str, Any]) -> list[str]:
    """Write showers a second, and what full simulation takes, as Markdown."""
    speed = test.get("showers_per_second")
    if not speed:
        return []
    rows = [(f"{n}", speed[n]) for n in ("1", "256") if n in speed]
    rows.append((f"{speed['best_batch']} (best)", speed["best"]))
    lines = ["| showers at a time | showers/s | time of a shower |", "|---|---|---|"]
    lines += [
        f"| {size} | {rounded(rate)} | {_seconds_text(1 / rate)} |" for size, rate in rows
    ]
    lines += ["", f"CPU time of one core ({test['machine']}), counts drawn, nothing written."]
    full = test.get("full_simulation_seconds")
    if full:
        lines[-1] += (
            f" Full simulation took {_seconds_text(full)} a shower on one core: "
            f"{rounded(full * speed['best'])} times as long."
        )
    return lines


def worst_shapes(test: Mapping[str, Any]) -> str:
    """Name the observables that are surely worse than the floor; empty if none is."""
    worse = {
        name: ratio
        for name, ratio in test.get("shapes", {}).items()
        if ratio["value"] - _WORSE_BY * ratio["error"] > 1
    }
    ordered = sorted(worse, key=lambda name: -worse[name]["value"])[:_MOST_SHAPES]
    return ", ".join(
        f"{n.replace('_', ' ')} ({measured_text(worse[n])} floors)" for n in ordered
    )


def measured_text(figure: Mapping[str, Any] | None) -> str:
    """Write value ± error with the digits that the error allows; empty for none.

    Example:
        >>> measured_text({"value": 1.0402919, "error": 0.042367})
        '1.04 ± 0.04'
        >>> measured_text({"value": 1.0, "error": 0.0})
        '1'
    """
    if figure is None:
        return ""
    value, error = float(figure["value"]), float(figure.get("error") or 0.0)
    if error <= 0:
        return f"{value:.4g}"
    digits = max(0, -int(f"{error:.0e}".partition("e")[2]))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def rounded(number: float) -> str:
    """Write a number to two digits, thousands apart.

    Example:
        >>> rounded(10515.2)
        '11,000'
    """
    short = float(f"{number:.2g}")
    return f"{short:,.0f}" if short >= 10 else f"{short:g}"


def _seconds_text(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size / 2:
            return f"{seconds / size:.2g} {unit}"
    return f"{rounded(seconds / 1e-6)} µs"

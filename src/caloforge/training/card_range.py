"""The particles that a model was trained on, in units of a physicist, for its card."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from caloforge.data.particles import kind_name

if TYPE_CHECKING:
    from collections.abc import Mapping


def range_lines(table: Mapping[str, Any]) -> list[str]:
    """Write kinds, energies, positions and directions as a Markdown table.

    Arguments:
        table: Content of ``bundle.json``.

    Returns:
        Lines; none for a model that knows none of these.
    """
    rows = dict(_rows(table))
    if not rows:
        return []
    lines = [f"| {name} | {text} |" for name, text in rows.items()]
    return ["| incident particles | trained |", "|---|---|", *lines, ""]


def energy_range(table: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the lowest and the highest trained energy in GeV, if the model knows it."""
    features = {f["name"]: f for f in table["conditions"]["features"]}
    if "energy_gev" in features:
        one = features["energy_gev"]
        return float(one["low"]), float(one["high"])
    if "log_energy" in features:
        one = features["log_energy"]
        return math.exp(one["low"]), math.exp(one["high"])
    return None


def _rows(table: Mapping[str, Any]) -> list[tuple[str, str]]:
    conditions = table["conditions"]
    features = {f["name"]: f for f in conditions["features"]}
    rows = []
    # A model is told the kind only if one of its features says it.
    kinds = [kind_name(int(pdg)) for pdg in conditions.get("kinds", ())]
    if kinds and any(name.startswith("kind_") for name in features):
        codes = ", ".join(
            f"{name} ({pdg})" for name, pdg in zip(kinds, conditions["kinds"], strict=True)
        )
        rows.append(("kinds (PDG code)", codes))
    energies = energy_range(table)
    if energies is not None:
        rows.append(("energy", f"{energies[0]:.4g} to {energies[1]:.4g} GeV"))
    for name, kind in table.get("kinds", {}).items():
        text = f"{kind['low_gev']:.4g} to {kind['high_gev']:.4g} GeV"
        rows.append((f"energy of {name}", f"{text}, {kind['particles']:,} particles"))
    rows += _positions(features, table["geometry"].get("grid"))
    for axis in "xy":
        if f"slope_{axis}" in features:
            low, high = (features[f"slope_{axis}"][end] for end in ("low", "high"))
            rows.append((f"direction p{axis} / \\|pz\\|", f"{low:.2f} to {high:.2f} mrad"))
    return rows


def _positions(
    features: Mapping[str, Mapping[str, Any]], grid: Mapping[str, Any] | None
) -> list[tuple[str, str]]:
    """Range of the impact point on the front face in cm."""
    rows = []
    for k, axis in enumerate("xy"):
        scale = grid["cells"][k] * grid["pitch_cm"][k] / 2 if grid else 1.0
        for name, unit_cm in ((f"impact_{axis}", scale), (f"impact_cm_{axis}", 1.0)):
            if name in features and (grid or unit_cm == 1.0):
                low, high = (unit_cm * features[name][end] for end in ("low", "high"))
                text = f"{low:.2f} to {high:.2f} cm"
                rows.append((f"impact point {axis}, from the centre", text))
    return rows

"""Model card: what a bundle is, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caloforge.data.splits.balance import BalanceRow, balance_lines

if TYPE_CHECKING:
    from collections.abc import Mapping


def model_card(table: Mapping[str, Any]) -> str:
    """Write the card of a bundle in Markdown.

    Arguments:
        table: Content of ``bundle.json``.
    """
    run, geometry = table["run"], table["geometry"]
    data, training = table.get("data", {}), table.get("training", {})
    lines = [
        f"# {run['title'] or run['model']['name']}",
        "",
        f"A `{run['model']['name']}` of caloforge for **{geometry['title']}**.",
        f"Incident particle and noise in, response in {geometry['response']['unit']} out.",
        "",
        "## Use",
        "",
        "```",
        "caloforge generate THIS_FOLDER particles.csv -o showers.h5",
        "```",
        "",
        "## Conditions and trained range",
        "",
        *_conditions(table["conditions"]["features"]),
        "",
        "## Data",
        "",
        *(f"- {key}: {_text(value)}" for key, value in data.items()),
        "",
        *_balance(table.get("balance", ()), data.get("split", {})),
        "## Training",
        "",
        f"- parameters: {table['n_parameters']:,}",
        *(f"- {key}: {_text(value)}" for key, value in training.items()),
        f"- made with: {_text(table['provenance'].get('versions', {}))}",
        f"- commit: {table['provenance'].get('commit')}, {table['provenance'].get('date')}",
        "",
        "## Metrics",
        "",
    ]
    metrics = table.get("metrics") or {}
    lines += [f"- {key}: {_text(value)}" for key, value in metrics.items()] or [
        "None measured. `caloforge evaluate` compares generated with full-simulation showers."
    ]
    return "\n".join(lines) + "\n"


def _conditions(features: Any) -> list[str]:  # noqa: ANN401
    """Write the trained range of each feature, if there is any."""
    if not features:
        return ["None: showers do not depend on the properties of the particle."]
    rows = [
        f"| {f['name']} | {f['unit'] or '1'} | {f['low']:.6g} | {f['high']:.6g} |"
        for f in features
    ]
    return [
        "| feature | unit | from | to |",
        "|---|---|---|---|",
        *rows,
        "",
        "Outside this range the model extrapolates; `generate` counts such particles.",
    ]


def _balance(rows: Any, split: Any) -> list[str]:  # noqa: ANN401
    """Write the balance of the split as it is printed at training."""
    if not rows:
        return []
    by_shower = split.get("split_by") == "shower"
    lines = balance_lines([BalanceRow(**row) for row in rows], showers=by_shower)
    return ["Training + validation, by kind and energy:", "", "```", *lines, "```", ""]


def _text(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, dict) and "text" in value:
        return str(value["text"])
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)

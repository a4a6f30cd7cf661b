"""Model card: what a bundle is, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caloforge.data.splits.balance import BalanceRow, balance_lines
from caloforge.training.card_figures import figure_lines, speed_lines, worst_shapes
from caloforge.training.card_range import energy_range, range_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

_LICENCE = "as the showers that it was trained on allow; caloforge itself is Apache-2.0"

_FULL, _SETS = "full simulation", "simulation.data_sets."


def model_card(table: Mapping[str, Any]) -> str:
    """Write the card of a bundle in Markdown.

    Arguments:
        table: Content of ``bundle.json``.
    """
    run, geometry = table["run"], table["geometry"]
    data = table.get("data", {})
    metrics = dict(table.get("metrics") or {})
    test = metrics.pop("test", None)
    lines = [
        f"# {table.get('name') or run['title'] or run['model']['name']}",
        "",
        f"A `{run['model']['name']}` of caloforge for **{geometry['title']}**.",
        f"Incident particle and noise in, response in {geometry['response']['unit']} out.",
        "",
        "## Use",
        "",
        *_use(table.get("name") or "THIS_FOLDER"),
        "",
        "## Conditions and trained range",
        "",
        *range_lines(table),
        *_conditions(table["conditions"]["features"]),
        "",
        "## Data",
        "",
        *(
            f"- {key}: {_origin(value) if key == _FULL else _text(value)}"
            for key, value in data.items()
        ),
        "",
        *_balance(table.get("balance", ()), data.get("split", {})),
        "## Training",
        "",
        *_training(table),
        "",
        "## Metrics",
        "",
        *(figure_lines(test) if test else ()),
        *([""] if test and metrics else []),
        *_plain_metrics(metrics, test),
        "",
    ]
    if test and test.get("showers_per_second"):
        lines += ["## Speed", "", *speed_lines(test), ""]
    lines += ["## Limits", "", *_limits(table, test), "", "## Licence", ""]
    lines.append(f"{table.get('licence') or _LICENCE}.")
    return "\n".join(lines) + "\n"


def _use(name: str) -> list[str]:
    return [
        "```",
        f"caloforge generate {name} particles.csv -o showers.h5 --seed 1",
        "```",
        "",
        "```python",
        "import caloforge",
        "",
        f'simulation = caloforge.load("{name}")',
        'showers = simulation.generate(caloforge.read_particles("particles.csv"), seed=1)',
        "```",
    ]


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


def _origin(told: Mapping[str, Any]) -> str:
    """Write where the training showers come from, without detector, particles and run data."""
    sets = [key.removeprefix(_SETS) for key in told if key.startswith(_SETS)]
    some = {
        key.removeprefix("simulation."): value
        for key, value in told.items()
        if not key.startswith((_SETS, "detector.", "particles.")) and key != "particles_sha256"
    }
    text = _text(some)
    if sets:
        text += f", run data substituted {', '.join(sets)}"
    return text if len(some) == len(told) else f"{text}; the rest is in bundle.json"


def _balance(rows: Any, split: Any) -> list[str]:  # noqa: ANN401
    """Write the balance of the split as it is printed at training."""
    if not rows:
        return []
    by_shower = split.get("split_by") == "shower"
    lines = balance_lines([BalanceRow(**row) for row in rows], showers=by_shower)
    return ["Training + validation, by kind and energy:", "", "```", *lines, "```", ""]


def _training(table: Mapping[str, Any]) -> list[str]:
    made = table["provenance"]
    return [
        f"- parameters: {table['n_parameters']:,}",
        f"- seed: {table['run'].get('seed')}",
        *(f"- {key}: {_text(value)}" for key, value in table.get("training", {}).items()),
        f"- made with: {_text(made.get('versions', {}))}",
        f"- commit: {made.get('commit')}, {made.get('date')}",
    ]


def _plain_metrics(metrics: Mapping[str, Any], test: Mapping[str, Any] | None) -> list[str]:
    lines = [f"- {key}: {_text(value)}" for key, value in metrics.items()]
    if not lines and not test:
        return ["None measured. `caloforge evaluate` compares with full simulation."]
    return lines


def _limits(table: Mapping[str, Any], test: Mapping[str, Any] | None) -> list[str]:
    """Write what a user must not expect, first what was said by hand."""
    limits = list(table.get("limits", ()))
    energies = energy_range(table)
    if energies is not None:
        limits.append(
            f"Particles below {energies[0]:.4g} GeV or above {energies[1]:.4g} GeV, or outside "
            "the range above in anything else, are extrapolated: `generate` says how many, "
            "`--strict` refuses them."
        )
    if table.get("kinds"):
        limits.append(
            "Energies are checked for each kind, all other properties alone, and whether "
            "energy, momentum and mass go together."
        )
    full = table.get("data", {}).get(_FULL, {})
    if "run_data" in full:
        limits.append(f"Its full simulation: {full['run_data']}.")
    shapes = worst_shapes(test) if test else ""
    if shapes:
        limits.append(f"Observables that are furthest from full simulation: {shapes}.")
    if table.get("weights_dtype", "float32") != "float32":
        limits.append(
            f"Weights are stored in {table['weights_dtype']} and used in float32; all figures "
            "are those of the stored weights."
        )
    if table.get("left_out"):
        limits.append(
            "Only the weights that generation uses are there: `caloforge explain` cannot look "
            "at codes, and training cannot go on from here."
        )
    limits.append(
        "Equal seeds give equal showers on the same machine and versions; elsewhere the last "
        "bits of the network may differ."
    )
    return [f"- {limit}" for limit in limits]


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

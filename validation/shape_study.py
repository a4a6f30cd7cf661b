"""What a classifier sees in a model's showers, on the validation side.

`python validation/shape_study.py BUNDLE...` writes `validation/results/shapes/NAME.json` for
each: AUC on observables with its floor, shower shapes in floors, and means of width, core
fraction and lit cells by kind, generated over full simulation.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from caloforge.data import ShowerSample

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results" / "shapes"
DRAWS = 3
MEANS = ("width", "core_fraction", "lit_cells", "ring_2", "ring_3", "ring_4", "ring_5")
FEWEST = 10  # photons a shower, below which widths and shares say little


def studied(bundle: Path, draws: int = DRAWS, side: str = "validation") -> dict[str, Any]:
    """Figures of a bundle, means over ``draws`` generated samples.

    There are six times as many showers on the training side, which may flatter the model.
    """
    from judging import MANY, responses

    from caloforge.generation.simulation import load
    from caloforge.metrics.multivariate.classifier import observables_classifier_section
    from caloforge.metrics.settings import Settings
    from caloforge.report import evaluate_samples
    from caloforge.training.preparation import prepare

    simulation = load(bundle)
    sample = getattr(prepare(simulation.bundle.run), side).sample
    made = {
        f"draw {seed}": simulation.generate(sample.particles, seed=seed)
        for seed in range(1, draws + 1)
    }
    evaluation = evaluate_samples(sample, made, seed=0)
    rows = evaluation.comparison.generated
    result: dict[str, Any] = {"statement": evaluation.comparison.statement}
    result["shapes"] = {
        name: [round(row.observables[name].ratio.value, 3) for row in rows]
        for name, shape in rows[0].observables.items()
        if shape.ratio is not None
    }
    finding = observables_classifier_section(
        evaluation.trial, Settings(n_seeds=2), np.random.default_rng(0)
    )
    found = [figure for figure in finding.figures if figure.metric == "classifier_auc"]
    aucs = [figure.value.value for figure in found]
    result["auc"] = {
        "value": float(np.mean(aucs)),
        "error": found[0].value.error,
        "draws": [round(auc, 4) for auc in aucs],
        "floor": found[0].floor.as_dict(),
    }
    result["kinds"] = by_kind(sample, list(made.values()))
    result["responses"] = responses(bundle, MANY).figures()
    return result


def by_kind(sample: ShowerSample, made: list[ShowerSample]) -> dict[str, dict[str, Any]]:
    """Mean observables of showers of `FEWEST` photons or more, generated over reference.

    Each with the error of the reference's mean.
    """
    from caloforge.metrics.shower.catalogue import measure, observables

    known = {one.name: one for one in observables(sample.geometry)}
    names = [name for name in known if name.startswith(("ring", "lit", "core"))]

    def table(showers: Any) -> dict[str, Any]:
        x, y, *rest = measure([known[n] for n in ("width_x", "width_y", *names)], showers).T
        return {"width": (x + y) / 2, **dict(zip(names, rest, strict=True))}

    full = table(sample.showers)
    bright = sample.showers.sum(axis=1) >= FEWEST
    others = [(table(one.showers), one.showers.sum(axis=1) >= FEWEST) for one in made]
    kinds = np.asarray(sample.particles.kinds())
    result: dict[str, dict[str, Any]] = {}
    chosen = {"all": np.full(len(kinds), True)}
    chosen |= {str(kind): kinds == kind for kind in np.unique(kinds)}
    for kind, rows in chosen.items():
        own = rows & bright
        if own.sum() < 20:
            continue
        result[kind] = {"n": int(own.sum())}
        for name in MEANS:
            mean = full[name][own].mean()
            error = full[name][own].std(ddof=1) / np.sqrt(own.sum())
            values = [one[name][rows & lit].mean() for one, lit in others]
            result[kind][name] = {
                "reference": round(float(mean), 4),
                "ratio": round(float(np.mean(values) / mean), 4),
                "error": round(float(error / mean), 4),
            }
    return result


def main() -> None:
    """Study bundles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--side", choices=("validation", "train"), default="validation")
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for bundle in arguments.bundles:
        found = studied(bundle, arguments.draws, arguments.side)
        path = arguments.output / f"{bundle.resolve().parent.name}-{arguments.side}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        print(path.name, line(found))


def line(found: dict[str, Any]) -> str:
    """A summary."""
    auc, kinds, numbers = found["auc"], found["kinds"], found["responses"]
    shapes = {key: round(float(np.mean(one)), 2) for key, one in found["shapes"].items()}
    widths = {
        kind: f"w {row['width']['ratio']:.3f} +- {row['width']['error']:.3f} "
        f"c {row['core_fraction']['ratio']:.3f} +- {row['core_fraction']['error']:.3f} "
        f"l {row['lit_cells']['ratio']:.3f} n {row['n']}"
        for kind, row in kinds.items()
    }
    return (
        f"AUC {auc['value']:.4f} +- {auc['error']:.4f} (floor {auc['floor']['value']:.4f}) "
        f"score {numbers['score']:.3f} "
        f"w1 {numbers['w1_pairs']:.3f} ({numbers['w1_floor']:.3f}) "
        f"spread {numbers['spread']:.3f} width w1 {numbers['width_w1']:.3f}\n  {shapes}\n  "
        + "\n  ".join(f"{kind:8s} {text}" for kind, text in widths.items())
    )


if __name__ == "__main__":
    main()

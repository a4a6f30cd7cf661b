"""What each part of the tuned e2e SAE gives: one change at a time, on validation showers.

    python validation/ablation.py            # trains what is missing; 3 to 4 minutes a variant
    python validation/ablation.py --table    # only draws docs/tables/ablation.md

The figures are of the validation side of the training particles: test showers are not touched.
Weights are chosen on the same side by W1, so W1 is a little too good, for all alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from markdown_tables import table
from result_files import results_in, write_json, write_text

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "ablation"
TABLE = HERE.parent / "docs" / "tables" / "ablation.md"
FIGURES = ("score", "w1", "spread", "lit")
STEPS = ("train.threads=1",)

E2E, VAE, REGRESSION = "zn-e2e-sae", "zn-vae", "zn-regression"
NO_SCORES = ("model.energy_weight=0", "model.region_weight=0", "model.sinkhorn_weight=10")
VARIANTS: dict[str, tuple[str, ...]] = {
    "tuned": (E2E,),
    "Poisson cells": (E2E, "model.cells=poisson"),
    "no region score": (E2E, "model.region_weight=0"),
    "no Sinkhorn": (E2E, "model.sinkhorn_weight=0"),
    "Sinkhorn alone, condition weight 1": (E2E, *NO_SCORES, "model.condition_weight=1"),
    "Sinkhorn alone, condition weight 0.1": (E2E, *NO_SCORES, "model.condition_weight=0.1"),
    "Sinkhorn alone, condition weight 0.01": (E2E, *NO_SCORES, "model.condition_weight=0.01"),
    "no noise on codes": (E2E, "model.code_noise=0"),
    "latent size 12": (E2E, "model.latent_dim=12"),
    "no reflections": (E2E, "data.reflect=false"),
    "detector frame": (E2E, "data.centre_on_impact=false"),
    "encoder and decoder without condition": (E2E, "model.conditioned=false"),
    "VAE": (VAE,),
    "VAE, Poisson cells": (VAE, "model.cells=poisson"),
    "regression": (REGRESSION,),
    "regression, detector frame": (REGRESSION, "data.centre_on_impact=false"),
}


def draw() -> None:
    """Write the table from the JSON files."""
    found = {one["variant"]: one for one in results_in(RESULTS).values()}
    heads = ["change", "energy score [photons]", "W1 [photons]", "spread ratio"]
    rows = [
        [name, *(f"{found[name]['figures'][key]:.2f}" for key in FIGURES)]
        for name in VARIANTS
        if name in found
    ]
    provenance = [one["provenance"] for one in found.values()]
    commits = ", ".join(sorted({str(p["commit"]) for p in provenance}))
    note = (
        "Validation particles of zn-train, 2,500 steps, seed 0. Made by "
        f"`python validation/ablation.py`, {max(p['date'][:10] for p in provenance)}, commit "
        f"{commits}. Ideal: spread 1, lit cells 1."
    )
    lines = [*table([*heads, "lit cells ratio"], rows), "", note]
    write_text(TABLE, "\n".join(lines) + "\n")
    print(TABLE.read_text())


def main() -> None:
    """Run what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--table", action="store_true", help="only draw the table")
    parser.add_argument("--work", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--only", nargs="*", help="variants, by default all")
    options = parser.parse_args()
    if not options.table:
        from judging import judge

        from caloforge.config import load_run
        from caloforge.training.provenance import provenance
        from caloforge.training.run import train

        RESULTS.mkdir(parents=True, exist_ok=True)
        for name in options.only or VARIANTS:
            run_name, *settings = VARIANTS[name]
            slug = name.replace(" ", "-").replace(",", "")
            path = RESULTS / f"{slug}.json"
            if path.exists():
                continue
            run = load_run(run_name, [*STEPS, *settings])
            bundle = train(run, options.work / slug, force=True)
            result = {
                "variant": name,
                "run": run_name,
                "settings": [*STEPS, *settings],
                "figures": judge(bundle),
                "provenance": provenance(),
            }
            write_json(path, result)
            print(name, result["figures"], flush=True)
    draw()


if __name__ == "__main__":
    main()

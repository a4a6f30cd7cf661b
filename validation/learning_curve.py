"""How much more showers would help: the tuned e2e SAE on parts of the training particles.

    python validation/learning_curve.py            # 3 core-minutes a share
    python validation/learning_curve.py --draw     # only the table and the picture

Parts are nested; steps, settings and the validation side are the same for all. Figures are of
the validation particles: test showers are not touched.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import markdown_tables
from judging import judged
from result_files import read_json, write_json, write_text

HERE = Path(__file__).parent
RESULT = HERE / "results" / "learning-curve.json"
DOCS = HERE.parent / "docs"
RUN = "zn-e2e-sae"
SHARES = (0.125, 0.25, 0.5, 1.0)
# Figure, what it is called, and where its floor stands.
FIGURES = (
    ("score", "energy score [photons]", None),
    ("w1", "W1 of channel sums [photons]", None),
    ("width_w1", "W1 of widths [cm]", "width_w1_floor"),
    ("spread", "spread ratio", None),
)


def trained(share: float, work: Path) -> tuple[Path, int]:
    """Train on a share of the training particles; return the bundle and their number."""
    import numpy as np

    from caloforge.config import load_run
    from caloforge.data import ShowerWriter
    from caloforge.training.preparation import prepare
    from caloforge.training.run import train

    sides = prepare(load_run(RUN))
    sample, held = sides.train.sample, sides.validation.sample
    particles = np.unique(sample.particles.incident)
    chosen = np.random.default_rng(0).permutation(particles)[: round(share * len(particles))]
    some = sample.select(np.isin(sample.particles.incident, chosen))
    work.mkdir(parents=True, exist_ok=True)
    for name, parts in (("showers", (some, held)), ("validation", (held,))):
        with ShowerWriter(
            work / f"{name}.h5", sample.geometry, provenance=sample.provenance, force=True
        ) as writer:
            for part in parts:
                writer.append(part.particles, part.showers)
    run = load_run(
        RUN,
        [
            f"data.train={work / 'showers.h5'}",
            f"data.validation_list={work / 'validation.h5'}",
            "train.threads=1",
        ],
    )
    return train(run, work / "run", force=True), len(chosen)


def measure(work: Path) -> None:
    """Train and judge what is missing; write after each share."""
    import torch

    from caloforge.training.provenance import provenance

    torch.set_num_threads(1)
    found: dict[str, Any] = read_json(RESULT) if RESULT.is_file() else {"shares": {}}
    for share in SHARES:
        if str(share) in found["shares"]:
            continue
        bundle, n = trained(share, work / str(share))
        found["shares"][str(share)] = {"particles": n, "figures": judged(bundle)}
        found |= {"run": RUN, "seed": 0, "provenance": provenance()}
        write_json(RESULT, found)
        print(share, n, found["shares"][str(share)]["figures"]["score"], flush=True)


def draw() -> None:
    """Write docs/tables/learning-curve.md and docs/figures/learning-curve.png."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shares = sorted(read_json(RESULT)["shares"].values(), key=lambda one: one["particles"])
    rows = [
        [
            f"{one['particles']:,}",
            *(
                markdown_tables.with_spread([f["value"]], [f["error"]])
                for key, _, _ in FIGURES
                for f in (one["figures"][key],)
            ),
        ]
        for one in shares
    ]
    heads = ["training particles", *(name for _, name, _ in FIGURES)]
    lines = markdown_tables.table(heads, rows)
    write_text(DOCS / "tables" / "learning-curve.md", "\n".join(lines) + "\n")

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    n = [one["particles"] for one in shares]
    for ax, (key, name, floor) in zip(figure.subplots(1, 4), FIGURES, strict=True):
        figures = [one["figures"][key] for one in shares]
        values, errors = ([f[k] for f in figures] for k in ("value", "error"))
        ax.errorbar(n, values, yerr=errors, fmt="o-", color="#d62728")
        if floor is not None:
            ax.axhline(shares[-1]["figures"][floor]["value"], color="k", lw=0.8, ls=":")
        ax.set(xscale="log", xlabel="training particles", ylabel=name)
        ax.set_xticks(n, [f"{one:,}" for one in n], minor=False)
        ax.set_xticks([], minor=True)
    figure.savefig(DOCS / "figures" / "learning-curve.png", dpi=110)


def main() -> None:
    """Measure what is missing, then draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--draw", action="store_true", help="only draw")
    parser.add_argument("--work", type=Path, default=Path("runs/learning-curve"))
    options = parser.parse_args()
    if not options.draw:
        measure(options.work)
    draw()


if __name__ == "__main__":
    main()

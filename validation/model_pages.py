"""What tuned systems of the zoo gave, on the pages of their models.

    python validation/model_pages.py

fills the places between marks in docs/models/*.md from the JSON files that `zoo.py` leaves and
from the run files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from markdown_tables import filled, table
from result_files import write_text
from zoo_tables import COLUMNS, one_figure, read, with_spread

if TYPE_CHECKING:
    from collections.abc import Sequence

PAGES = Path(__file__).parents[1] / "docs" / "models"
MARK = "gave"
# Systems of each page.
SYSTEMS = {
    "vae": (("VAE", "zn-vae"),),
    "wae": (("WAE", "zn-wae"), ("bigWAE", "zn-bigwae")),
    "swae": (("SWAE", "zn-swae"),),
    "cwae": (("CWAE", "zn-cwae"),),
    "sae": (("SAE", "zn-sae"), ("SAE (H)", "zn-sae-h")),
    "dcgan": (("DCGAN", "zn-dcgan"),),
    "e2e-sae": (("e2e SAE", "zn-e2e-sae"), ("e2e SAE, shapes", "zn-e2e-shapes")),
    "latent-flow": (("flow on codes", "zn-latent-flow"),),
    "latent-flow-matching": (("latent flow matching", "zn-latent-flow-matching"),),
    "flow-matching": (("flow matching", "zn-flow-matching"),),
    "sdi-gan": (("SDI-GAN", "zn-sdi-gan"),),
    "channel-regressor": (("channel regressor", "zn-channel-regressor"),),
}
KEYS = ("w1_ratio", "spread_ratio", "classifier_auc", "lit_cells")
SETTINGS = {
    "latent_dim": "{} codes",
    "noise_dim": "{} noises",
    "prior_weight": "weight {:,.0f}",
    "kl_weight": "weight of KL {:g}",
    "code_noise": "noise on codes {:g}",
    "penalty": "gradient penalty {:g}",
}


def settings(run_name: str) -> str:
    """What was chosen for a run file, in words."""
    from caloforge.config import load_run

    model = load_run(run_name).model
    found = ((text, getattr(model, key, None)) for key, text in SETTINGS.items())
    return ", ".join(text.format(value) for text, value in found if value is not None)


def seeds(n: int) -> str:
    """How many seeds, in words."""
    return "a single seed" if n == 1 else f"{n} seeds"


def gave(systems: Sequence[tuple[str, str]]) -> list[str]:
    """Lines of a page: figures of its tuned systems on both detectors, then their settings."""
    columns = [column for column in COLUMNS if column.key in KEYS]
    heads = ["", "", *(column.head for column in columns), "training [core-min]"]
    rows: list[list[str]] = []
    for detector in ("zn", "zp"):
        found = read(detector)
        every = [run for runs in found.values() for run in runs]
        rows.append([f"{detector.upper()}: floor", "", *floor_of(every, columns), ""])
        for system, _ in systems:
            if not (runs := found.get(("tuned", system), [])):
                continue
            figures = (with_spread([one_figure(r, c) for r in runs]) for c in columns)
            spent = sum(run["core-seconds"] for run in runs) / 60 / len(runs)
            rows.append(
                [f"{detector.upper()}: {system}", seeds(len(runs)), *figures, f"{spent:.2g}"]
            )
    chosen = [f"`{run}` has {text}." for _, run in systems if (text := settings(run))]
    return [*table(heads, rows), "", " ".join(chosen)]


def floor_of(runs: Sequence[dict], columns: Sequence) -> list[str]:
    """Figures of the floor."""
    return [
        "1"
        if column.shape or column.key == "w1_ratio"
        else with_spread([next(filter(None, (one_figure(r, column, "floor") for r in runs)))])
        for column in columns
    ]


def draw() -> None:
    """Fill every page."""
    for name, systems in SYSTEMS.items():
        path = PAGES / f"{name}.md"
        if not any(("tuned", system) in read("zn") for system, _ in systems):
            continue
        write_text(path, filled(path.read_text(), MARK, gave(systems)))


if __name__ == "__main__":
    draw()

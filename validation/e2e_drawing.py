"""Tables and figures of the e2e study, from its JSON files."""

from __future__ import annotations

from math import sqrt
from statistics import mean, stdev
from typing import TYPE_CHECKING

import numpy as np
from e2e_pictures import clouds, condition_weight, noise, stability, truncation
from e2e_runs import OURS, PUBLISHED, SEEDS, SIZES, WEIGHTS
from markdown_tables import table
from result_files import results_in, write_text

if TYPE_CHECKING:
    from pathlib import Path

HEAD = (
    "score [photons]", "worse than tuned [photons]", "W1 [photons]", "spread ratio",
    "lit cells", "width",
)  # fmt: skip
MODELS = {"e2e": "e2e SAE", "vae": "VAE", "dcgan": "DCGAN"}
ZOO = {"e2e": "e2e-sae-tuned", "vae": "vae-tuned", "dcgan": "dcgan-tuned"}
ERRORS = (
    "Errors: bootstrap by incident particle; of a difference, of the mean of the differences "
    "by particle. "
)
SHORT_TAIL, WHOLE_TAIL = 10, 5
SHORT_NOTE = (
    "Validated every 50 steps, 2 showers a particle, the same random numbers at each round."
)
WHOLE_NOTE = (
    "Whole trainings of `validation/zoo.py`, validated every 250 steps, 4 showers a particle. "
    "The random numbers alone move such a score by 0.09 and W1 by 0.02 (same weights, five "
    "choices of numbers; seen once, by a script that was not kept): wobbles of that size are "
    "not the model's."
)


def draw(results: Path, docs: Path, zoo_results: Path) -> None:
    """Write what the JSON files are enough for."""
    found = results_in(results)
    runs = {name: one for name, one in found.items() if "figures" in one}
    if "e2e-0" not in runs:
        return
    short, whole = _curves(runs, results_in(zoo_results / "zn", "*-tuned-*.json"))
    for name, lines in (
        ("sinkhorn", _sinkhorn(runs)),
        ("condition", _condition(runs)),
        ("latent", _latent(runs)),
        ("stability", _stability(short, SHORT_TAIL, SHORT_NOTE) if short else []),
        ("stability-whole", _stability(whole, WHOLE_TAIL, WHOLE_NOTE) if whole else []),
        ("codes", _codes(runs)),
        ("truncation", _truncation(found)),
        ("physics", _physics(found)),
        ("tries", _tries(runs)),
    ):
        if lines:
            errors = "" if name == "codes" else ERRORS
            made = "" if name == "stability-whole" else _made(list(found.values()), errors)
            text = "\n".join([*lines, "", made]).rstrip() + "\n"
            write_text(docs / "tables" / f"e2e-{name}.md", text)
    figures = docs / "figures"
    condition_weight(runs, figures / "e2e-condition.png")
    if len(short) > 1:
        stability(short, figures / "e2e-stability.png")
    if len(whole) > 1:
        stability(whole, figures / "e2e-stability-whole.png")
    if "truncation" in found:
        truncation(found["truncation"]["found"], figures / "e2e-truncation.png")
    if "noise" in found:
        noise(found["noise"]["found"], figures / "e2e-noise.png")
    if "vae-0" in runs:
        clouds(runs["e2e-0"]["picture"], runs["vae-0"]["picture"], figures / "e2e-codes.png")


def _made(found: list[dict], errors: str) -> str:
    commits = {str((x.get("trained at") or x["provenance"])["commit"]) for x in found}
    dates = {x["provenance"]["date"][:10] for x in found}
    return (
        "1,128 validation showers of 883 particles of zn-train; 1,000 steps, last weights "
        f"(running mean). {errors}Made by `python validation/e2e_study.py`, "
        f"{max(dates)}, commit {', '.join(sorted(commits))}."
    )


def _number(one: dict, digits: int = 2) -> str:
    return f"{one['value']:.{digits}f} ± {one['error']:.{digits}f}"


def _row(label: str, run: dict, *extra: str) -> list[str]:
    f = run["figures"]
    return [
        label, f"{f['score']['value']:.2f}", _number(f["worse"]) if "worse" in f else "0",
        f"{f['w1']['value']:.2f}", f"{f['spread']['value']:.2f}", f"{f['lit']['value']:.2f}",
        f"{f['width']['value']:.3f}", *extra,
    ]  # fmt: skip


def _table(first: str, rows: list[list[str]], *extra: str) -> list[str]:
    return table([first, *HEAD, *extra], rows)


def _floor(runs: dict) -> str:
    f = runs["e2e-0"]["figures"]
    return (
        "245 particles have two showers. On their 490 the tuned model scores "
        f"{_number(f['score_pairs'], 1)} and full simulation against itself "
        f"{_number(f['score_floor'], 1)}; W1 on 245 showers is {_number(f['w1_pairs'], 1)} and "
        f"{_number(f['w1_floor'], 1)}; W1 of the width {_number(f['width_w1'], 3)} cm and "
        f"{_number(f['width_w1_floor'], 3)} cm."
    )


def _seeds(runs: dict, model: str) -> list[dict]:
    return [runs[f"{model}-{seed}"] for seed in SEEDS if f"{model}-{seed}" in runs]


def _seed_row(runs: dict) -> str:
    ours = _seeds(runs, "e2e")
    if len(ours) < 2:
        return ""
    parts = []
    for key, name, digits in (
        ("score", "score", 2), ("w1", "W1", 2), ("spread", "spread ratio", 3),
        ("width", "width", 3),
    ):  # fmt: skip
        values = [run["figures"][key]["value"] for run in ours]
        parts.append(f"{name} {mean(values):.{digits}f} ± {stdev(values):.{digits}f}")
    scatter = seed_scatter(runs)
    return (
        f" {len(ours)} seeds of the tuned model (mean ± standard deviation): "
        + ", ".join(parts)
        + ". All other rows are one seed: *worse than tuned* is a difference of two single "
        f"runs; the scatter of its seeds, about {scatter:.2f}, comes on top of its error."
    )


def seed_scatter(runs: dict) -> float:
    """Standard deviation over seeds of the difference of two scores of single runs [photons].

    As if every run scattered as the tuned model does: root of 2 times that.
    """
    return sqrt(2) * stdev(run["figures"]["score"]["value"] for run in _seeds(runs, "e2e"))


def _plan(run: dict) -> tuple[str, str, str]:
    codes = run["codes"]
    alive = codes["generated within a particle"] / codes["spread within a particle"]
    return f"{codes['own share']:.3f}", f"{codes['partners']:.1f}", f"{alive:.2f}"


PLAN_HEAD = (
    "mass on own condition",
    "partners of a code",
    "spread of codes, generated/encoded",
)


def _sinkhorn(runs: dict) -> list[str]:
    rows = []
    for loss in ("paper", "tuned"):
        for weight in (PUBLISHED, OURS):
            for name in ("2", "converged"):
                run = runs.get(f"{loss}-cw{weight}-{name}")
                if run:
                    what = "2 iterations" if name == "2" else name
                    label = f"{loss}'s loss" if loss == "paper" else "tuned loss"
                    rows.append(_row(f"{label}, weight {weight}, {what}", run, *_plan(run)))
    for weight in (PUBLISHED, OURS):
        run = runs.get(f"bare-cw{weight}")
        if run:
            label = f"paper's loss and codes, weight {weight}, 2 iterations"
            rows.append(_row(label, run, *_plan(run)))
    if not rows:
        return []
    base = _row("tuned loss as it is (ε = 0.5, weight 0.03)", runs["e2e-0"],
                *_plan(runs["e2e-0"]))  # fmt: skip
    return [
        *_table("ε = 0.005 (blur 0.05)", [*rows, base], *PLAN_HEAD),
        "", _floor(runs) + _seed_row(runs),
    ]  # fmt: skip


def _condition(runs: dict) -> list[str]:
    rows = [
        _row(f"{weight:g}", runs[f"weight-{weight}"], *_plan(runs[f"weight-{weight}"]))
        for weight in WEIGHTS
        if f"weight-{weight}" in runs
    ]
    base = _row("0.03, tuned loss", runs["e2e-0"], *_plan(runs["e2e-0"]))
    chance = runs["e2e-0"]["codes"]["own share by chance"]
    note = f" By chance {chance:.3f} of the mass is on the own condition."
    return [
        *_table("weight of the condition", [*rows, base], *PLAN_HEAD),
        "", _floor(runs) + _seed_row(runs) + note,
    ]  # fmt: skip


def _latent(runs: dict) -> list[str]:
    rows = []
    for size in SIZES:
        run = runs.get("e2e-0" if size == 6 else f"latent-{size}")
        if run:
            codes = run["codes"]
            extra = [f"{codes[k]:.2f}" for k in ("dimensions", "dimensions generated")]
            rows.append(_row(str(size), run, *extra, f"{run['parameters']:,}"))
    return [
        *_table("latent size", rows, "dimensions, encoded", "generated", "parameters"),
        "", _floor(runs) + _seed_row(runs),
    ]  # fmt: skip


def wobble(curve: list[float]) -> float:
    """Standard deviation of a round's value around its neighbours.

    From successive differences, so that a trend does not count.
    """
    return float(np.sqrt(np.mean(np.diff(curve) ** 2) / 2))


def _curves(runs: dict, zoo: dict) -> tuple[dict, dict]:
    """Curves of this study (raw weights and running mean) and of the whole trainings."""
    short: dict = {}
    whole: dict = {}
    for model, label in MODELS.items():
        ours = [run["history"] for run in _seeds(runs, model)]
        if ours:
            short[label] = {
                name: [
                    {"step": one["step"], "score": one[f"{key} score"], "w1": one[f"{key} w1"]}
                    for one in ours
                ]
                for name, key in (("weights as they are", "raw"), ("running mean", "mean"))
            }
        theirs = [zoo[name]["rounds"] for name in sorted(zoo) if name.startswith(ZOO[model])]
        if theirs:
            whole[label] = {
                "running mean": [
                    {key: [row[key] for row in one] for key in ("step", "score", "w1")}
                    for one in theirs
                ]
            }
    return short, whole


def _stability(curves: dict, tail: int, note: str) -> list[str]:
    head = ["model", "weights", "seeds"]
    for name in ("score", "W1"):
        head += [f"{name} at the end", "over seeds", "last rounds", "wobble"]
    rows = []
    for label, kinds in curves.items():
        for name, seeds in kinds.items():
            cells = [label, name, str(len(seeds))]
            for key in ("score", "w1"):
                tails = [one[key][-tail:] for one in seeds]
                ends = [one[-1] for one in tails]
                cells += [
                    f"{mean(ends):.2f}",
                    f"{stdev(ends):.3f}" if len(ends) > 1 else "",
                    f"{mean(map(stdev, tails)):.3f}",
                    f"{mean(map(wobble, tails)):.3f}",
                ]
            rows.append(cells)
    text = (
        "In photons. *Over seeds*: standard deviation over seeds at the last step. *Last "
        f"rounds*: standard deviation over the last {tail} validations, mean over seeds. "
        "*Wobble*: the same from successive differences, free of the trend. "
    )
    return [*table(head, rows), "", text + note]


def _codes(runs: dict) -> list[str]:
    if "vae-0" not in runs:
        return []
    ours, gaussian = (runs[name]["match"] for name in ("e2e-0", "vae-0"))
    again = {
        f"{one['match provenance']['date'][:10]}, commit {one['match provenance']['commit']}"
        for one in (runs["e2e-0"], runs["vae-0"])
        if "match provenance" in one
    }
    redone = f" Computed again from the same bundles, {'; '.join(sorted(again))}."
    heads = ["showers", "number"]
    for head in ("e2e SAE: generated codes", "VAE: standard normal prior"):
        heads += [head, "scatter if equal"]
    rows = []
    for name, one in ours.items():
        cells = [name, str(one["showers"])]
        for x in (one, gaussian[name]):
            value, error, equal = (100 * x[k] for k in ("value", "error", "scatter if equal"))
            cells += [f"{value:.3f} ± {error:.3f}", f"{equal:.3f}"]
        rows.append(cells)
    return [
        *table(heads, rows), "",
        ("Energy distance between encoded and generated codes over twice their mean "
        "distance, in "
        "percent: 0 for equal distributions (unbiased, so it may fall below), 100 for "
        "clouds far "
        "apart. Errors: standard deviation over 60 halves of the particles, drawn without "
        "replacement; right for clouds that differ, too large by up to 1.7 for equal ones. "
        "Whether a value differs from 0 *scatter if equal* tells: its standard deviation where "
        "encoded and generated codes are swapped at random, by particle. One seed each."
        + (redone if again else "")),
    ]  # fmt: skip


def _truncation(found: dict) -> list[str]:
    if "truncation" not in found:
        return []
    heads = [
        "points", "ε", "condition weight", "ε / mean cost", "value, 2 iterations / converged",
        "gradient: length", "cosine", "error, 2 iterations", "10", "50", "200",
    ]  # fmt: skip
    rows = []
    for row in found["truncation"]["found"]:
        at = row["iterations"].index
        two = at(2)
        cells = [
            str(row["points"]), f"{row['epsilon']:g}", f"{row['condition weight']:g}",
            f"{row['epsilon over mean cost']:.1g}", f"{row['value'][two]:.2f}",
            f"{row['length'][two]:.2f}", f"{row['cosine'][two]:.2f}",
            *(f"{row['error'][at(n)]:.2f}" if n in row["iterations"] else ""
              for n in (2, 10, 50, 200)),
        ]  # fmt: skip
        rows.append(cells)
    return [
        *table(heads, rows), "",
        ("Debiased divergence and its gradient in the generated codes, on encoded and "
        "generated "
        "codes of the tuned model (seed 0), in float64. Error: length of the difference of the "
        "gradients over that of the converged one."),
    ]  # fmt: skip


def _physics(found: dict) -> list[str]:
    if "noise" not in found:
        return []
    physics = found["noise"]["found"]["physics"]
    names = ["photon sum", "centroid x", "centroid y", "width"]
    rows = []
    for k, share in enumerate(physics["variance of axes"]):
        pairs = zip(
            physics["correlation, encoded"][k],
            physics["correlation, generated"][k],
            strict=True,
        )
        cells = [f"{a:+.2f} / {b:+.2f}" for a, b in pairs]
        rows.append([str(k + 1), f"{100 * share:.1f} %", *cells])
    explained = [f"{100 * x:.0f} %" for x in physics["explained, encoded"]]
    last = "| all, straight line, out of fold | | " + " | ".join(explained) + " |"
    return [
        *table(["axis of the codes", "variance", *names], rows), last, "",
        ("Rank correlation of the code along its principal axes with what a shower has more "
        "than "
        "the mean shower of its particle: encoded full simulation / generated codes and what "
        "they decode to. Statistical error 0.03. Last line: variance of full simulation's "
        "difference that the encoded code explains."),
    ]  # fmt: skip


def _tries(runs: dict) -> list[str]:
    rows = [_row(run["label"], run) for name, run in runs.items() if name.startswith("try-")]
    if not rows:
        return []
    base = [_row(f"tuned, seed {k}", run) for k, run in enumerate(_seeds(runs, "e2e"))]
    return [*_table("change", [*base, *rows]), "", _floor(runs) + _seed_row(runs)]

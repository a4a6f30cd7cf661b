"""Tables of the image studies, from their JSON files."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from markdown_tables import table, with_spread
from result_files import results_in, write_text

if TYPE_CHECKING:
    from pathlib import Path

HEADS = (
    "",
    "seeds",
    "FID",
    "FID of the talk *",
    "read as wanted",
    "worst label",
    "spread / data's",
    "parameters",
    "training [core-min]",
    "images/s",
)
MANY = 10_000
_READ = " Read as wanted: share of images in which the network reads the label asked for."


def write_table(
    results: Path,
    path: Path,
    rows: dict[str, tuple[str, float | None]],
    *,
    command: str,
    of: str,
) -> None:
    """Write a table of all runs that have a JSON file.

    Arguments:
        results: Folder of the JSON files.
        path: Markdown file to write.
        rows: Name for people and published FID of each run.
        command: That makes it.
        of: What the FID compares with.
    """
    found: dict[str, list[dict]] = {}
    for run in results_in(results).values():
        found.setdefault(run["run"], []).append(run)
    if not found:
        msg = f"{results}: found no results, expected one JSON a run; run the study first"
        raise SystemExit(msg)
    has_labels = any("share read as wanted" in run for runs in found.values() for run in runs)
    heads = [h for h in HEADS if has_labels or h not in {"read as wanted", "worst label"}]
    table_rows = []
    for name, (label, published) in rows.items():
        if name in found:
            mark = " †" if _e2e(found[name]) else ""
            table_rows.append(_row(label + mark, published, found[name], labels=has_labels))
    every = [run for runs in found.values() for run in runs]
    some = every[0]
    commits = sorted({str(run["provenance"]["commit"]) for run in every})
    date = max(run["provenance"]["date"][:10] for run in every)
    machine = some["provenance"]["machine"]
    steps = _steps(found, rows)
    loss = "".join(_loss(runs) for name, runs in found.items() if name in rows)
    lines = [
        *table(heads, table_rows),
        "",
        (
            f"FID: {some['n']:,} images against {some['n']:,} {of}, features: "
            f"{some['features']}; mean over seeds ± bootstrap error ± spread over seeds. \\* "
            "Published, of another feature network and other sizes: the order may be compared, "
            f"the figures may not. {_few(some['n'])}"
            "Original data: as many images that models learn from. "
            "Spread: of features within a label, against that of the images compared with."
            f"{_READ if has_labels else ''}{loss} Times on one core of {machine}. {steps}"
            f"Made by `{command}`, {date}, commit {', '.join(commits)}."
        ),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "\n".join(lines) + "\n")


def _few(n: int) -> str:
    """What few images do to the FID, in words."""
    if n >= MANY:
        return ""
    return (
        f"Of {n:,} images FID comes out larger than of more: the published column, of other "
        "numbers of images, is no scale for these rows. "
    )


def _row(label: str, published: float | None, runs: list[dict], *, labels: bool) -> list[str]:
    fid = [run["fid"] for run in runs]
    cells = [label, str(len(runs))]
    cells.append(with_spread([f["value"] for f in fid], [f["error"] for f in fid]))
    cells.append("" if published is None else f"{published:g}")
    if labels:
        cells.append(f"{100 * statistics.mean(r['share read as wanted'] for r in runs):.1f} %")
        worst = {
            digit: statistics.mean(run["by label"][digit] for run in runs)
            for digit in runs[0]["by label"]
        }
        digit = min(worst, key=lambda d: worst[d])
        cells.append(f"{digit}: {100 * worst[digit]:.1f} %")
    key = "spread within labels over the data's"
    cells.append(f"{statistics.mean(run[key] for run in runs):.3f}")
    if "parameters" in runs[0]:
        minutes = statistics.mean(run["training core-seconds"] / 60 for run in runs)
        rate = statistics.mean(run["images per core-second"] for run in runs)
        cells += [f"{runs[0]['parameters']:,}", f"{minutes:.2g}", f"{rate:,.0f}"]
    else:
        cells += ["", "", ""]
    return cells


def _steps(found: dict[str, list[dict]], rows: dict[str, tuple[str, float | None]]) -> str:
    """How long models were trained, in words."""
    told = [
        f"{rows[name][0]} {runs[0]['training']['steps']:,}"
        for name, runs in found.items()
        if name in rows and "training" in runs[0]
    ]
    return f"Training steps: {', '.join(told)}. " if told else ""


def _e2e(runs: list[dict]) -> dict:
    """Model settings of an e2e SAE; empty for any other."""
    settings = runs[0].get("run file", {}).get("model", {})
    return settings if settings.get("name") == "e2e-sae" else {}


def _loss(runs: list[dict]) -> str:
    """In what the loss of our e2e SAE is not the paper's, in words."""
    model = _e2e(runs)
    if not model:
        return ""
    joined = runs[0]["run file"]["data"]["conditions"] and model["condition_weight"] != 1
    every = {
        f"energy score of codes (weight {model['energy_weight']:g})": model["energy_weight"],
        f"energy score of region sums (weight {model['region_weight']:g})": model[
            "region_weight"
        ],
        "codes normalised in a batch": model["codes"] == "normalised",
        f"noise of {model['code_noise']:g} on codes": model["code_noise"],
        f"conditions of weight {model['condition_weight']:g} in the cost of transport": joined,
    }
    ours = [what for what, holds in every.items() if holds]
    return f" † Not the loss of the paper: {', '.join(ours)}." if ours else ""

"""The docs' tables of `loading.py`, from its committed results."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "tables" / "loading.md"
PAGE = ROOT / "docs" / "loading.md"
BASELINES = (
    "h5py + DataLoader, one shower by index",
    "h5py + DataLoader, a batch by sorted indices",
)


def write_tables(results: dict[str, Any]) -> None:
    parts = {
        name: [*made(results[name]["result"]), "", origin(name, results[name]["provenance"])]
        for name, made in TABLES.items()
        if name in results
    }
    whole = [line for lines in parts.values() for line in (*lines, "")]
    TABLE.write_text("\n".join(whole).rstrip() + "\n")
    page = PAGE.read_text()
    for name, lines in parts.items():
        start, end = f"<!-- from tables/loading.md: {name} -->\n", "<!-- end -->"
        before, rest = page.split(start)
        page = before + start + "\n".join(lines) + "\n" + end + rest.split(end, 1)[1]
    PAGE.write_text(page)


def origin(name: str, found: dict[str, Any]) -> str:
    versions = found["versions"]
    used = ", ".join(f"{k} {versions[k]}" for k in ("torch", "numpy", "h5py"))
    return (
        f"Measured {found['date'][:10]} at commit {found['commit']} on {found['cores']} shared "
        f"cores, {used}, by `benchmarks/loading.py {name}`."
    )


def ways(rows: list[dict[str, Any]]) -> list[str]:
    rates = {(row["showers"], row["way"]): row["showers_per_s"] for row in rows}
    head = ("showers", "way", "showers/s", "a CPU second", "x one by index", "x sorted batches")
    head += ("preparation s", "first batch s", "memory MB")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        ratios = [
            digits(row["showers_per_s"] / rates[row["showers"], name]) for name in BASELINES
        ]
        # The other processes' time is not in that of the first.
        per_cpu = "" if "processes" in row["way"] else digits(row["showers_per_cpu_s"])
        lines.append(
            f"| {row['showers']} | {row['way']} | {digits(row['showers_per_s'])} | {per_cpu} "
            f"| {' | '.join(ratios)} | {row['prepare_s']:.2f} | {row['first_batch_s']:.2f} "
            f"| {row['peak_mb']:.0f} |"
        )
    return lines


def step(rows: list[dict[str, Any]]) -> list[str]:
    return [
        "| loading | CPU ms a batch | a step without | share | whole step dearer by |",
        "|---|---|---|---|---|",
        *(
            f"| {row['loading']} | {alone(row, '{batch_cpu_ms:.1f}')} "
            f"| {row['held_cpu_ms']:.0f} | {alone(row, '{share:.1%}')} "
            f"| {row['whole_share']:+.1%} |"
            for row in rows
        ),
    ]


def alone(row: dict[str, Any], form: str) -> str:
    """What is known where no worker makes batches while the step is computed."""
    return "" if row["loading"] in ("stream", "memory, 1 worker") else form.format(**row)


def memory(found: dict[str, Any]) -> list[str]:
    lines = ["| after | peak MB | above torch and lightning |", "|---|---|---|"]
    base = found["peak_mb"]["torch and lightning"]
    peaks = found["peak_mb"].items()
    return lines + [f"| {name} | {peak:.0f} | {peak - base:.0f} |" for name, peak in peaks]


def jobs(rows: list[dict[str, Any]]) -> list[str]:
    kinds = list(dict.fromkeys((row["showers"], row["n"]) for row in rows))
    peaks = {(row["job"], row["showers"]): row["peak_mb"] for row in rows}
    head = [f"{kind}, {n:,} showers: peak MB" for kind, n in kinds]
    lines = [f"| job | {' | '.join(head)} |", "|---" * (1 + len(head)) + "|"]
    for job in dict.fromkeys(row["job"] for row in rows):
        found = [f"{peaks[job, kind]:.0f}" for kind, _ in kinds]
        lines.append(f"| {job} | {' | '.join(found)} |")
    return lines


def scores(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["| seed | memory | stream |", "|---|---|---|"]
    found: dict[str, dict[int, float]] = {"memory": {}, "stream": {}}
    for row in rows:
        found[row["loading"]][row["seed"]] = row["score"]
    for seed in found["memory"]:
        both = [f"{found[loading][seed]:.3f}" for loading in found]
        lines.append(f"| {seed} | {' | '.join(both)} |")
    spread = [
        f"{statistics.mean(one.values()):.3f} ± {statistics.stdev(one.values()):.3f}"
        for one in found.values()
    ]
    return [*lines, f"| mean ± spread of seeds | {' | '.join(spread)} |"]


def digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.2g}"


TABLES = {"ways": ways, "step": step, "memory": memory, "jobs": jobs, "scores": scores}

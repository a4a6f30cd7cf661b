"""Tables of ``benchmarks/storage.py`` for the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "tables" / "storage.md"
PAGE = ROOT / "docs" / "storage.md"
START, END = "<!-- from tables/storage.md -->\n", "\n<!-- end -->"
PARTS = {
    "ways": "Ways to store them",
    "levels": "caloforge, levels of compression (1 is the default)",
    "chunks": "caloforge, sizes of chunks (512 KiB is the default)",
    "layout": "Other layouts, compressed like ours (lit cells alone: whole showers are read)",
}
HEAD = (
    "| | bytes a shower | written, showers/s | x | x of CPU | read, showers/s | x | x of CPU "
    "| one at random, ms |\n|---|---|---|---|---|---|---|---|---|"
)


def digits(number: float) -> str:
    if number >= 1000:
        number = float(f"{number:.2e}")
        return f"{number:,.0f}"
    return f"{number:.3g}"


def line(row: dict[str, Any]) -> str:
    single = "" if row["single"] is None else f"{row['single']:.2f}"
    cells = [row["name"], digits(row["bytes"])]
    for what in ("write", "read"):
        cells += [
            digits(row[what]),
            f"{row[f'{what}_ratio']:.2f}",
            f"{row[f'{what}_cpu_ratio']:.2f}",
        ]
    return "| " + " | ".join([*cells, single]) + " |"


def origin(report: dict[str, Any]) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items() if v)
    load = report["load_before"][0], report["load_after"][0]
    return (
        f"Measured {report['date'][:10]} at commit {report['commit']} on {report['machine']}, "
        f"{report['cores']} cores of a machine that other work shared (load {load[0]:.1f} to "
        f"{load[1]:.1f} besides this), {report['threads']} threads; {versions}. Medians of "
        f"{report['rounds']} rounds in which all ways took turns. `x`: rate over that of plain "
        "h5py with gzip level 1 in the same round; `x of CPU`: the same of showers a second of "
        "CPU time. Particles are stored too, in 11 columns. Made by `benchmarks/storage.py`."
    )


def summary(report: dict[str, Any]) -> str:
    """Ours, twice, against the best known others."""
    names = (
        "caloforge", "caloforge, 1 thread", "h5py, gzip 1", "h5py, gzip 4", "npz, compressed",
        "Parquet, zstd", "zarr, zstd", "hdf5plugin, Blosc: shuffle, zstd",
    )  # fmt: skip
    heads = [f"{name}: bytes | written/s (x) | read/s (x)" for name in report["sets"]]
    lines = [f"| | {' | '.join(heads)} |", "|---|" + "---|" * (3 * len(heads))]
    for name in names:
        cells = [name]
        for found in report["sets"].values():
            row = next((r for r in found["rows"] if r["name"] == name), None)
            if row is None:
                break
            cells.append(digits(row["bytes"]))
            cells += [f"{digits(row[w])} ({row[f'{w}_ratio']:.1f})" for w in ("write", "read")]
        else:
            lines.append("| " + " | ".join(cells) + " |")
    rates = []
    for name in ("caloforge, 1 thread", "h5py, gzip 1"):
        row = next(r for r in report["sets"]["zn"]["rows"] if r["name"] == name)
        written, read = digits(row["write_cpu"]), digits(row["read_cpu"])
        rates.append(f"{name}: {written} written, {read} read")
    load = f"{report['load_before'][0]:.0f} to {report['load_after'][0]:.0f}"
    cores = f"The {report['cores']} cores had a load of {load} then."
    kind = "ZN showers a second of CPU time, which other work disturbs less"
    lines += ["", f"{cores} {kind}: {'; '.join(rates)}."]
    return "\n".join(lines)


def write_tables(report: dict[str, Any]) -> None:
    """Write the tables, and the summary into the page."""
    lines = [origin(report)]
    for name, found in report["sets"].items():
        lines += [
            "",
            (
                f"## {name}: {found['showers']:,} showers of {found['cells']:,} cells, "
                f"{found['type']}, {100 * found['lit']:.1f} % of them lit"
            ),
        ]
        for part, title in PARTS.items():
            rows = [line(row) for row in found["rows"] if row["part"] == part]
            if rows:
                lines += ["", f"{title}:", "", HEAD, *rows]
    TABLE.write_text("\n".join(lines) + "\n")
    before, rest = PAGE.read_text().split(START)
    PAGE.write_text(before + START + summary(report) + END + rest.split(END.strip(), 1)[1])

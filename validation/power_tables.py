"""Tables of docs/metrics-power.md, from the results of validation/power.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from markdown_tables import filled, table
from result_files import results_in, write_text

PAGE = Path(__file__).parents[1] / "docs" / "metrics-power.md"
TESTS = {
    "verdict": "verdict",
    "w1": "W1 of channels",
    "w1_observable": "W1 of observables",
    "mean_shift": "mean shift",
    "particle_shift": "particle shift",
    "region_shift": "region shift",
    "spread_shift": "spread shift",
    "cell_shift": "mean cells",
    "line_shift": "rows, columns",
    "twins": "equal showers",
    "diversity_shift": "diversity",
    "joint_shift": "all at once",
}
LARGE = 3.0  # standard deviations that a figure must leave its floor by


def draw(results: Path) -> None:
    """Fill the tables of the page."""
    text, found = PAGE.read_text(), results_in(results)
    for name, make in (("sizes", _sizes), ("splits", _splits), ("full", _full)):
        if name in found:
            text = filled(text, name, make(found[name]))
    write_text(PAGE, text)


def n_for(sizes: list[int], power: list[float], wanted: float = 0.9) -> str:
    """Particles for a power, interpolated in the logarithm of their number."""
    if power[0] >= wanted:
        return f"< {sizes[0]}"
    for k in range(1, len(sizes)):
        # The first size from which on the power stays above.
        if min(power[k:]) >= wanted:
            low, high = power[k - 1], power[k]
            share = (wanted - low) / (high - low) if high > low else 1.0
            size = np.exp(np.log(sizes[k - 1]) + share * np.log(sizes[k] / sizes[k - 1]))
            return f"{float(f'{size:.2g}'):.0f}"
    return f"({power[-1]:.0%})" if power[-1] else "–"


def _sizes(study: dict) -> list[str]:
    found = study["found"]
    names = list(dict.fromkeys(key.rpartition(" ")[0] for key in found))
    sizes = sorted({int(key.rpartition(" ")[2]) for key in found})
    rows = []
    for name in names:
        first, *others = (
            n_for(sizes, [found[f"{name} {size}"].get(test, 0.0) for size in sizes])
            for test in TESTS
        )
        rows.append([name, f"**{first}**", *others])
    lines = table(["distortion", *TESTS.values()], rows)
    return [*lines, "", _made(study, f"20 splits a cell, up to {sizes[-1]} particles")]


def _splits(study: dict) -> list[str]:
    found = study["found"].values()
    passed = sum(one["verdict"].startswith("compatible") for one in found)
    smallest = np.array([one["smallest p"] for one in found])
    n_tests = max(one["n_tests"] for one in found)
    below = [int((smallest <= level).sum()) for level in (0.05, 0.5)]
    text = (
        f"**{passed} of {len(found)}** random splits of full simulation were called "
        f"compatible, with {n_tests} tests each. The smallest adjusted p-value was at most "
        f"0.05 in {below[0]} and at most 0.5 in {below[1]}."
    )
    return [text, "", _made(study, "suite `full`")]


def _full(study: dict) -> list[str]:
    found = study["found"]
    rows = [
        [
            name,
            one["verdict"],
            f"{one['n_rejected']} of {one['n_tests']}",
            one["worst"] or "–",
            f"{one['seconds']:.0f} s",
        ]
        for name, one in found.items()
    ]
    lines = table(["distortion", "verdict", "tests that reject", "worst", "time"], rows)
    metrics = sorted({metric for one in found.values() for metric in one["largest pull"]})
    rows = []
    for metric in metrics:
        cells = [f"`{metric}`"]
        for one in found.values():
            pull = one["largest pull"].get(metric)
            text = "" if pull is None else f"{pull:.1f}" if pull < 99.5 else "> 99"
            cells.append(f"**{text}**" if pull is not None and pull >= LARGE else text)
        rows.append(cells)
    lines += ["", *table(["figure", *found], rows), ""]
    return [*lines, _made(study, "440 particles, 3 showers against 2, suite `full`")]


def _made(study: dict, how: str) -> str:
    machine = study["provenance"]
    return (
        f"zn-test, {how}. Made by `python validation/power.py`, {machine['date'][:10]}, commit "
        f"{machine['commit']}."
    )

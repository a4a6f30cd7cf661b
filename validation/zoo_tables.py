"""Tables and picture of the model zoo, from the JSON files that `zoo.py` leaves.

python validation/zoo_tables.py
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import markdown_tables
from markdown_tables import filled
from result_files import results_in, write_text
from zoo_aims import aims
from zoo_speeds import measured

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "zoo"
DOCS = HERE.parent / "docs"
README = HERE.parent / "README.md"
DETECTORS = ("zn", "zp", "cylinder")
ORDER = (
    "e2e SAE",
    "e2e SAE, shapes",
    "VAE",
    "flow on codes",
    "latent flow matching",
    "flow matching",
    "WAE",
    "bigWAE",
    "SWAE",
    "CWAE",
    "SAE",
    "SAE (H)",
    "DCGAN",
    "SDI-GAN",
    "channel regressor",
    "mean regression",
)
PUBLISHED = {"VAE": (14.92, 23.13), "WAE": (34.46, 43.54), "e2e SAE": (7.91, 13.50)}
PUBLISHED["DCGAN"] = (6.95, 68.27)
PUBLISHED_FLOOR = (2.89, 6.59)
"""W and MAE of the talk on ALICE's own data, ZN."""


class Column(NamedTuple):
    """A figure of the table.

    Attributes:
        key: In the JSON.
        head: Of the column.
        shape: Whether it is of an observable rather than of the channels.
    """

    key: str
    head: str
    shape: bool = False


COLUMNS = (
    Column("w1_ratio", "W1 / floor"),
    Column("w1", "W1 [photons]"),
    Column("mae", "MAE [photons]"),
    Column("mae_conditional", "MAE cond. [photons]"),
    Column("conditional_bias", "bias per particle, rms [photons]"),
    Column("spread_ratio", "spread ratio"),
    Column("dispersion_discrepancy", "dispersion discrepancy"),
    Column("classifier_auc", "AUC, observables"),
    Column("fpd", "FPD"),
    Column("centroid_x", "centroid x: W1 / floor", shape=True),
    Column("width_x", "width x: W1 / floor", shape=True),
    Column("lit_cells", "lit cells: W1 / floor", shape=True),
)
MOST_CHANNELS = 9
SHORT = ("w1_ratio", "mae", "mae_conditional", "spread_ratio", "classifier_auc", "lit_cells")

Run = dict[str, Any]


def read(detector: str) -> dict[tuple[str, str], list[Run]]:
    """Results by variant and system, in the order of the table."""
    found: dict[tuple[str, str], list[Run]] = {}
    timed = measured()
    for name, one in results_in(RESULTS / detector).items():
        if (speed := timed.get(f"{detector}/{name}")) is not None:
            one["showers_per_second"] = speed
        found.setdefault((one["variant"], one["system"]), []).append(one)
    place = {name: k for k, name in enumerate(ORDER)}
    return dict(
        sorted(found.items(), key=lambda x: (x[0][0] != "tuned", place.get(x[0][1], 99)))
    )


def one_figure(run: Run, column: Column, of: str = "model") -> dict[str, float] | None:
    """Value and error of a figure in a result."""
    table = run[of]["shapes"] if column.shape else run[of]
    figure: dict[str, float] | None = table.get(column.key)
    return figure


def with_spread(figures: Sequence[dict[str, float] | None]) -> str:
    """Mean ± mean error ± spread over seeds, of those that are there."""
    kept = [figure for figure in figures if figure is not None]
    return markdown_tables.with_spread([f["value"] for f in kept], [f["error"] for f in kept])


def trained(run: Run) -> str:
    """Share of the published training, for runs that were cut."""
    epochs = run["epochs of the run file"]
    if not epochs:
        return ""
    made = run["training"]["steps"] * run["batch size"] / run["training showers"]
    return f"{made:.3g} of {epochs:.0f}"


def minutes(runs: Sequence[Run]) -> str:
    """Mean core-minutes of a training."""
    return f"{statistics.mean(run['core-seconds'] for run in runs) / 60:.2g}"


def _most(measured: Iterable[object]) -> bool:
    """Whether a figure is worth a column: half of the runs have it."""
    found = [bool(one) for one in measured]
    return 2 * sum(found) >= len(found)


def speeds(runs: Sequence[Run]) -> list[str]:
    """Showers a second one at a time, 256 at a time, at best, and over full simulation."""
    kept = [run for run in runs if "showers_per_second" in run]
    if not kept:
        return [""] * 4
    found = [
        statistics.mean(run["showers_per_second"][key] for run in kept)
        for key in ("1", "256", "best")
    ]
    texts = [f"{float(format(value, '.2g')):,.0f}" for value in found]
    seconds = kept[0].get("full simulation seconds")
    return [*texts, f"{float(format(found[1] * seconds, '.2g')):,.0f}" if seconds else ""]


def table(
    found: dict[tuple[str, str], list[Run]],
    columns: Sequence[Column],
    *,
    beside: bool,
    training: bool,
) -> list[str]:
    """Lines of the table.

    Arguments:
        found: Results, from `read`.
        columns: Its figures.
        beside: Whether the talk's figures stand beside ours.
        training: Whether epochs and parameters are shown.
    """
    every = [run for runs in found.values() for run in runs]
    columns = [c for c in columns if _most(one_figure(run, c) for run in every)]
    heads = (column.head.replace("photons", unit_of(found)) for column in columns)
    head = ["", "system", "seeds", *heads]
    head += ["parameters", "epochs"] if training else []
    timed = any("showers_per_second" in run for run in every)
    head += ["training [core-min]"]
    shown = slice(0, 4) if training else slice(1, 2)
    if timed:
        head += ["one by one", "showers/s, 256", "best", "times faster"][shown]
    head += ["W in the talk", "MAE in the talk"] if beside else []
    floor = [
        "1"
        if column.shape or column.key == "w1_ratio"
        else with_spread([next(filter(None, (one_figure(r, column, "floor") for r in every)))])
        for column in columns
    ]
    n_speeds = (4 if training else 1) * timed
    empty = [""] * (1 + 2 * training + n_speeds)
    ends = [f"{x:g}" for x in PUBLISHED_FLOOR] if beside else []
    rows = [["", "floor: Geant4", "", *floor, *empty, *ends]]
    for (variant, name), runs in found.items():
        cells = [variant, f"**{name}**" if name == "e2e SAE" else name, str(len(runs))]
        cells += [with_spread([one_figure(run, c) for run in runs]) for c in columns]
        if training:
            cells += [f"{runs[0]['parameters']:,}", trained(runs[0])]
        cells += [minutes(runs)]
        cells += speeds(runs)[shown] if timed else []
        if beside:
            cells += [f"{x:g}" for x in PUBLISHED.get(name, ())] or ["", ""]
        rows.append(cells)
    return markdown_tables.table(head, rows)


def channels(found: dict[tuple[str, str], list[Run]]) -> list[str]:
    """Lines of the table of W1 by channel; of many, every few."""
    names = list(next(iter(found.values()))[0]["floor"]["w1 of channels"])
    names = names[:: -(-len(names) // MOST_CHANNELS)]

    def row(runs: Sequence[Run], of: str) -> list[str]:
        return [
            with_spread([run[of]["w1 of channels"][name] for run in runs]) for name in names
        ]

    floor = ["", "floor: Geant4", *row(next(iter(found.values()))[:1], "floor")]
    models = [[*key, *row(runs, "model")] for key, runs in found.items()]
    return markdown_tables.table(["", "system", *names], [floor, *models])


def note(found: dict[tuple[str, str], list[Run]], detector: str) -> str:
    """What the figures are, and where they come from."""
    runs = [run for several in found.values() for run in several]
    commits = sorted({str(run["trained at"]["commit"]) for run in runs})
    return (
        f"{detector}-test, {runs[0]['statement']}. Mean over seeds ± bootstrap error by "
        "incident particle ± spread over seeds (one seed: no spread). Bias per particle is a "
        "signed root: negative where the estimate of its square is, which is noise around 0. "
        "AUC: boosted trees on "
        "observables, channels and conditions, out of fold by particle. Showers a second of "
        "CPU time of one core, cells drawn, one by one, 256 at a time and at the best size: "
        "medians of rounds in which all systems take turns (`--speeds`); times faster than "
        "full simulation at 256. Made by "
        f"`python validation/zoo.py`, {max(run['provenance']['date'][:10] for run in runs)}, "
        f"trained at commit {', '.join(commits)}."
    )


def unit_of(found: dict[tuple[str, str], list[Run]]) -> str:
    """Unit of the cells."""
    return next(iter(found.values()))[0]["floor"]["w1"]["unit"] or "photons"


def page(detector: str) -> str:
    """Text of the table's page; empty while there is no result."""
    found = read(detector)
    if not found:
        return ""
    parts = [
        table(found, COLUMNS, beside=detector == "zn", training=True),
        ["", f"W1 by channel [{unit_of(found)}]:", ""],
        channels(found),
        ["", note(found, detector)],
    ]
    return "\n".join(text for part in parts for text in part) + "\n"


def short_table() -> str:
    """Text of the README's table: tuned models on the ZN."""
    tuned = {key: runs for key, runs in read("zn").items() if key[0] == "tuned"}
    columns = [column for column in COLUMNS if column.key in SHORT]
    lines = table(tuned, columns, beside=True, training=False)
    return "\n".join("|" + text.split("|", 2)[2] for text in lines)


def claims() -> list[str]:
    """Lines of the table of the talk's figures beside ours, on the ZN."""
    found = read("zn")
    w1, mae = (next(c for c in COLUMNS if c.key == key) for key in ("w1", "mae"))
    some = next(iter(found.values()))[0]
    head = ["system", "talk: W", "MAE", "tuned here: W1", "MAE"]
    head += ["published, cut: W1", "MAE", "epochs"]
    floor = [with_spread([one_figure(some, column, "floor")]) for column in (w1, mae)]
    rows = [["floor", *(f"{x:g}" for x in PUBLISHED_FLOOR), *floor, *floor, ""]]
    for name, figures in PUBLISHED.items():
        cells = [name, *(f"{x:g}" for x in figures)]
        for variant in ("tuned", "published"):
            runs = found.get((variant, name), [])
            cells += [with_spread([one_figure(r, c) for r in runs]) for c in (w1, mae)]
        rows.append([*cells, trained(runs[0]) if runs else ""])
    return markdown_tables.table(head, rows)


def draw() -> None:
    """Write every table for which there are results, the README's part and the picture."""
    from zoo_picture import draw_frontier, draw_picture

    for detector in DETECTORS:
        text = page(detector)
        if not text:
            continue
        write_text(DOCS / "tables" / f"zoo-{detector}.md", text)
        print(text)
    if read("zn"):
        write_text(README, filled(README.read_text(), "zoo", [short_table()]))
        found = {detector: read(detector) for detector in DETECTORS}
        path = DOCS / "model-zoo.md"
        text = filled(path.read_text(), "claims", claims())
        write_text(path, filled(text, "aims", aims(found)))
        draw_picture({detector: found[detector] for detector in DETECTORS[:2]})
        draw_frontier(found)


if __name__ == "__main__":
    draw()

"""What a search leaves: a table for people, a run file, all trials, and a picture."""

from __future__ import annotations

import csv
import io
import math
import statistics
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from caloforge.output import new_file
from caloforge.report.style import save
from caloforge.tuning.pictures import study_picture
from caloforge.tuning.records import Trial, confirmed_order, ranked

if TYPE_CHECKING:
    from pathlib import Path

    from caloforge.tuning.search import Tuned

_SHOWN = 3
# Standard errors from which on a gain is called one.
_SURE = 2.0
BEST, TRIALS, PICTURE = "best.toml", "trials.csv", "study.png"


def write_results(tuned: Tuned, folder: Path) -> Path:
    """Write ``trials.csv``, ``study.png`` and ``best.toml``; return the path of the last."""
    with new_file(folder / TRIALS, force=True) as path:
        path.write_text(trials_csv(tuned), encoding="utf-8")
    with new_file(folder / PICTURE, force=True) as path:
        save(study_picture(tuned), path, "png")
    with new_file(folder / BEST, force=True) as path:
        lines = [f"# {line}" for line in summary(tuned)]
        text = "\n".join([*lines, tuned.best_run.to_toml()])
        path.write_text(text, encoding="utf-8")
    return folder / BEST


def summary(tuned: Tuned) -> list[str]:
    """Say in a few lines what was found, and how far to believe it."""
    counted = [trial for trial in tuned.trials if trial.counts]
    states = ("complete", "pruned", "failed")
    numbers = {state: sum(trial.state == state for trial in counted) for state in states}
    told = ", ".join(f"{n} {state}" for state, n in numbers.items() if n)
    best, own = tuned.best, next((t for t in counted if t.own), None)
    lines = [f"trial {best.number} is best of {len(counted)} ({told})"]
    if math.isfinite(best.mean):
        lines.append(f"validation score, mean of {_seeds(best)}: {mean_text(best)}")
        lines.append(
            f"its score in the search was {best.score:.3f}: the best of many noisy ones, so "
            "the mean of other seeds counts"
        )
    else:
        lines.append(
            f"validation score {best.score:.3f}: one noisy training, the best of many, so too "
            "good; --confirm 3 trains the best few again"
        )
    if own is best:
        lines.append("these are the run's own settings: the search found none better")
    elif own is not None and math.isfinite(own.mean):
        lines.append(f"the run's own settings, mean of {_seeds(own)}: {mean_text(own)}")
        if set(best.confirmed) & set(own.confirmed):
            lines.append(verdict(best, own))
    failed = next((trial for trial in counted if trial.state == "failed"), None)
    if failed is not None:
        lines.append(f"trial {failed.number} failed: {failed.reason}")
    return lines


def verdict(best: Trial, own: Trial) -> str:
    """Say what was gained over the run's own settings, and whether it may be noise.

    The same seeds are compared, two by two: they have noise in common. The error of their mean
    difference knows nothing of the choice of the best.
    """
    seeds = [seed for seed in best.confirmed if seed in own.confirmed]
    gains = [own.confirmed[seed] - best.confirmed[seed] for seed in seeds]
    gain = statistics.fmean(gains)
    if len(gains) < 2:
        return f"gained: {gain:.3f} with one seed, which may be noise; --seeds 3 tells"
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    text = f"gained: {gain:.3f} ± {error:.3f}"
    return text if gain > _SURE * error else f"{text}, which may be noise; more --seeds tell"


def best_table(tuned: Tuned) -> Table:
    """The best trials side by side, and the run's own settings."""
    shown = confirmed_order(tuned.trials, tuned.seeds)[:_SHOWN] if tuned.seeds else []
    shown += [trial for trial in ranked(tuned.trials) if trial not in shown]
    own = [trial for trial in shown[_SHOWN:] if trial.own]
    shown = shown[:_SHOWN] + own
    table = Table(box=box.SIMPLE)
    table.add_column("", no_wrap=True)
    for trial in shown:
        name = f"trial {trial.number}"
        table.add_column(f"{name}\nrun's own" if trial.own else name, justify="right")
    if tuned.seeds:
        means = [mean_text(trial).replace(" ±", "\n±") for trial in shown]
        table.add_row(f"mean of {len(tuned.seeds)} seeds", *means)
    table.add_row("score in search", *(f"{t.score:.3f}" for t in shown), end_section=True)
    for key in tuned.settings.space:
        texts = [trial.settings[key].strip('"') for trial in shown]
        table.add_row(key, *(text.replace("[", "\\[") for text in texts))
    return table


def mean_text(trial: Trial) -> str:
    """Mean over the confirming seeds with its standard error."""
    if not trial.confirmed:
        return "-"
    if not math.isfinite(trial.mean):
        return "failed"
    error = "" if math.isnan(trial.error) else f" ± {trial.error:.3f}"
    return f"{trial.mean:.3f}{error}"


def trials_csv(tuned: Tuned) -> str:
    """All trials, one line each; numbers that are not there are empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    keys = list(tuned.settings.space)
    head = ["trial", "state", "score", "mean", "error", "seeds", "best step", "seconds"]
    writer.writerow([*head, *keys, "reason"])
    for trial in tuned.trials:
        numbers = (trial.score, trial.mean, trial.error)
        writer.writerow(
            [
                trial.number,
                trial.state,
                *(f"{number:.6g}" if math.isfinite(number) else "" for number in numbers),
                len(trial.confirmed),
                trial.step or "",
                trial.seconds or "",
                *(trial.settings.get(key, "") for key in keys),
                trial.reason,
            ]
        )
    return file.getvalue()


def _seeds(trial: Trial) -> str:
    n = len(trial.confirmed)
    return f"{n} other seed{'s' * (n > 1)}"

"""What a search knows of its trials, without Optuna."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from caloforge.config import RunConfig
    from caloforge.tuning.space import Space

_NAMED = 3
OWN = "own"
"""Mark of the trial that has the run's own settings."""


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: From 0.
        state: ``"complete"``, ``"pruned"``, ``"failed"``, ``"interrupted"`` or ``"running"``.
        settings: TOML of what was drawn, by setting.
        score: Validation score of the best round; NaN if there is none.
        step: Optimiser step of that round.
        seconds: What it took.
        reason: Why it failed.
        own: Whether it has the run's own settings.
        rounds: Score of each round, by share of the training in thousandths.
        confirmed: Score by seed of the trainings that confirm it; NaN for one that failed.
    """

    number: int
    state: str
    settings: Mapping[str, str]
    score: float = math.nan
    step: int = 0
    seconds: float = 0.0
    reason: str = ""
    own: bool = False
    rounds: Mapping[int, float] = field(default_factory=dict)
    confirmed: Mapping[int, float] = field(default_factory=dict)

    @property
    def counts(self) -> bool:
        """Whether it is one of the trials that were asked for."""
        return self.state != "interrupted"

    @property
    def mean(self) -> float:
        """Mean score of the confirming seeds; infinite if one failed, NaN if there is none."""
        scores = list(self.confirmed.values())
        if any(math.isnan(score) for score in scores):
            return math.inf
        return statistics.fmean(scores) if scores else math.nan

    @property
    def error(self) -> float:
        """Standard error of that mean; NaN of fewer than two seeds."""
        scores = list(self.confirmed.values())
        if len(scores) < 2 or not math.isfinite(self.mean):
            return math.nan
        return statistics.stdev(scores) / math.sqrt(len(scores))


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Complete trials, the best in the search first."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return sorted(complete, key=lambda trial: (trial.score, trial.number))


def candidates(trials: Sequence[Trial], confirm: int) -> list[Trial]:
    """What is trained again: the best few, and the run's own settings beside them.

    Settings that were drawn several times are one candidate.
    """
    best = ranked(trials)
    own = next((trial for trial in best if trial.own), None)
    different: dict[tuple[tuple[str, str], ...], Trial] = {}
    for trial in best:
        same = own if own is not None and own.settings == trial.settings else trial
        different.setdefault(tuple(trial.settings.items()), same)
    chosen = list(different.values())[:confirm]
    return chosen + ([own] if own is not None and chosen and own not in chosen else [])


def confirmed_order(trials: Sequence[Trial], seeds: Sequence[int]) -> list[Trial]:
    """Trials that have all confirming seeds, the best mean first."""
    done = [trial for trial in trials if trial.confirmed and set(seeds) <= set(trial.confirmed)]
    return sorted(done, key=lambda trial: (trial.mean, trial.score, trial.number))


@dataclass(frozen=True)
class Settings:
    """What a study is of: trials of other settings could not be compared.

    Attributes:
        run: The run that is tuned.
        space: What is searched.
        prune: Whether hopeless trials are stopped early.
        data_sha256: Of the showers to train on.
    """

    run: RunConfig
    space: Space
    prune: bool
    data_sha256: str

    def check_same(self, now: Settings, folder: Path) -> None:
        """Refuse to mix trials that could not be compared.

        Raises:
            ConfigError: Naming what differs.
        """
        old, new = self.run.as_dict(), now.run.as_dict()
        changed = [name for name in ("title", "seed") if old[name] != new[name]]
        for table in ("data", "model", "train"):
            keys = dict.fromkeys((*old[table], *new[table]))
            changed += [f"{table}.{k}" for k in keys if old[table].get(k) != new[table].get(k)]
        keys = dict.fromkeys((*self.space, *now.space))
        other = [f"range of {k}" for k in keys if self.space.get(k) != now.space.get(k)]
        changed += other if len(other) <= _NAMED else ["search space"]
        changed += ["--prune"] * (self.prune != now.prune)
        changed += ["training showers"] * (self.data_sha256 != now.data_sha256)
        if changed:
            msg = (
                f"{folder}: holds a study with another {', '.join(changed)}; go on with it by "
                f"'caloforge tune -o {folder}', or use another folder"
            )
            raise ConfigError(msg)

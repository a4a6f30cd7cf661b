"""A study of Optuna in a folder. The only module that needs Optuna.

The journal is a text file with a line of JSON for every event. Optuna unpickles snapshots of
journals that have them (in Redis), which a file has not. One process writes it, so it is locked
as a whole; Optuna's own lock, which a killed process would leave behind, is not needed.
"""

from __future__ import annotations

import logging
import math
import tomllib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock, JournalStorage
from optuna.trial import TrialState

from caloforge.config import run_from_tables
from caloforge.errors import ConfigError, DataFormatError
from caloforge.tuning.records import OWN, Settings, Trial
from caloforge.tuning.space import (
    Choice,
    Range,
    Space,
    Value,
    parse_searches,
    settings_of,
    values_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from optuna.trial import FrozenTrial

    from caloforge.tuning.trial import Outcome

JOURNAL = "journal.log"
_STUDY = "caloforge"
# Random trials before the sampler learns from them.
_STARTUP = 10
# Pruned is what is among the worst third of complete trials at the same share of the training,
# never in the first 30 %: scores are noisy and the learning rate is high there.
_KEPT_PERCENT, _COMPARED, _NOT_BEFORE = 66.0, 5, 300
_STATES = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}
_ENDS = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


class Study:
    """Trials in a folder that one process asks for and tells of.

    With one trial at a time, a study that was interrupted goes on as if it had not been: what
    is drawn depends on the seed, on how many trials came before, and on their scores.

    Arguments:
        path: The journal; created if there is none.
        settings: What the study is of; none for those of the journal.

    Attributes:
        settings: What the study is of.

    Raises:
        ConfigError: If it is a study of something else, or of nothing.
        DataFormatError: If the journal is damaged.
    """

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        is_new = not path.is_file() or path.stat().st_size == 0
        if is_new and settings is None:
            msg = f"{path.parent}: found no study to go on with; give RUN"
            raise ConfigError(msg)
        _cut_half_line(path)
        try:
            with _quiet():
                storage = JournalStorage(JournalFileBackend(str(path), _NoLock(str(path))))
                self._study = optuna.create_study(
                    study_name=_STUDY, storage=storage, load_if_exists=True
                )
            attributes = self._study.user_attrs
        except (ValueError, KeyError, TypeError, AssertionError, AttributeError) as error:
            msg = f"{path}: damaged ({error}), expected Optuna's journal; use another folder"
            raise DataFormatError(msg) from error
        if settings is not None and "settings" not in attributes:
            self._study.set_user_attr("settings", _as_dict(settings))
        elif "settings" not in attributes:
            msg = f"{path}: found a study that caloforge did not begin; use another folder"
            raise ConfigError(msg)
        before = _settings(self._study.user_attrs["settings"], str(path))
        if settings is not None:
            before.check_same(settings, path.parent)
        self.settings = before
        if before.prune:
            self._study.pruner = optuna.pruners.PercentilePruner(
                _KEPT_PERCENT, _COMPARED, _NOT_BEFORE, n_min_trials=_COMPARED
            )
        else:
            self._study.pruner = optuna.pruners.NopPruner()
        self._running: dict[int, optuna.Trial] = {}
        self.close_running()

    def close_running(self) -> None:
        """End trials that were interrupted; what they drew is drawn again."""
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self._study.tell(trial.number, state=TrialState.FAIL)
        self._running.clear()

    def ask(self) -> tuple[int, dict[str, str]]:
        """Begin a trial: its number, and TOML by setting. The first has the run's own."""
        settings = self.settings
        before = sum(trial.counts for trial in self.trials())
        own = values_of(settings.space, settings.run)
        waiting = self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if before == 0 and own is not None and not waiting:
            self._study.enqueue_trial(own, user_attrs={OWN: True})
        seed = np.random.SeedSequence([settings.run.seed, before]).generate_state(1)
        self._study.sampler = optuna.samplers.TPESampler(
            n_startup_trials=_STARTUP, multivariate=True, seed=int(seed[0])
        )
        distributions = {key: _distribution(d) for key, d in settings.space.items()}
        with _quiet():
            trial = self._study.ask(fixed_distributions=distributions)
        self._running[trial.number] = trial
        return trial.number, settings_of(settings.space, trial.params)

    def goes_on(self, number: int, share: int, score: float) -> bool:
        """Note a round of a trial, and say whether the trial is worth going on with."""
        trial = self._running[number]
        trial.report(score, share)
        return not trial.should_prune()

    def finish(self, number: int, outcome: Outcome) -> None:
        """End a trial."""
        trial = self._running.pop(number)
        for name in ("step", "seconds"):
            trial.set_user_attr(name, getattr(outcome, name))
        if outcome.state == "failed":  # one without a reason was interrupted
            trial.set_user_attr("reason", outcome.reason)
        if not math.isnan(outcome.score):
            trial.set_user_attr("score", outcome.score)
        value = outcome.score if outcome.state == "complete" else None
        with _quiet():
            self._study.tell(trial, value, state=_ENDS[outcome.state])

    def confirm(self, number: int, seed: int, score: float) -> None:
        """Note a training of a trial's settings with another seed; NaN for one that failed."""
        value = None if math.isnan(score) else score
        self._study.set_user_attr(f"confirmed {number} {seed}", value)

    def trials(self) -> list[Trial]:
        """All trials, in the order in which they began."""
        confirmed: dict[int, dict[int, float]] = {}
        for name, score in self._study.user_attrs.items():
            if name.startswith("confirmed "):
                number, seed = map(int, name.split()[1:])
                value = math.nan if score is None else float(score)
                confirmed.setdefault(number, {})[seed] = value
        found = self._study.get_trials(deepcopy=False)
        return [_trial(t, self.settings.space, confirmed.get(t.number, {})) for t in found]

    def importances(self) -> dict[str, float]:
        """Share of each setting in how good a trial is; empty if too few are complete.

        References:
            | PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
            | Subspaces (Watanabe et al., 2023), https://arxiv.org/abs/2304.10255
        """
        if (
            len(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
            < _STARTUP
        ):
            return {}
        with _quiet():
            return optuna.importance.get_param_importances(self._study)


class _NoLock(JournalFileOpenLock):
    """The folder is locked already, see `caloforge.output.locked_file`."""

    def acquire(self) -> bool:
        """Say that it is ours."""
        return True

    def release(self) -> None:
        """Keep it."""


def _distribution(dimension: Range | Choice) -> BaseDistribution:
    if isinstance(dimension, Choice):
        return CategoricalDistribution(dimension.texts)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _trial(found: FrozenTrial, space: Space, confirmed: dict[int, float]) -> Trial:
    attributes: dict[str, Any] = found.user_attrs
    interrupted = found.state == TrialState.FAIL and "reason" not in attributes
    values: dict[str, Value] = found.params
    return Trial(
        number=found.number,
        state="interrupted" if interrupted else _STATES[found.state],
        settings=settings_of(space, values) if space.keys() <= values.keys() else {},
        score=attributes.get("score", math.nan),
        step=attributes.get("step", 0),
        seconds=attributes.get("seconds", 0.0),
        reason=attributes.get("reason", ""),
        own=attributes.get(OWN, False),
        rounds=found.intermediate_values,
        confirmed=confirmed,
    )


def _as_dict(settings: Settings) -> dict[str, Any]:
    return {
        "run": settings.run.to_toml(),
        "space": {key: dimension.as_text() for key, dimension in settings.space.items()},
        "prune": settings.prune,
        "data sha256": settings.data_sha256,
    }


def _settings(table: Any, source: str) -> Settings:  # noqa: ANN401 - from a file
    try:
        run = run_from_tables(tomllib.loads(table["run"]), source=source)
        searches = [f"{key}={text}" for key, text in table["space"].items()]
        space = parse_searches(searches, run)
        return Settings(run, space, bool(table["prune"]), str(table["data sha256"]))
    except (KeyError, TypeError, AttributeError, tomllib.TOMLDecodeError) as error:
        msg = f"{source}: damaged ({error}), expected settings of a study; use another folder"
        raise DataFormatError(msg) from error


def _cut_half_line(path: Path) -> None:
    """Take off the end of a journal what a killed process has not finished writing."""
    if not path.is_file():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Optuna's log, which says what our table says."""
    logger = logging.getLogger("optuna")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)

"""Search for the settings of a run that train the best model."""

from __future__ import annotations

import math
import os
import shlex
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from caloforge.data.files.shower_file import ShowerFile
from caloforge.data.sample import resolve
from caloforge.errors import ConfigError, MissingExtraError, TrainingError
from caloforge.output import locked_file, new_file, new_folder
from caloforge.training.bundle import build_model
from caloforge.training.preparation import prepare
from caloforge.tuning.default_space import default_space
from caloforge.tuning.records import Settings, Trial, candidates, confirmed_order, ranked
from caloforge.tuning.space import Space, run_with, space_toml
from caloforge.tuning.trial import Outcome
from caloforge.tuning.workers import Job, run_jobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import TaskID

    from caloforge.config import RunConfig
    from caloforge.tuning.study import Study

_JOURNAL = "journal.log"


@dataclass(frozen=True)
class Effort:
    """How long to search, which a later call may change.

    Attributes:
        trials: Trials in all, those of earlier calls included.
        timeout: Seconds after which no trial is begun; none for no limit.
        workers: Trainings at a time, each in a process with one thread if more than one.
        confirm: How many of the best are trained again; 0 believes the search.
        seeds: With how many other seeds.
    """

    trials: int = 50
    timeout: float | None = None
    workers: int = 1
    confirm: int = 3
    seeds: int = 3

    def options(self) -> list[str]:
        """What differs from the defaults, as on the command line."""
        given, usual = asdict(self), asdict(Effort())
        return [
            word
            for name, value in given.items()
            if value != usual[name]
            for word in (f"--{name}", f"{value:g}")
        ]


@dataclass(frozen=True)
class Tuned:
    """What a search has found.

    Attributes:
        settings: What was searched.
        trials: All trials.
        seeds: Those of the confirming trainings.
        best: The best mean over those seeds; without them, the best score of the search.
        importances: Share of each setting in how good a trial is; may be empty.
    """

    settings: Settings
    trials: Sequence[Trial]
    seeds: Sequence[int]
    best: Trial
    importances: dict[str, float]

    @property
    def best_run(self) -> RunConfig:
        """The run with the best settings."""
        return run_with(self.settings.run, self.best.settings, source="best trial")


def tune(
    folder: str | Path,
    run: RunConfig | None = None,
    space: Space | None = None,
    *,
    effort: Effort | None = None,
    prune: bool = True,
    console: Console | None = None,
) -> Tuned:
    """Search, or go on with a search.

    A trial is a training whose score is the validation score that training itself uses to keep
    the best round. It sees the training file of the run and nothing else. Every trial is noted
    in the folder when it ends; one that fails is noted with its reason, and the search goes on.

    The score is noisy, and the best of many noisy ones is too good. So the best few are trained
    again with other seeds, beside the run's own settings, and the best mean wins.

    Arguments:
        folder: Created if missing; that of an earlier search goes on with it.
        run: What is tuned; none for that of the folder.
        space: What is searched; by default ranges around the run's own settings.
        effort: How long.
        prune: Whether hopeless trials are stopped early.
        console: Where progress goes; stderr by default.

    Raises:
        ConfigError: If settings are wrong, or differ from those of the folder's search.
        MissingExtraError: If Optuna is not installed.
        TrainingError: If all trials failed.
        DataFormatError: If the showers are unusable.
        OutputError: If the folder cannot be used, or another process uses it.
    """
    folder, effort = Path(folder), effort or Effort()
    console = console or Console(stderr=True)
    settings = None if run is None else _settings(run, space, prune=prune)
    journal = folder / _JOURNAL
    if not journal.is_file():
        if settings is None:
            msg = f"{folder}: found no study to go on with; give RUN"
            raise ConfigError(msg)
        # Before there is a folder: what would fail every trial.
        _study_class()
        _check_fits(settings.run)
        new_folder(folder, force=False)
    lock = locked_file(journal)
    try:
        study = _study_class()(journal, settings)
        sha256 = _sha256(study.settings.run)  # of today
        study.settings.check_same(replace(study.settings, data_sha256=sha256), folder)
        _write_start(study.settings, folder)
        try:
            return _Search(study, folder, effort, console).run()
        except KeyboardInterrupt:
            command = shlex.join(["caloforge", "tune", "-o", str(folder), *effort.options()])
            console.print(f"go on with: {command}", soft_wrap=True, markup=False)
            raise
        finally:
            study.close_running()
    finally:
        os.close(lock)


class _Search:
    """One call of `tune` at work."""

    def __init__(self, study: Study, folder: Path, effort: Effort, console: Console) -> None:
        self.study, self.folder, self.effort, self.console = study, folder, effort, console
        self.base = study.settings.run
        self.seeds = range(self.base.seed + 1, self.base.seed + 1 + effort.seeds)
        self.stop_at = math.inf if effort.timeout is None else time.monotonic() + effort.timeout
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[best]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task: TaskID | None = None

    def run(self) -> Tuned:
        """Search, confirm, and choose."""
        with self.progress:
            self._search()
            trials = self.study.trials()
            if not ranked(trials):
                raise TrainingError(_nothing(trials, self.folder))
            self._confirm(candidates(trials, self.effort.confirm))
        trials = self.study.trials()
        best = ranked(trials)[0]
        if self.effort.confirm:
            best = next(
                (t for t in confirmed_order(trials, self.seeds) if math.isfinite(t.mean)), best
            )
        seeds = self.seeds if self.effort.confirm else ()
        return Tuned(self.study.settings, trials, seeds, best, self.study.importances())

    def _search(self) -> None:
        done = sum(trial.counts for trial in self.study.trials())
        self._bar("searching", self.effort.trials, done)
        if done < self.effort.trials:
            self._say(
                f"{self.base.title or self.base.model_name}: {len(self.study.settings.space)} "
                f"settings, {done} of {self.effort.trials} trials done"
            )
        begun = done

        def next_job() -> Job | None:
            nonlocal begun
            if begun >= self.effort.trials or time.monotonic() >= self.stop_at:
                return None
            begun += 1
            number, drawn = self.study.ask()
            try:
                run = run_with(self.base, drawn, source=f"trial {number}")
            except ConfigError as error:  # settings that do not go together
                self._end(number, Outcome("failed", reason=str(error)))
                return next_job()
            return Job((number,), run)

        run_jobs(
            next_job,
            lambda job, share, score: self.study.goes_on(job.key[0], share, score),
            lambda job, outcome: self._end(job.key[0], outcome),
            workers=self.effort.workers,
            folder=self.folder,
        )

    def _confirm(self, chosen: Sequence[Trial]) -> None:
        jobs = [
            Job(
                (t.number, seed),
                run_with(self.base, {**t.settings, "seed": str(seed)}, source="seed"),
            )
            for seed in self.seeds
            for t in chosen
            if seed not in t.confirmed
        ]
        self._bar("confirming", len(jobs), 0)
        left = iter(jobs)

        def end(job: Job, outcome: Outcome) -> None:
            number, seed = job.key
            self.study.confirm(number, seed, outcome.score)
            why = f"failed: {outcome.reason}" if outcome.reason else f"{outcome.score:.3f}"
            self._say(f"trial {number:>3} again, seed {seed}: {why}")
            self._step("")

        run_jobs(
            lambda: next(left, None),
            lambda _job, _share, _score: True,
            end,
            workers=self.effort.workers,
            folder=self.folder,
        )

    def _end(self, number: int, outcome: Outcome) -> None:
        before = ranked(self.study.trials())
        self.study.finish(number, outcome)
        text = {
            "complete": f"{outcome.score:.3f}",
            "pruned": f"pruned at {outcome.score:.3f}",
            "failed": f"failed: {outcome.reason}",
        }[outcome.state]
        is_best = outcome.state == "complete" and (
            not before or outcome.score < before[0].score
        )
        best = outcome.score if is_best else before[0].score if before else math.nan
        drawn = next(t.settings for t in self.study.trials() if t.number == number)
        tried = ", ".join(f"{key.partition('.')[2]} {drawn[key]}" for key in drawn)
        text += f"{'  best' * is_best}  ({outcome.seconds:,.0f} s)"
        self._say(f"trial {number:>3}  {text}  {tried}")
        self._step("" if math.isnan(best) else f"best {best:.3f}")

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)

    def _bar(self, title: str, total: int, done: int) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = self.progress.add_task(title, total=total, completed=done, best="")

    def _step(self, best: str) -> None:
        assert self.task is not None
        self.progress.update(self.task, advance=1, best=best)


def _study_class() -> type[Study]:
    try:
        from caloforge.tuning.study import Study
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        msg = "tune: Optuna is not installed; install it with: pip install 'caloforge[tune]'"
        raise MissingExtraError(msg) from error
    return Study


def _settings(run: RunConfig, space: Space | None, *, prune: bool) -> Settings:
    if run.train.devices > 1:
        msg = (
            f"train.devices: found {run.train.devices}, expected 1; trials run side by side "
            "with --workers"
        )
        raise ConfigError(msg)
    return Settings(run, space or default_space(run), prune, _sha256(run))


def _check_fits(run: RunConfig) -> None:
    """Refuse a run whose showers are unusable, or whose conditions or model do not fit them.

    Raises:
        ConfigError: If settings do not fit the showers.
        DataFormatError: If the showers are unusable.
    """
    build_model(run, prepare(run).spec)


def _sha256(run: RunConfig) -> str:
    with ShowerFile(resolve(run.data.train)) as file:
        return file.sha256()


def _write_start(settings: Settings, folder: Path) -> None:
    for name, text in (
        ("run.toml", settings.run.to_toml()),
        ("space.toml", space_toml(settings.space)),
    ):
        with new_file(folder / name, force=True) as path:
            path.write_text(text, encoding="utf-8")


def _nothing(trials: Sequence[Trial], folder: Path) -> str:
    failed = [trial for trial in trials if trial.state == "failed"]
    if not failed:
        return f"{folder}: no trial has ended, expected one or more; give it more --timeout"
    return (
        f"{folder}: all {len(failed)} trials failed, trial {failed[0].number} with: "
        f"{failed[0].reason}"
    )

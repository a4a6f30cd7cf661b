"""One training of a search: its score, or why it has none."""

from __future__ import annotations

import math
import tempfile
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from lightning import Callback
from rich.console import Console

from caloforge.errors import CaloforgeError, ConfigError, TrainingError
from caloforge.training.callbacks import SCORE
from caloforge.training.run import train

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightning import LightningModule, Trainer

    from caloforge.config import RunConfig
    from caloforge.training.module import PhaseTraining

    GoesOn = Callable[[int, float], bool]
    """Told of a round, share of the training in thousandths and score; whether to go on."""

FOLDER_PREFIX = ".trial-"
WHOLE = 1000
"""Share of a training that is all of it, in thousandths."""


class Outcome(NamedTuple):
    """How a training ended.

    Attributes:
        state: ``"complete"``, ``"pruned"`` or ``"failed"``.
        score: Validation score of the best round; NaN if it failed.
        step: Optimiser step of that round.
        seconds: What it took.
        reason: Why it failed.
    """

    state: str
    score: float = math.nan
    step: int = 0
    seconds: float = 0.0
    reason: str = ""


def run_trial(run: RunConfig, folder: Path, goes_on: GoesOn) -> Outcome:
    """Train a run, keep nothing but its score.

    It takes one thread unless the run says otherwise, so that equal seeds give equal scores
    beside any number of others.

    Arguments:
        run: What to train.
        folder: Where files may lie until the end.
        goes_on: Asked after each round.

    Raises:
        CaloforgeError: If other trials would fail as well: showers or disk are unusable.
    """
    threads = torch.get_num_threads()
    run = replace(run, train=replace(run.train, threads=run.train.threads or 1))
    rounds = _Rounds(goes_on)
    started = time.monotonic()
    state, reason = "complete", ""
    try:
        with tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=folder) as place:
            train(run, place, console=Console(quiet=True), callbacks=[rounds])
    except _PrunedError:
        state = "pruned"
    except (TrainingError, ConfigError) as error:
        state, reason = "failed", _line(error)
    except (CaloforgeError, OSError):
        raise
    except Exception as error:  # noqa: BLE001 - networks fail in many ways; the next may not
        state, reason = "failed", f"{type(error).__name__}: {_line(error)}"
    finally:
        torch.set_num_threads(threads)
    seconds = round(time.monotonic() - started, 1)
    score = math.nan if state == "failed" else rounds.score
    return Outcome(state, score, rounds.step, seconds, reason)


class _PrunedError(Exception):
    """The training is not worth going on with."""


class _Rounds(Callback):
    """Tells of each round, and remembers the best."""

    def __init__(self, goes_on: GoesOn) -> None:
        self.goes_on = goes_on
        self.score, self.step = math.inf, 0

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report a round."""
        module = cast("PhaseTraining", pl_module)
        step, score = module.step(), float(trainer.callback_metrics[SCORE])
        if not math.isfinite(score):
            msg = (
                f"step {step}: the validation score is not finite; try a smaller learning rate"
            )
            raise TrainingError(msg)
        if score < self.score:
            self.score, self.step = score, step
        share = round(WHOLE * step / module.total_steps)
        if not self.goes_on(share, score) and share < WHOLE:
            raise _PrunedError


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())

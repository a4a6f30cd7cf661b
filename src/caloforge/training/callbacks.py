"""What happens around the training steps: progress, history, best weights, checkpoints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from lightning import Callback
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from caloforge.errors import TrainingError

if TYPE_CHECKING:
    from pathlib import Path

    from lightning import LightningModule, Trainer
    from rich.console import Console
    from torch import Tensor

    from caloforge.training.module import PhaseTraining

SCORE, W1 = "validation/score", "validation/w1"


class RoundKeeper(Callback):
    """Closes each round: history, best weights, early stop, and a checkpoint to resume from.

    Arguments:
        checkpoint: File that always holds the last finished round.
        patience: Rounds without improvement after which training stops; 0 never stops.
    """

    def __init__(self, checkpoint: Path, patience: int) -> None:
        self.checkpoint = checkpoint
        self.patience = patience
        self.history: list[dict[str, float]] = []
        self.best_score = float("inf")
        self.best_step = 0
        self.best_weights: dict[str, Tensor] = {}
        self.waited = 0
        self.finished = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Judge the round and write it down."""
        module = cast("PhaseTraining", pl_module)
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {"step": float(module.step())}
        row |= {
            name.removesuffix("_epoch"): value
            for name, value in metrics.items()
            if not name.endswith("_step")
        }
        self.history.append(row)
        if row[SCORE] < self.best_score:
            self.best_score, self.best_step, self.waited = row[SCORE], module.step(), 0
            self.best_weights = {
                name: tensor.detach().cpu().clone()
                for name, tensor in module.best_candidate.state_dict().items()
            }
        else:
            self.waited += 1
        bored = 0 < self.patience <= self.waited
        self.finished = bored or module.step() >= module.total_steps
        trainer.should_stop = self.finished
        trainer.save_checkpoint(self.checkpoint)

    def state_dict(self) -> dict[str, Any]:
        """Plain containers and tensors, so that checkpoints load with ``weights_only=True``."""
        return {
            "history": self.history,
            "best_score": self.best_score,
            "best_step": self.best_step,
            "best_weights": self.best_weights,
            "waited": self.waited,
            "finished": self.finished,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up where a checkpoint stopped.

        Raises:
            TrainingError: If it has no weights to keep.
        """
        for name, value in state_dict.items():
            setattr(self, name, value)
        if not self.best_weights:  # a run of an older version, which did not stop at that
            msg = (
                f"{self.checkpoint}: found no round of a finite validation score, expected "
                "one; train anew with a smaller train.learning_rate"
            )
            raise TrainingError(msg)


class ProgressLine(Callback):
    """A live bar with losses, showers/s and time left, and one lasting line a round.

    Arguments:
        console: Where to print.
        keeper: Knows the best round.
    """

    def __init__(self, console: Console, keeper: RoundKeeper) -> None:
        self.console = console
        self.keeper = keeper
        self.progress: Progress | None = None
        self.showers = 0
        self.started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        module = cast("PhaseTraining", pl_module)
        self.started, self.showers = time.monotonic(), 0
        if not trainer.is_global_zero:
            return
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[losses]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self.console,
            transient=True,
        )
        self.progress.add_task(
            "training", total=module.total_steps, completed=module.step(), losses="", rate=""
        )
        self.progress.start()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,  # noqa: ANN401, ARG002 - Lightning's signature
        batch: Any,  # noqa: ANN401
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Move the bar."""
        module = cast("PhaseTraining", pl_module)
        self.showers += len(batch.showers) * trainer.world_size
        if self.progress is None:
            return
        terms = module.round_terms.items()
        self.progress.update(
            self.progress.task_ids[0],
            completed=module.step(),
            losses="  ".join(f"{name.split('/')[-1]} {value:.3g}" for name, value in terms),
            rate=f"{self.rate():,.0f} showers/s",
        )

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the round."""
        if not trainer.is_global_zero or not self.keeper.history:
            return
        module = cast("PhaseTraining", pl_module)
        row = self.keeper.history[-1]
        terms = "  ".join(
            f"{name.split('/')[-1]} {value:.3g}"
            for name, value in row.items()
            if name.startswith("train/")
        )
        best = "  best" if self.keeper.best_step == module.step() else ""
        self.console.print(
            f"step {module.step():>6}/{module.total_steps}  {terms}  "
            f"validation: score {row[SCORE]:.3f}{best}, W1 {row[W1]:.3f}  "
            f"{self.rate():,.0f} showers/s",
            highlight=False,
            soft_wrap=True,
        )

    def rate(self) -> float:
        """Showers per second since the start, validation included."""
        return self.showers / max(time.monotonic() - self.started, 1e-9)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Take the bar away."""
        self._close()

    def on_exception(
        self,
        trainer: Trainer,  # noqa: ARG002
        pl_module: LightningModule,  # noqa: ARG002
        exception: BaseException,  # noqa: ARG002
    ) -> None:
        """Take the bar away."""
        self._close()

    def _close(self) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None

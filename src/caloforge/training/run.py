"""Train a run file into a bundle."""

from __future__ import annotations

import csv
import json
import logging
import os
import time
import warnings
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from rich.console import Console

from caloforge.config import RunConfig, load_run
from caloforge.data.feeding.stream import StreamedShowers
from caloforge.errors import ConfigError
from caloforge.output import filled_folder, new_file
from caloforge.training.bundle import Bundle, build_model, write_bundle
from caloforge.training.callbacks import ProgressLine, RoundKeeper
from caloforge.training.checkpoint import SafeCheckpointIO, read_checkpoint
from caloforge.training.interruption import Interruption
from caloforge.training.module import PhaseTraining
from caloforge.training.preparation import prepare
from caloforge.training.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lightning import Callback

    from caloforge.training.preparation import Prepared

_STREAMING_CURES = {
    "chunk rows": "put the file of that time back (h5repack -l showers:CHUNK=... does it, too)",
    "pool rows": "go on with the version of caloforge that began it",
}


def train(
    run: RunConfig,
    output: str | Path,
    *,
    resume: bool = False,
    force: bool = False,
    console: Console | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train a model and write its bundle.

    The folder receives ``run.toml`` (every setting), ``manifest.json``, ``history.csv``,
    ``checkpoint/last.ckpt``, TensorBoard files and ``bundle/``.

    Arguments:
        run: What to train.
        output: Folder of the run.
        resume: Go on from the last checkpoint in the folder. The result is that of a run which
            never stopped, bit for bit on the same machine's CPU.
        force: Use a folder that has files in it.
        console: Where progress goes; stderr by default.
        callbacks: Lightning's, called after ours: at the end of a round, the validation is
            done and the best weights are kept.

    Returns:
        Folder of the bundle, with the weights that were best in validation.

    Raises:
        ConfigError: If settings are wrong, or differ from those of the run to be resumed.
        DataFormatError: If the showers are unusable.
        TrainingError: If a loss is not finite.
        OutputError: If the folder cannot be used.
    """
    console = console or Console(stderr=True)
    # With several devices every process comes through here; the first one writes.
    leads = all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK"))
    begins = leads and not resume
    place = filled_folder(output, force=force) if begins else nullcontext(Path(output))
    with place as folder:
        if resume:
            _check_same(run, folder)
        if run.train.threads > 0:
            torch.set_num_threads(run.train.threads)
        prepared = prepare(run, loading=_loading(folder) if resume else "")
        torch.manual_seed(run.seed)
        model = build_model(run, prepared.spec)
        if resume:
            _check_data(prepared.data, folder)
        elif leads:
            _write_start(folder, run, prepared)
    checkpoint = folder / "checkpoint" / "last.ckpt"
    if leads:
        _report(console, run, prepared)

    module = PhaseTraining(
        model,
        prepared.train,
        prepared.validation,
        prepared.frame,
        run.train,
        run.seed,
        pair_repeats=run.data.pair_repeats,
        workers=run.data.workers,
        oversample_kinds=run.data.oversample_kinds,
    )
    keeper = RoundKeeper(checkpoint, run.train.patience)
    if resume:
        state = read_checkpoint(checkpoint)
        keeper.load_state_dict(state["callbacks"][keeper.state_key])
        module.load_state_dict(state["state_dict"])
    started = time.monotonic()
    if not keeper.finished:
        resumed_from = checkpoint if resume else None
        _fit(module, keeper, run, folder, console, resumed_from, callbacks)
    if not leads:
        return folder / "bundle"
    _write_history(folder / "history.csv", keeper.history)
    model = module.model
    model.load_state_dict(keeper.best_weights)
    bundle = Bundle(
        model.cpu().eval(),
        run,
        prepared.spec,
        prepared.train.conditions,
        prepared.frame,
        {
            "data": prepared.data,
            "balance": prepared.record.balance_rows(),
            "training": {
                "steps": module.step(),
                "best step": keeper.best_step,
                "seconds since the last start": round(time.monotonic() - started, 1),
                "threads": torch.get_num_threads(),
            },
            "metrics": {
                "validation score of channel sums": keeper.best_score,
            },
        },
    )
    return write_bundle(folder / "bundle", bundle, force=True)


def _fit(
    module: PhaseTraining,
    keeper: RoundKeeper,
    run: RunConfig,
    folder: Path,
    console: Console,
    checkpoint: Path | None,
    callbacks: Sequence[Callback],
) -> None:
    with _quiet(), Interruption() as interruption:
        trainer = Trainer(
            max_epochs=-1,
            accelerator=run.train.accelerator,
            devices=run.train.devices,
            # Phases that take turns leave each other's parameters out.
            strategy=DDPStrategy(find_unused_parameters=len(module.generator.phases()) > 1)
            if run.train.devices > 1
            else "auto",
            precision=run.train.precision,  # type: ignore[arg-type]
            logger=TensorBoardLogger(folder, name=None, version="tensorboard"),
            callbacks=[interruption, keeper, ProgressLine(console, keeper), *callbacks],
            plugins=[SafeCheckpointIO()],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
            log_every_n_steps=50,
            use_distributed_sampler=False,
        )
        try:
            trainer.fit(module, ckpt_path=str(checkpoint) if checkpoint else None)
        except BaseException as error:
            # Lightning answers Ctrl-C by leaving with 1; ours is the answer of all commands.
            if interruption.asked is None:
                raise
            if isinstance(error, Exception):
                console.print(f"while it was ending: {error}")
        if interruption.asked is not None and keeper.history:
            console.print(f"go on with: caloforge train -o {folder} --resume")
        interruption.check()


def resumed(folder: str | Path) -> RunConfig:
    """Return the run of a folder that `train` began.

    Raises:
        ConfigError: If there is none.
    """
    path = Path(folder) / "run.toml"
    if not path.is_file():
        msg = f"{folder}: found no run.toml, expected the folder of an earlier training run"
        raise ConfigError(msg)
    return load_run(path)


def _check_same(run: RunConfig, folder: Path) -> None:
    before = resumed(folder)
    if before != run:
        changed = sorted(_flat(run.as_dict()).items() ^ _flat(before.as_dict()).items())
        names = ", ".join(dict.fromkeys(name for name, _ in changed))
        msg = (
            f"{folder}: the run to be resumed has another {names}; resume it with "
            "its own settings, or train into another folder"
        )
        raise ConfigError(msg)


def _flat(tables: dict[str, Any]) -> dict[str, str]:
    """Settings as ``table.key`` to text."""
    flat: dict[str, str] = {}
    for name, value in tables.items():
        entries = value.items() if isinstance(value, dict) else [(None, value)]
        flat |= {f"{name}.{key}" if key else name: repr(entry) for key, entry in entries}
    return flat


def _check_data(data: dict[str, Any], folder: Path) -> None:
    path = folder / "manifest.json"
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["data"]
        same = before["sha256"] == data["sha256"]
        listed = before.get("split", data["split"]) == data["split"]
        now = data.get("streaming", {})
        # Runs of older versions did not write it down.
        then = dict(before.get("streaming", now))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: missing or damaged; train without --resume"
        raise ConfigError(msg) from error
    if not same:
        msg = f"{folder}: the training showers have changed since the run began; train anew"
        raise ConfigError(msg)
    if not listed:
        msg = f"{folder}: data.validation_list has changed since the run began; train anew"
        raise ConfigError(msg)
    for name, rows in now.items():
        if then.get(name) != rows:
            msg = (
                f"{folder}: {name} of the streamed showers: found {rows}, expected "
                f"{then.get(name)} as when the run began, or batches come in another order; "
                f"{_STREAMING_CURES[name]}, or train anew"
            )
            raise ConfigError(msg)


def _loading(folder: Path) -> str:
    """How a run that is resumed got its showers: the memory may be another one today."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["data"].get("loading", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""  # it is refused when the showers are compared


def _write_start(folder: Path, run: RunConfig, prepared: Prepared) -> None:
    # What an older run left must not pass for a result of this one.
    for old in ("checkpoint/last.ckpt", "history.csv", "bundle/bundle.json"):
        (folder / old).unlink(missing_ok=True)
    rows = prepared.record.balance_rows()
    manifest = {"data": prepared.data, "balance": rows, "seed": run.seed, **provenance()}
    with new_file(folder / "run.toml", force=True) as path:
        path.write_text(run.to_toml(), encoding="utf-8")
    with new_file(folder / "manifest.json", force=True) as path:
        path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _report(console: Console, run: RunConfig, prepared: Prepared) -> None:
    data = prepared.data
    train, validation = (f"{data[f'{side} showers']:,}" for side in ("training", "validation"))
    if prepared.record.images:
        train += " images"
    else:
        train += f" showers of {data['training particles']:,} particles"
        validation += f" of {data['validation particles']:,}"
    console.print(
        f"{run.title or run.model_name}: {train} to train on, {validation} to validate",
        highlight=False,
        soft_wrap=True,
    )
    lines = prepared.record.lines()
    if isinstance(prepared.train, StreamedShowers):
        lines.append(
            f"streamed from {prepared.train.path}: {prepared.train.pool_rows:,} showers a pool "
            f"(data.buffer_mb = {run.data.buffer_mb})"
        )
    shares = data.get("shares of kinds in an epoch")
    if shares:
        most = ", ".join(f"{name} {share:.1%}" for name, share in list(shares.items())[:8])
        rest = f" and {len(shares) - 8} others" if len(shares) > 8 else ""
        lines.append(f"kinds in an epoch, oversampled: {most}{rest}")
    for line in lines:
        console.print(f"  {line}", highlight=False, soft_wrap=True, markup=False)


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in history for name in row))
    with new_file(path, force=True) as aside, aside.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(history)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's advertisements and hints, which no user can act on here."""
    loggers = [
        logging.getLogger(name)
        for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities")
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)

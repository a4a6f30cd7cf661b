"""Trainings side by side: in this process if one at a time, else in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from caloforge import errors
from caloforge.child_process import start_child
from caloforge.errors import CaloforgeError, TrainingError
from caloforge.tuning.trial import FOLDER_PREFIX, Outcome, run_trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caloforge.config import RunConfig

_GRACE_SECONDS = 5.0
_TAIL_CHARACTERS = 200


class Job(NamedTuple):
    """A training to be done.

    Attributes:
        key: What it is called by those who gave it.
        run: What to train.
    """

    key: tuple[int, ...]
    run: RunConfig


def run_jobs(
    next_job: Callable[[], Job | None],
    on_round: Callable[[Job, int, float], bool],
    on_end: Callable[[Job, Outcome], None],
    *,
    workers: int,
    folder: Path,
) -> None:
    """Train jobs until there are no more; all functions are called in this thread.

    Arguments:
        next_job: Gives a job, or none if there is none left.
        on_round: Told of a round, thousandths of the training and score; whether to go on.
        on_end: Told of the outcome.
        workers: Trainings at a time.
        folder: Where files may lie meanwhile.

    Raises:
        CaloforgeError: If showers or disk are unusable.
    """
    clear(folder)
    try:
        if workers > 1:
            _side_by_side(next_job, on_round, on_end, workers, folder)
        else:
            while (job := next_job()) is not None:
                on_end(job, run_trial(job.run, folder, partial(on_round, job)))
    finally:
        clear(folder)


def clear(folder: Path) -> None:
    """Remove what killed trainings have left."""
    for path in folder.glob(f"{FOLDER_PREFIX}*"):
        shutil.rmtree(path, ignore_errors=True)


def _side_by_side(
    next_job: Callable[[], Job | None],
    on_round: Callable[[Job, int, float], bool],
    on_end: Callable[[Job, Outcome], None],
    workers: int,
    folder: Path,
) -> None:
    replies: SimpleQueue[tuple[_Child, dict[str, Any] | None]] = SimpleQueue()
    busy: dict[_Child, Job] = {}
    idle: list[_Child] = []
    try:
        while True:
            while len(busy) < workers and (job := next_job()) is not None:
                child = idle.pop() if idle else _Child(replies)
                busy[child] = job
                child.send({"run": job.run.to_toml(), "folder": str(folder)})
            if not busy:
                return
            child, reply = replies.get()
            if child not in busy:  # an idle one has died; another is started when needed
                idle.remove(child)
                child.close()
            elif reply is None:
                job = busy.pop(child)
                reason = f"its process ended ({child.last_words()}); too little memory?"
                child.close()
                on_end(job, Outcome("failed", reason=reason))
            elif reply["is"] == "round":
                goes_on = on_round(busy[child], reply["share"], reply["score"])
                child.send({"goes_on": goes_on})
            elif reply["is"] == "outcome":
                job = busy.pop(child)
                idle.append(child)
                on_end(job, Outcome(**{name: reply[name] for name in Outcome._fields}))
            else:
                raise _error(reply)
    finally:
        for child in (*busy, *idle):
            child.close()


class _Child:
    """A process that trains, seen from its parent."""

    def __init__(self, replies: SimpleQueue[tuple[_Child, dict[str, Any] | None]]) -> None:
        self._log = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed in `close`
        self._process = start_child("caloforge.tuning.child", self._log)
        self._replies = replies
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        """Pass on what it says; none at its end."""
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                self._replies.put((self, json.loads(line)))
        self._replies.put((self, None))

    def send(self, message: dict[str, Any]) -> None:
        """Say something; that it has died is learned from its silence."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()

    def last_words(self) -> str:
        """Say how it ended."""
        try:
            code = self._process.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:  # it said nonsense, and lives on
            self._process.kill()
            code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        size = os.fstat(self._log.fileno()).st_size
        printed = os.pread(self._log.fileno(), 4096, max(0, size - 4096)).decode(
            errors="replace"
        )
        tail = " ".join(printed.split())[-_TAIL_CHARACTERS:]
        return f"{how}: {tail}" if tail else how

    def close(self) -> None:
        """End it and wait for its end."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._log.close()


def _error(reply: dict[str, Any]) -> CaloforgeError:
    """What a child cannot go on with, as it was there."""
    kind = vars(errors).get(str(reply["kind"]), TrainingError)
    is_ours = isinstance(kind, type) and issubclass(kind, CaloforgeError)
    error: CaloforgeError = (kind if is_ours else TrainingError)(reply["text"])
    return error

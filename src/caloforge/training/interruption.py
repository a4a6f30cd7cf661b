"""Ctrl-C and ``kill`` while Lightning trains."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, Self

from lightning import Callback

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from lightning import LightningModule, Trainer

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption(Callback):
    """Remembers that somebody wants the training to end, and ends it.

    The exception of a signal appears wherever the interpreter happens to be. In a destructor or
    a callback of the garbage collector it is printed and forgotten, and a library's handler may
    turn it into another one. As a context this callback notes the exception that the handlers
    in force raise; it is raised again before the next batch, and by `check`.

    Outside the main thread it does nothing: signals do not come there.

    Attributes:
        asked: The exception of the last signal; ``None`` if there was none.
    """

    def __init__(self) -> None:
        self.asked: BaseException | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Stand before the handlers in force; signals that are ignored stay so."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                before = signal.getsignal(number)
                if callable(before):
                    self._before[number] = before
                    signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put the handlers back."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        try:
            self._before[signal.Signals(number)](number, frame)
        except BaseException as error:
            self.asked = error
            raise

    def check(self) -> None:
        """Raise the exception of the last signal, if there was one."""
        if self.asked is not None:
            raise self.asked

    def on_train_batch_start(
        self,
        trainer: Trainer,  # noqa: ARG002 - Lightning's signature
        pl_module: LightningModule,  # noqa: ARG002
        batch: object,  # noqa: ARG002
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """End the training if a signal's exception was lost."""
        self.check()

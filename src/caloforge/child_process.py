"""Processes that we start and talk with over their stdin and stdout, never in pickles."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_PR_SET_PDEATHSIG = 1
_PARENT = "CALOFORGE_PARENT"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def start_child(module: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` with pipes for stdin and stdout, and one thread.

    Arguments:
        module: It calls `die_with_parent` and `own_pipes` first.
        log: Receives what it prints.
    """
    return subprocess.Popen(
        # -P: a file `numpy.py` in the folder of the user is none of our business.
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        # Ctrl-C is for the parent, which decides what becomes of its children.
        start_new_session=True,
        env={**os.environ, _PARENT: str(os.getpid()), **_ONE_THREAD},
    )


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take stdin and stdout for ourselves; whatever else is printed goes to stderr."""
    requests, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    # Unbuffered on the reading side: select sees what is left in the pipe, not in a buffer.
    return os.fdopen(requests, "rb", buffering=0), os.fdopen(replies, "wb")


def die_with_parent() -> None:
    """Ask Linux to kill us when the thread that started us ends, however it ends."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have ended before we asked.
    if os.environ.get(_PARENT) not in (None, str(os.getppid())):
        sys.exit(1)

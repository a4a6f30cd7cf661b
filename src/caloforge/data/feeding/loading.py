"""Whether showers are held in memory or read while training, and in how much memory."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from pathlib import Path

from caloforge.errors import ConfigError

LOADINGS = ("auto", "memory", "stream")

# Showers are held if they take at most this share of the free memory.
MEMORY_SHARE = 0.25

# Shares of the buffer: for each of two pools, for the validation side, for the particles.
_POOL, _VALIDATION, _PARTICLES = 0.375, 0.25, 0.25


@dataclass(frozen=True)
class Loading:
    """How showers come to training.

    Attributes:
        mode: ``"auto"``, ``"memory"`` or ``"stream"``.
        buffer_mb: MiB of showers in memory at a time where they are streamed.
        workers: Threads that read and make batches ahead; 0 for none.

    Raises:
        ConfigError: If the mode is none of these, or a number is out of range.
    """

    mode: str = "auto"
    buffer_mb: int = 128
    workers: int = 1

    def __post_init__(self) -> None:
        if self.mode not in LOADINGS:
            msg = f"data.loading: found '{self.mode}', expected one of {', '.join(LOADINGS)}"
            raise ConfigError(msg)
        if self.buffer_mb < 1:
            msg = f"data.buffer_mb: found {self.buffer_mb}, expected 1 or more; try 128"
            raise ConfigError(msg)
        if self.workers < 0:
            msg = f"data.workers: found {self.workers}, expected 0 or more; try 1"
            raise ConfigError(msg)

    def decided(self, n_bytes: int, *, processes: int = 1) -> str:
        """Choose between memory and stream.

        Arguments:
            n_bytes: Size of the showers in memory.
            processes: How many hold them. Several must come to the same answer: they take the
                whole memory of the machine for free.
        """
        if self.mode != "auto":
            return self.mode
        room = free_memory() if processes == 1 else total_memory() // processes
        return "memory" if n_bytes <= MEMORY_SHARE * room else "stream"

    @property
    def pool_bytes(self) -> int:
        """Bytes of cells in a pool."""
        return int(_POOL * self._bytes)

    def enough_for(self, chunk_bytes: int) -> int:
        """Return a buffer in MiB whose pools hold eight chunks, which begin to mix."""
        return int(8 * chunk_bytes / _POOL / 1024**2) + 1

    def holds_validation(self, n_bytes: int) -> bool:
        """Whether the cells of the validation side may stay in memory."""
        return n_bytes <= _VALIDATION * self._bytes

    def holds_particles(self, n_bytes: int) -> bool:
        """Whether the particles of the training side may stay in memory."""
        return n_bytes <= _PARTICLES * self._bytes

    @property
    def _bytes(self) -> int:
        return self.buffer_mb * 1024**2


def total_memory() -> int:
    """Return the memory of the machine, or of the container, in bytes."""
    total = _meminfo("MemTotal") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _number("memory.max")
    return total if limit is None else min(total, limit)


def free_memory() -> int:
    """Return the memory that can be had without swapping, in bytes."""
    free = _meminfo("MemAvailable") or total_memory()
    limit, used = _number("memory.max"), _number("memory.current")
    return free if limit is None else max(0, min(free, limit - (used or 0)))


def _meminfo(name: str) -> int | None:
    """Read a line of Linux' table of memory, in bytes."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:  # another system
        return None
    found = [line.split() for line in lines if line.startswith(f"{name}:")]
    return int(found[0][1]) * 1024 if found else None


def _number(name: str) -> int | None:
    """Read a number of the control group that the process is in, if it has a limit."""
    try:
        text = (Path("/sys/fs/cgroup") / name).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def give_back() -> None:
    """Give memory that is not used any more back to the system, where the C library can.

    After many arrays of a few MiB the GNU library keeps some 60 MB for those to come.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError, TypeError):  # another library
        return

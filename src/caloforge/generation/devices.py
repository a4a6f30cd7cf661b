"""Where a model runs: its device, and the CPU's threads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

DEVICES = ("cpu", "cuda", "auto")


def chosen_device(name: str) -> torch.device:
    """Return one of `DEVICES`, ``"auto"`` being a GPU if there is one.

    Raises:
        ConfigError: If there is no such device.
    """
    if name not in DEVICES:
        msg = f"device: found '{name}', expected one of {', '.join(DEVICES)}"
        raise ConfigError(msg)
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        msg = "device: found no CUDA device that PyTorch can use, expected one; take 'cpu'"
        raise ConfigError(msg)
    return torch.device("cuda" if available and name != "cpu" else "cpu")


@contextmanager
def using_threads(n: int) -> Iterator[None]:
    """Set PyTorch's threads for a while: their number is a setting of the whole process."""
    before = torch.get_num_threads()
    if before == n:  # setting them takes its time
        yield
        return
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)

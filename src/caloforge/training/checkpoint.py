"""Training checkpoints: written aside and renamed, read without unpickling."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from caloforge.errors import BundleError
from caloforge.output import new_file

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping


class SafeCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoints, never half-written and never unpickled.

    A process that is killed while it writes leaves the last whole checkpoint in place. Only
    tensors and plain containers are read (``weights_only=True``).
    """

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any = None,  # noqa: ANN401, ARG002 - Lightning's signature
    ) -> None:
        """Write beside ``path``, then rename."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # Through memory: torch reports a full disk as an error without a name.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with new_file(target, force=True) as aside:
            aside.write_bytes(buffer.getbuffer())

    def load_checkpoint(
        self,
        path: str | os.PathLike[str],
        map_location: Any = "cpu",  # noqa: ANN401
        weights_only: bool | None = True,  # noqa: ARG002 - always true
    ) -> dict[str, Any]:
        """Read a checkpoint; see `read_checkpoint`."""
        return dict(read_checkpoint(Path(path), map_location))


def read_checkpoint(path: Path, map_location: Any = "cpu") -> Mapping[str, Any]:  # noqa: ANN401
    """Read a training checkpoint.

    Raises:
        BundleError: If it is missing, damaged, or holds more than tensors and plain containers.
    """
    if not path.is_file():
        msg = f"{path}: no checkpoint to resume from; train without --resume"
        raise BundleError(msg)
    try:
        loaded: Mapping[str, Any] = torch.load(
            path, map_location=map_location, weights_only=True
        )
    except Exception as error:
        msg = f"{path}: not a training checkpoint, or damaged; train without --resume"
        raise BundleError(msg) from error
    return loaded

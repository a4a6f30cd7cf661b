"""Two npz files in a folder, written piece by piece."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from caloforge.output import new_file, new_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

RESPONSES, PARTICLES = "data_nonrandom_responses.npz", "data_nonrandom_particles.npz"
_BUFFER = 1024**2


class NpzFolder:
    """Arrays that grow; how long they get stands at their start, so they wait in a spool.

    Arguments:
        folder: Folder for the spool.
        stack: Closes the spool at the end.
        outputs: Files being written, by the names that they will have.
    """

    def __init__(self, folder: Path, stack: ExitStack, outputs: Mapping[str, Path]) -> None:
        self._folder = folder
        self._stack = stack
        self._outputs = outputs
        self._spools: dict[tuple[str, str], IO[bytes]] = {}
        self._shapes: dict[tuple[str, str], tuple[int, ...]] = {}
        self._dtypes: dict[tuple[str, str], np.dtype[Any]] = {}

    @classmethod
    @contextmanager
    def created(cls, path: Path, *, force: bool) -> Iterator[NpzFolder]:
        """Create a folder with the two files, which appear at the end, whole.

        Arguments:
            path: The folder.
            force: Whether it may have files in it.

        Raises:
            OutputError: If it cannot be written, or has files in it and ``force`` is not given.
        """
        existed = path.exists()
        folder = new_folder(path, force=force)
        try:
            with ExitStack() as stack:
                outputs = {
                    name: stack.enter_context(new_file(folder / name, force=force))
                    for name in (RESPONSES, PARTICLES)
                }
                yield cls(folder, stack, outputs)
        except BaseException:
            if not existed and not any(folder.iterdir()):
                folder.rmdir()
            raise

    def append(self, file: str, name: str, rows: NDArray[Any]) -> None:
        """Write some rows of an array, ``(n, ...)``."""
        key = file, name
        if key not in self._spools:
            spool = tempfile.TemporaryFile(dir=self._folder, buffering=_BUFFER)  # noqa: SIM115
            self._spools[key] = self._stack.enter_context(spool)
            self._shapes[key] = (0, *rows.shape[1:])
            self._dtypes[key] = rows.dtype.newbyteorder("<")
        packed = np.ascontiguousarray(rows, dtype=self._dtypes[key])
        self._spools[key].write(packed.data)
        self._shapes[key] = (self._shapes[key][0] + len(rows), *rows.shape[1:])

    def finish(self, provenance: Mapping[str, Any]) -> None:
        """Pack all arrays, and where they come from, into the files."""
        text = np.array(json.dumps(dict(provenance)))
        for file, output in self._outputs.items():
            with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for (owner, name), spool in self._spools.items():
                    if owner != file:
                        continue
                    spool.seek(0)
                    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                        key = owner, name
                        header = {
                            "descr": np.lib.format.dtype_to_descr(self._dtypes[key]),
                            "fortran_order": False,
                            "shape": self._shapes[key],
                        }
                        np.lib.format.write_array_header_1_0(member, header)
                        shutil.copyfileobj(spool, member, _BUFFER)
                if file == PARTICLES:
                    with archive.open("provenance.npy", "w") as member:
                        np.lib.format.write_array(member, text, allow_pickle=False)

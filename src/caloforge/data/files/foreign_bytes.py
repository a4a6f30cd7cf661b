"""HDF5 files that point to other files: refused, as what they show is not their own.

Reading such a file copies bytes of any file that its reader may read into what the reader
publishes. A file of showers has no need of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
from h5py import h5l, h5o

from caloforge.errors import DataFormatError

if TYPE_CHECKING:
    from pathlib import Path

_OWN_LINKS = (h5l.TYPE_HARD, h5l.TYPE_SOFT)
_CURE = "give that file itself, or copy its data into this one"


def refuse_foreign_bytes(path: Path, file: h5py.File) -> None:
    """Refuse a file of which a part lies in another file.

    Looks at every link and at the header of every data set, follows none and reads no data.

    Arguments:
        path: Its name, for the message.
        file: The same, open.

    Raises:
        DataFormatError: If there is an external or user-defined link, a data set with external
            storage, or a virtual data set of other files; or if it is too damaged to tell.
    """
    found: list[str] = []

    def see_link(name: bytes, info: Any) -> int | None:  # noqa: ANN401 - h5py has no types
        if info.type in _OWN_LINKS:
            return None
        found.append(f"'{_text(name)}' is a link to another file")
        return 1  # enough

    def see_object(name: bytes, info: Any) -> int | None:  # noqa: ANN401
        if info.type != h5o.TYPE_DATASET:
            return None
        described = h5py.h5d.open(file.id, name).get_create_plist()
        if described.get_layout() == h5py.h5d.VIRTUAL:
            parts = range(described.get_virtual_count())
            others = [f for k in parts if (f := described.get_virtual_filename(k)) != "."]
            if others:
                found.append(f"'{_text(name)}' is a view of another file ('{others[0]}')")
        elif described.get_external_count():
            other = _text(described.get_external(0)[0])
            found.append(f"'{_text(name)}' lies in another file ('{other}')")
        return 1 if found else None

    try:
        file.id.links.visit(see_link, info=True)
        if not found:
            h5o.visit(file.id, see_object, info=True)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: the HDF5 file is damaged; copy or make it again"
        raise DataFormatError(msg) from error
    if found:
        msg = f"{path}: {found[0]}, expected all data within the file; {_CURE}"
        raise DataFormatError(msg)


def _text(name: bytes) -> str:
    """Name for messages, whatever its bytes."""
    return name.decode("utf-8", "replace")[:100]

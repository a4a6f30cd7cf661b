"""Results on disk: all of it or nothing, and never over an older one unasked."""

from __future__ import annotations

import errno
import io
import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caloforge.errors import CaloforgeError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

# No room left, under its three names: device, quota, largest file allowed.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_new(path: str | Path, *, force: bool) -> None:
    """Refuse an output file that could not be written, before hours of work.

    Arguments:
        path: File to be written.
        force: Whether an existing file may be replaced.

    Raises:
        OutputError: If the file exists and ``force`` is not given, is no regular file, or its
            folder is missing or not writable.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "a device or pipe"
        msg = f"{path}: is {what}, expected a file to write; give another name"
        raise OutputError(msg)
    if path.exists() and not force:
        msg = f"{path}: exists already; give another name, or --force to overwrite it"
        raise OutputError(msg)
    folder = path.resolve().parent
    if not folder.is_dir():
        msg = f"{path}: folder '{folder}' does not exist; create it first"
        raise OutputError(msg)
    if not os.access(folder, os.W_OK | os.X_OK):
        msg = f"{path}: folder '{folder}' is not writable; choose another place"
        raise OutputError(msg)


@contextmanager
def new_file(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Write a file whole or not at all.

    Inside the ``with`` block, write to the temporary file that is yielded: it lies beside
    ``path`` and has its suffix. It takes the name at the end of the block; after an exception
    it is removed and an older file under that name is untouched.

    Arguments:
        path: File to be written; a symbolic link is followed.
        force: Whether an existing file may be replaced.

    Yields:
        Path of the empty temporary file.

    Raises:
        OutputError: As `check_new`, if the disk is full, or if the file appeared meanwhile.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with new_file(folder / "answer.txt", force=False) as temporary:
        ...     _ = temporary.write_text("42")
        >>> [file.name for file in folder.iterdir()]
        ['answer.txt']
    """
    check_new(path, force=force)
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.stem}-{secrets.token_hex(4)}.part{target.suffix}")
    try:
        # Not tempfile.mkstemp: a result shall have the permissions of the user's other files.
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise _output_error(error, path) from error
    try:
        yield temporary
        # After a power cut the name must not stand for a file that was never written.
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        check_new(path, force=force)
        temporary.replace(target)
    except CaloforgeError:
        raise
    except OSError as error:
        if error.errno in (*_FULL, errno.EROFS, errno.EIO):
            raise _output_error(error, path) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def new_folder(path: str | Path, *, force: bool) -> Path:
    """Create a folder for results, with its parents.

    Arguments:
        path: Folder to be filled.
        force: Whether a folder with files in it may be used; they stay, and files of the same
            names may then be replaced.

    Returns:
        The folder, existing and writable.

    Raises:
        OutputError: If it is a file, has files in it and ``force`` is not given, or cannot be
            created or written.
    """
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        msg = f"{path}: is a file, expected a folder to write to; give another name"
        raise OutputError(msg)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = any(folder.iterdir())
    except OSError as error:
        raise _output_error(error, path) from error
    if occupied and not force:
        msg = f"{path}: folder is not empty; give another name, or --force to write into it"
        raise OutputError(msg)
    if not os.access(folder, os.W_OK | os.X_OK):
        msg = f"{path}: folder is not writable; choose another place"
        raise OutputError(msg)
    return folder


@contextmanager
def filled_folder(path: str | Path, *, force: bool) -> Iterator[Path]:
    """Create a folder for results, as `new_folder`, which goes again if nothing came of it.

    After an exception inside the ``with`` block, the folder and those of its parents that were
    created here are removed, if they are empty: refused input leaves nothing behind.

    Arguments:
        path: Folder to be filled.
        force: Whether a folder with files in it may be used.

    Yields:
        The folder, existing and writable.

    Raises:
        OutputError: As `new_folder`.

    Example:
        >>> import tempfile
        >>> place = Path(tempfile.mkdtemp())
        >>> try:
        ...     with filled_folder(place / "runs" / "first", force=False):
        ...         raise ValueError("bad showers")
        ... except ValueError:
        ...     print(list(place.iterdir()))
        []
    """
    place = Path(path)
    created = [folder for folder in (place, *place.parents) if not folder.exists()]
    try:
        yield new_folder(place, force=force)
    except BaseException:
        for folder in created:
            try:
                folder.rmdir()
            except OSError:  # not empty, or gone
                break
        raise


def locked_file(path: Path) -> int:
    """Open or create a file that no other run has open; return its descriptor.

    Raises:
        OutputError: If another run has, or it cannot be opened.
    """
    while True:
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            msg = f"{path}: cannot be written ({reason}); choose another place"
            raise OutputError(msg) from error
        try:
            _lock(fd)
        except BlockingIOError as error:
            os.close(fd)
            msg = f"{path}: another run is writing it; wait for its end, or give another name"
            raise OutputError(msg) from error
        # The run that had it may have removed it between our two calls.
        try:
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)


class SafeFile(io.FileIO):
    """File that remembers a failed write instead of raising it, for h5py to write to.

    HDF5 cannot close a file that it fails to write: with the disk full, the process would later
    die of a segmentation fault. Here a failed write, and all that follow, pretend to succeed;
    the error waits until `check` or the end of the ``with`` block.
    """

    def __init__(self, path: Path, target: Path) -> None:
        """Open ``path`` for writing; messages name ``target``, the file that it will become."""
        super().__init__(path, "w+")
        self._target = target
        self._error: OSError | None = None

    def check(self) -> None:
        """Raise an `OutputError` if a write has failed."""
        if self._error is not None:
            raise _output_error(self._error, self._target) from self._error

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer, as in io.FileIO
        """Write all of ``data``; a short write would be taken for a full one by h5py."""
        view = memoryview(data).cast("B")
        done = 0
        while self._error is None and done < len(view):
            try:
                done += super().write(view[done:])
            except OSError as error:
                self._error = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the file's length."""
        if self._error is None:
            try:
                return super().truncate(size)
            except OSError as error:
                self._error = error
        return size or 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        # HDF5 may have stumbled over what it could not write: the first failure is the cause.
        if not isinstance(error, CaloforgeError):
            self.check()


def _output_error(error: OSError, path: str | Path) -> OutputError:
    """Say in one line why ``path`` could not be written."""
    reason = os.strerror(error.errno) if error.errno else " ".join(str(error).split())
    cure = "free some space" if error.errno in _FULL else "choose another place"
    result = OutputError(
        f"{path}: cannot be written ({reason}); {cure}, nothing was left there"
    )
    if error.errno in _FULL:
        result.exit_code = 1  # no fault of the command line
    return result


def _lock(fd: int) -> None:
    """Lock a file until it is closed, where the system can."""
    try:
        import fcntl
    except ImportError:  # Windows, which refuses to open such a file twice anyway
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return  # a network file system without locks

"""Download the four files of MNIST, checked by what is in them."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

from caloforge.errors import ConfigError, DataFormatError, FetchError
from caloforge.formats.images.idx_file import IdxFile
from caloforge.formats.images.idx_sets import MNIST, Canonical
from caloforge.output import new_file, new_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Where the files are, packed by gzip; the first that answers is taken."""

_TIMEOUT_S = 20.0
_BLOCK = 64 * 1024
_LARGEST = 64 * 1024**2
# ValueError: an address that a server redirects to, or a name of a host, is none.
_FAILURES = (OSError, ValueError, http.client.HTTPException, DataFormatError)


def fetch_mnist(
    folder: Path,
    *,
    mirrors: Sequence[str] = MIRRORS,
    force: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[tuple[Path, str]]:
    """Download what is not there yet.

    A file appears only when its content has been checked.

    Arguments:
        folder: Where to, created if it is not there.
        mirrors: Addresses of folders with the four files, tried in their order.
        force: Whether files of these names with another content may be replaced.
        progress: Told the name of a file, bytes done, and bytes in all (0 if unknown).

    Returns:
        The four files, and where each is from: an address, or ``"was there"``.

    Raises:
        ConfigError: If a mirror is no address.
        DataFormatError: If a file is there with another content, and ``force`` is not given.
        FetchError: If no mirror gives a file.
        OutputError: If the folder cannot be written.
    """
    for mirror in mirrors:
        if not _is_address(mirror):
            msg = f"--mirror: found '{mirror}', expected an address, e.g. {MIRRORS[0]}"
            raise ConfigError(msg)
    new_folder(folder, force=True)
    return [_one(folder, file, mirrors, force, progress or _silent) for file in MNIST]


def _is_address(mirror: str) -> bool:
    """Whether a mirror is an address of the web."""
    try:
        parts = urllib.parse.urlsplit(mirror)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an IPv6 address, a port that is no number
        return False


def _silent(name: str, done: int, total: int) -> None:
    """Tell nobody."""


def _one(
    folder: Path,
    file: Canonical,
    mirrors: Sequence[str],
    force: bool,
    progress: Callable[[str, int, int], None],
) -> tuple[Path, str]:
    """Keep one file that is there, packed or not, or download it."""
    path = folder / f"{file.name}.gz"
    for there in (path, folder / file.name):
        if not there.is_file():
            continue
        if _is(there, file):
            return there, "was there"
        if not force:
            msg = (
                f"{there}: is there, but its content is not that of MNIST's {file.name}, "
                "expected it or no file; remove it, or give --force"
            )
            raise DataFormatError(msg)
    failures = []
    for mirror in mirrors:
        address = f"{mirror.rstrip('/')}/{path.name}"
        try:
            with new_file(path, force=force) as temporary:
                _download(address, temporary, path.name, progress)
                if not _is(temporary, file):
                    msg = "its content is another"
                    raise DataFormatError(msg)
        except _FAILURES as error:
            failures.append(f"{address}: {_reason(error)}")
        else:
            return path, address
    names = ", ".join(f"{other.name}.gz" for other in MNIST)
    msg = (
        f"{'; '.join(failures)}; without internet, download {names} on another computer, and "
        f"copy them to {folder}"
    )
    raise FetchError(msg)


def _is(path: Path, file: Canonical) -> bool:
    """Whether the content of a file is the canonical one."""
    try:
        return IdxFile.surveyed(path).sha256 == file.sha256
    except DataFormatError:
        return False


def _download(
    address: str, path: Path, name: str, progress: Callable[[str, int, int], None]
) -> None:
    """Copy what an address gives to a file."""
    request = urllib.request.Request(address, headers={"User-Agent": "caloforge"})
    with (
        urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer,
        path.open("wb") as file,
    ):
        length = answer.headers.get("Content-Length") or ""
        total, done = int(length) if length.isdecimal() else 0, 0
        while block := answer.read(_BLOCK):
            file.write(block)
            done += len(block)
            progress(name, done, total)
            if done > _LARGEST:
                msg = "it is far too long"
                raise DataFormatError(msg)


def _reason(error: Exception) -> str:
    """Say why a download failed."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server says {error.code}"
    reason = getattr(error, "reason", error)
    return " ".join(str(reason).split())[:100] or type(error).__name__

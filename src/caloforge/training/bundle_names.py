"""Trained bundles that come with caloforge, and the folder that a user means."""

from __future__ import annotations

import difflib
import warnings
from importlib import resources
from pathlib import Path

from caloforge.data.sample import resolve, sample_names
from caloforge.errors import BundleError, DataFormatError


class BundleNote(UserWarning):
    """A name could mean two bundles: which one was taken."""


def bundle_names() -> tuple[str, ...]:
    """Return the names of the bundles that come with caloforge, e.g. ``"zn-e2e-sae"``."""
    return tuple(shipped_bundles())


def shipped_bundles() -> dict[str, Path]:
    """Return the folders of these bundles by name; hidden ones are half-written."""
    found = {path.parent.name: path.parent for path in shipped_folder().glob("*/bundle.json")}
    return {name: found[name] for name in sorted(found) if not name.startswith(".")}


def shipped_folder() -> Path:
    """Folder of these bundles: caloforge is installed as files, never run from an archive."""
    return Path(str(resources.files("caloforge") / "bundles"))


def bundle_folder(name_or_path: str | Path) -> Path:
    """Return the folder of the bundle that a user means.

    A folder wins over a bundle of that name, also one that holds no bundle: a training that was
    cut off shall not pass for another one.

    Arguments:
        name_or_path: Folder of a bundle, or of the training run that has it in ``bundle/``, or
            the name of a bundle that comes with caloforge.

    Raises:
        BundleError: If there is neither such a folder nor such a name.

    Warns:
        BundleNote: If a folder was taken where there is also a bundle of that name.
    """
    name, path = str(name_or_path), Path(name_or_path)
    known = shipped_bundles()
    if not path.exists():
        if name in known:
            return known[name]
        raise BundleError(_unknown(name, tuple(known)))
    if name in known:
        warnings.warn(
            f"{name}: the folder in the working directory is taken, not the bundle that comes "
            f"with caloforge; write ./{name} to mean the folder",
            BundleNote,
            stacklevel=2,
        )
        path = path.absolute()  # no longer a name
    inside = path / "bundle"
    own = (path / "bundle.json").is_file()
    return inside if not own and (inside / "bundle.json").is_file() else path


def is_bundle(name_or_path: str | Path) -> bool:
    """Whether a bundle is meant: by a folder or by name, rather than a shower file."""
    path = Path(name_or_path)
    if str(name_or_path) in sample_names():
        return False
    return path.is_dir() or (not path.exists() and str(name_or_path) in bundle_names())


def resolve_file_or_bundle(name_or_path: str | Path) -> Path:
    """Return the path of a shower file or sample, or the folder of a bundle.

    Raises:
        DataFormatError: If there is none of them.

    Warns:
        BundleNote: As `bundle_folder`.
    """
    if is_bundle(name_or_path):
        return bundle_folder(name_or_path)
    try:
        return resolve(name_or_path)
    except DataFormatError as error:
        known = bundle_names()
        close = difflib.get_close_matches(str(name_or_path), [*known, *sample_names()], n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        msg = f"{error} or a bundle ({', '.join(known) or 'none comes along'}){hint}"
        raise DataFormatError(msg) from error


def _unknown(name: str, known: tuple[str, ...]) -> str:
    text = f"{name}: no such folder, expected a bundle"
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        text += f"; did you mean '{close[0]}'?"
    named = f"take one that comes along ({', '.join(known)}), or " if known else ""
    return f"{text}; {named}train one with 'caloforge train'"

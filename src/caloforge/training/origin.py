"""Where training showers come from, in a few lines of text that a bundle carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 20  # entries of a list that are told


def origin(provenance: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Return what a shower file says of its origin, flat.

    Tables within tables, such as the ``source`` of a converted file, are told by keys with
    dots, lists as one text. What is empty is left out.

    Arguments:
        provenance: That of a shower file.

    Example:
        >>> origin({"converted_by": "caloforge", "source": {"physics": "FTFP_BERT"}})
        {'converted_by': 'caloforge', 'source.physics': 'FTFP_BERT'}
    """
    told: dict[str, str | int | float] = {}
    for key, value in provenance.items():
        if isinstance(value, Mapping):
            told |= {f"{key}.{inner}": text for inner, text in origin(value).items()}
        elif isinstance(value, (list, tuple)):
            more = [f"and {len(value) - _LONGEST} more"] if len(value) > _LONGEST else []
            text = "; ".join([*map(_entry, value[:_LONGEST]), *more])
            told |= {key: text} if text else {}
        elif isinstance(value, (str, int, float)) and value != "":
            told[key] = value
    return told


def _entry(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    """Return an entry of a list as text; a file by its path and the start of its SHA-256."""
    if isinstance(value, Mapping):
        if {"path", "sha256"} <= set(value):
            return f"{value['path']} (SHA-256 {str(value['sha256'])[:12]})"
        return ", ".join(f"{key} {text}" for key, text in origin(value).items())
    return str(value)

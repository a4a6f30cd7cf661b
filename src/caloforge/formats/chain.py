"""Several sets of files as one source of showers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.errors import GeometryError
from caloforge.formats.format import WARNING, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from caloforge.formats.format import ShowerSource
    from caloforge.geometry import DetectorGeometry

_SURVEYED = 64  # showers: the first alone may be broken


@dataclass(frozen=True)
class ChainedSource:
    """Sets of files one after another; a set is open only while it is read.

    Attributes:
        geometry: Detector of all of them.
        n_showers: Number of showers in all of them.
        conversions: Those of all sets, each with the name of its set.
        provenance: That of each set by its name.
        columns: Properties of particles that all sets have.
        has_cpu_seconds: Whether all sets say how long each shower took.
        opener: Opens a set by its number.
        n_sets: Number of sets.
    """

    geometry: DetectorGeometry
    n_showers: int
    conversions: tuple[str, ...]
    provenance: Mapping[str, Any]
    columns: tuple[str, ...]
    has_cpu_seconds: bool
    opener: Callable[[int], AbstractContextManager[ShowerSource]]
    n_sets: int

    @classmethod
    def surveyed(
        cls,
        names: Sequence[str],
        opener: Callable[[int], AbstractContextManager[ShowerSource]],
    ) -> ChainedSource:
        """Look into all sets, one by one.

        Arguments:
            names: Name of each set, for messages and provenance.
            opener: Opens a set by its number.

        Raises:
            GeometryError: If a set is of another detector than the first.
            DataFormatError: If a set is unusable.
        """
        geometries: list[DetectorGeometry] = []
        columns: list[tuple[str, ...]] = []
        conversions: list[str] = []
        provenance: dict[str, Any] = {}
        n_showers, timed = 0, True
        for k, name in enumerate(names):
            with opener(k) as source:
                geometry = source.geometry
                if geometries and not geometry.same_cells(geometries[0]):
                    first = geometries[0]
                    msg = (
                        f"{name}: geometry '{geometry.name}' ({geometry.n_cells} cells in "
                        f"{geometry.unit}), expected '{first.name}' ({first.n_cells} cells in "
                        f"{first.unit}) as in {names[0]}; convert them one by one"
                    )
                    raise GeometryError(msg)
                geometries.append(geometry)
                n_showers += source.n_showers
                conversions.extend(_named(name, text) for text in source.conversions)
                provenance[name] = dict(source.provenance)
                for piece in source.pieces(_SURVEYED):
                    columns.append(tuple(piece.columns))
                    timed &= piece.cpu_seconds is not None
                    break
        first_columns = columns[0] if columns else tuple(PARTICLE_COLUMNS)
        common = tuple(c for c in first_columns if all(c in found for found in columns))
        others = sorted({c for found in columns for c in found} - set(common))
        if others:
            conversions.append(f"left out, as not all files have it: {', '.join(others)}")
        return cls(
            geometry=geometries[0],
            n_showers=n_showers,
            conversions=tuple(conversions),
            provenance=provenance,
            columns=common,
            has_cpu_seconds=timed,
            opener=opener,
            n_sets=len(names),
        )

    def pieces(self, size: int) -> Iterator[Piece]:
        """Go through all sets; rows of equal properties are the same particle."""
        for k in range(self.n_sets):
            with self.opener(k) as source:
                for piece in source.pieces(size):
                    yield Piece(
                        columns={name: piece.columns[name] for name in self.columns},
                        incident=None,
                        showers=piece.showers,
                        cpu_seconds=piece.cpu_seconds if self.has_cpu_seconds else None,
                        unreadable=piece.unreadable,
                    )


def _named(name: str, text: str) -> str:
    """Put the name of its set before a conversion; a warning remains one."""
    mark = WARNING if text.startswith(WARNING) else ""
    return f"{mark}{name}: {text.removeprefix(WARNING)}"

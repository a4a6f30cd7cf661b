"""Where particles of a gun enter the front face, from two uniform numbers each."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from caloforge.errors import ConfigError
from caloforge.events.draws import normal
from caloforge.events.laws import by_law
from caloforge.toml_tables import PerPlane  # noqa: TC001 - the type is read at run time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caloforge.events.beamline import FrontFace

_CENTRE = (0.0, 0.0)


class PositionLaw(Protocol):
    """A distribution over the plane of the front face."""

    def points_cm(self, uniform: NDArray[np.float64], face: FrontFace) -> NDArray[np.float64]:
        """Turn uniform numbers ``(n, 2)`` into x and y ``(n, 2)`` in cm from the middle."""
        ...


@dataclass(frozen=True)
class Point:
    """All at one point.

    Attributes:
        centre_cm: The point, from the middle of the face.
    """

    centre_cm: tuple[float, float] = _CENTRE

    def points_cm(
        self,
        uniform: NDArray[np.float64],
        face: FrontFace,  # noqa: ARG002 - the signature of all laws
    ) -> NDArray[np.float64]:
        """Return the point for every row."""
        return np.zeros_like(uniform) + self.centre_cm


@dataclass(frozen=True)
class Spot:
    """A Gaussian beam spot; its tails may miss the face.

    Attributes:
        sigma_cm: Standard deviation, of each plane if two are given.
        centre_cm: Its middle, from the middle of the face.
    """

    sigma_cm: PerPlane
    centre_cm: tuple[float, float] = _CENTRE

    def __post_init__(self) -> None:
        if min(self.sigma_cm) < 0:
            msg = f"sigma_cm: found {list(self.sigma_cm)}, expected 0 or more"
            raise ConfigError(msg)

    def points_cm(
        self,
        uniform: NDArray[np.float64],
        face: FrontFace,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """Return ``centre + sigma g`` with standard normal ``g``."""
        return normal(uniform) * self.sigma_cm + self.centre_cm


@dataclass(frozen=True)
class Rectangle:
    """Uniform over a rectangle.

    Attributes:
        size_cm: Full width and height, of a square if one number is given.
        centre_cm: Its middle, from the middle of the face.
    """

    size_cm: PerPlane
    centre_cm: tuple[float, float] = _CENTRE

    def __post_init__(self) -> None:
        if min(self.size_cm) <= 0:
            msg = f"size_cm: found {list(self.size_cm)}, expected more than 0"
            raise ConfigError(msg)

    def points_cm(
        self,
        uniform: NDArray[np.float64],
        face: FrontFace,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """Return ``centre + (u - 1/2) size``."""
        return (uniform - 0.5) * self.size_cm + self.centre_cm


@dataclass(frozen=True)
class Disc:
    """Uniform over a disc.

    Attributes:
        radius_cm: Its radius.
        centre_cm: Its middle, from the middle of the face.
    """

    radius_cm: float
    centre_cm: tuple[float, float] = _CENTRE

    def __post_init__(self) -> None:
        if self.radius_cm <= 0:
            msg = f"radius_cm: found {self.radius_cm:g}, expected more than 0"
            raise ConfigError(msg)

    def points_cm(
        self,
        uniform: NDArray[np.float64],
        face: FrontFace,  # noqa: ARG002
    ) -> NDArray[np.float64]:
        """Return a radius ``R sqrt(u)`` at a uniform angle."""
        radius, angle = self.radius_cm * np.sqrt(uniform[:, 0]), 2 * np.pi * uniform[:, 1]
        points = np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1)
        return points + self.centre_cm


@dataclass(frozen=True)
class WholeFace:
    """Uniform over the whole front face of the detector."""

    def points_cm(self, uniform: NDArray[np.float64], face: FrontFace) -> NDArray[np.float64]:
        """Return points of the face's own rectangle or disc."""
        half_x, half_y = face.half_width_cm
        law = Disc(half_x) if face.round else Rectangle((2 * half_x, 2 * half_y))
        return law.points_cm(uniform, face)


POSITIONS: Mapping[str, type[Any]] = MappingProxyType(
    {"point": Point, "spot": Spot, "face": WholeFace, "rectangle": Rectangle, "disc": Disc}
)
"""Laws by their name in gun files."""


def position_from(table: Any, *, where: str) -> PositionLaw:  # noqa: ANN401 - from a file
    """Build a law from its TOML table.

    Raises:
        ConfigError: If the law or a key is unknown, or a value cannot be.
    """
    law: PositionLaw = by_law(POSITIONS, table, where=where)
    return law

"""Energy spectra, by their inverse distribution functions: one uniform number an energy."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from caloforge.errors import ConfigError
from caloforge.events.draws import normal, pick
from caloforge.events.laws import by_law

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

# A truncated Gaussian below this share lies so far out that it was hardly meant.
_SMALLEST_SHARE = 1e-6


class Spectrum(Protocol):
    """A distribution of the total energy."""

    @property
    def bounds_gev(self) -> tuple[float, float]:
        """Lowest and highest energy that can occur, in GeV."""
        ...

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn uniform numbers in (0, 1) into energies in GeV, of the same shape."""
        ...


@dataclass(frozen=True)
class Fixed:
    """One energy.

    Attributes:
        gev: The energy in GeV.
    """

    gev: float

    def __post_init__(self) -> None:
        if self.gev <= 0:
            msg = f"gev: found {self.gev:g}, expected more than 0"
            raise ConfigError(msg)

    @property
    def bounds_gev(self) -> tuple[float, float]:
        """Lowest and highest energy, in GeV."""
        return self.gev, self.gev

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return that energy for every uniform number."""
        return np.full_like(uniform, self.gev)


@dataclass(frozen=True)
class EnergyList:
    """Some energies, each with a weight.

    Attributes:
        gev: The energies in GeV.
        weights: Relative frequency of each; empty for equal ones.
    """

    gev: tuple[float, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.gev or min(self.gev) <= 0:
            msg = f"gev: found {list(self.gev)}, expected energies above 0"
            raise ConfigError(msg)
        if self.weights and len(self.weights) != len(self.gev):
            msg = (
                f"weights: found {len(self.weights)} of them, expected {len(self.gev)}, one "
                "for each energy"
            )
            raise ConfigError(msg)
        if self.weights and (min(self.weights) < 0 or not sum(self.weights) > 0):
            msg = f"weights: found {list(self.weights)}, expected 0 or more, and one above 0"
            raise ConfigError(msg)

    @property
    def bounds_gev(self) -> tuple[float, float]:
        """Lowest and highest energy, in GeV."""
        return min(self.gev), max(self.gev)

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Choose an energy for each uniform number."""
        chosen = pick(self.weights or (1.0,) * len(self.gev), uniform)
        return np.array(self.gev, dtype=np.float64)[chosen]


@dataclass(frozen=True)
class _Range:
    """A continuous spectrum between two energies.

    Attributes:
        low_gev: Lowest energy in GeV.
        high_gev: Highest energy in GeV.
    """

    low_gev: float
    high_gev: float

    def __post_init__(self) -> None:
        if not 0 < self.low_gev < self.high_gev:
            msg = (
                f"low_gev, high_gev: found {self.low_gev:g} and {self.high_gev:g}, expected "
                "0 < low_gev < high_gev"
            )
            raise ConfigError(msg)

    @property
    def bounds_gev(self) -> tuple[float, float]:
        """Lowest and highest energy, in GeV."""
        return self.low_gev, self.high_gev

    def _inside(self, energy: NDArray[np.float64]) -> NDArray[np.float64]:
        # Rounding may lead over an edge by one digit.
        return np.clip(energy, self.low_gev, self.high_gev)


@dataclass(frozen=True)
class Uniform(_Range):
    """``dN/dE`` constant between ``low_gev`` and ``high_gev``."""

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``low + u (high - low)``."""
        return self._inside(self.low_gev + uniform * (self.high_gev - self.low_gev))


@dataclass(frozen=True)
class Power(_Range):
    """``dN/dE`` proportional to ``E^-index``.

    Attributes:
        index: Any real number: 2.7 falls, 0 is flat, 1 is flat in the logarithm.
    """

    index: float

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Return the inverse distribution function, exact for every index.

        With :math:`a = 1 - index` and :math:`r = \ln(high / low)` it is
        :math:`low \exp(\ln(1 + u (e^{a r} - 1)) / a)`, and :math:`low \, e^{u r}` in the limit
        :math:`a = 0`. For a > 0 it is taken from the other end, so that nothing overflows.
        """
        a, r = 1.0 - self.index, np.log(self.high_gev / self.low_gev)
        if a == 0:
            return self._inside(self.low_gev * np.exp(uniform * r))
        if a < 0:
            energy = self.low_gev * np.exp(np.log1p(uniform * np.expm1(a * r)) / a)
        else:
            energy = self.high_gev * np.exp(np.log1p((1 - uniform) * np.expm1(-a * r)) / a)
        return self._inside(energy)


@dataclass(frozen=True)
class LogUniform(_Range):
    """``dN/d(ln E)`` constant between ``low_gev`` and ``high_gev``."""

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``low (high / low)^u``."""
        return Power(self.low_gev, self.high_gev, index=1.0).energies_gev(uniform)


@dataclass(frozen=True)
class Exponential(_Range):
    """``dN/dE`` proportional to ``exp(-E / slope_gev)``.

    Attributes:
        slope_gev: Energy over which the spectrum falls by e, in GeV.
    """

    slope_gev: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slope_gev <= 0:
            msg = f"slope_gev: found {self.slope_gev:g}, expected more than 0"
            raise ConfigError(msg)

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the inverse distribution function."""
        inside = np.expm1(-(self.high_gev - self.low_gev) / self.slope_gev)
        return self._inside(self.low_gev - self.slope_gev * np.log1p(uniform * inside))


@dataclass(frozen=True)
class Gaussian(_Range):
    """A Gaussian, cut at ``low_gev`` and ``high_gev``.

    Attributes:
        mean_gev: Mean before the cut, in GeV.
        sigma_gev: Standard deviation before the cut, in GeV.
    """

    mean_gev: float
    sigma_gev: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_gev <= 0:
            msg = f"sigma_gev: found {self.sigma_gev:g}, expected more than 0"
            raise ConfigError(msg)
        below, up_to = self._shares()
        if up_to - below < _SMALLEST_SHARE:
            msg = (
                f"low_gev, high_gev: found {self.low_gev:g} and {self.high_gev:g}, expected a "
                "range that holds more than a millionth of the Gaussian; widen it"
            )
            raise ConfigError(msg)

    def _shares(self) -> tuple[float, float]:
        from scipy.special import ndtr  # scipy takes a while to load

        edges = np.array([self.low_gev, self.high_gev])
        below, up_to = ndtr((edges - self.mean_gev) / self.sigma_gev).tolist()
        return below, up_to

    def energies_gev(self, uniform: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the inverse distribution function."""
        below, up_to = self._shares()
        quantile = normal(below + uniform * (up_to - below))
        return self._inside(self.mean_gev + self.sigma_gev * quantile)


SPECTRA: Mapping[str, type[Any]] = MappingProxyType(
    {
        "fixed": Fixed,
        "list": EnergyList,
        "uniform": Uniform,
        "log-uniform": LogUniform,
        "power": Power,
        "exponential": Exponential,
        "gaussian": Gaussian,
    }
)
"""Spectra by the name of their law in gun files."""


def spectrum_from(value: Any, *, where: str) -> Spectrum:  # noqa: ANN401 - from a file
    """Build a spectrum from its TOML value: a table with a ``law``, or a number (one energy).

    Raises:
        ConfigError: If the law or a key is unknown, or a value cannot be.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = {"law": "fixed", "gev": value}
    spectrum: Spectrum = by_law(SPECTRA, value, where=where)
    return spectrum

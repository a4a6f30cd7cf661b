"""Units of other programs: what a number is to be multiplied by to be in ours."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caloforge.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

_K = 1000
_ENERGY = {"eV": Fraction(1), "keV": Fraction(_K), "MeV": Fraction(_K**2)}
_ENERGY |= {"GeV": Fraction(_K**3), "TeV": Fraction(_K**4)}
_LENGTH = {"um": Fraction(1), "mm": Fraction(_K), "cm": Fraction(10 * _K), "m": Fraction(_K**2)}
_LENGTH["km"] = Fraction(_K**3)
_CHARGE = {"e": Fraction(1), "e/3": Fraction(1, 3)}  # ROOT's TParticlePDG counts thirds
_DIMENSIONS = (_ENERGY, _LENGTH, _CHARGE)


class Conversion(NamedTuple):
    """From one unit to another.

    Attributes:
        found: Unit of the numbers as they stand.
        wanted: Unit that they are turned into.
        factor: What they are multiplied by, exact.
    """

    found: str
    wanted: str
    factor: Fraction

    def apply(self, values: NDArray[Any]) -> NDArray[Any]:
        """Convert numbers; equal units leave them untouched, type included."""
        if self.factor == 1:
            return values
        if values.dtype.kind != "f":
            values = values.astype(np.float64)
        # By the smaller error: 1 / 1000 has none, times 0.001 has that of the factor too.
        above, below = self.factor.as_integer_ratio()
        return (
            values / below
            if above == 1
            else values * above / below
            if below > 1
            else (values * above)
        )

    def inverse(self) -> Conversion:
        """Return the way back: it gives the numbers that come nearest when converted again.

        Numbers that were converted before come back exactly. Of others, a few do not: between
        MeV and GeV one double in 44 has no counterpart, as doubles lie less densely there.
        """
        return Conversion(self.wanted, self.found, 1 / self.factor)

    def text(self, name: str) -> str:
        """Return the sentence for a provenance, ``""`` if nothing changes."""
        if self.factor == 1:
            return ""
        return f"{name}: {self.found} to {self.wanted}, times {float(self.factor):.12g}"


def conversion(found: str, wanted: str, *, where: str) -> Conversion:
    """Return how to convert a unit to one of ours.

    Momenta and masses may be given as energies: ``"MeV"`` for MeV/c and MeV/c2.

    Arguments:
        found: Unit as a user writes it, ``""`` for ``wanted``.
        wanted: Our unit.
        where: Where it was found, for the message.

    Raises:
        ConfigError: If ``found`` is unknown or measures something else.

    Example:
        >>> conversion("mm", "cm", where="mapping").text("x_cm")
        'x_cm: mm to cm, times 0.1'
    """
    if found in ("", wanted):
        return Conversion(wanted, wanted, Fraction(1))
    ours = _plain(wanted)
    units = next((dimension for dimension in _DIMENSIONS if ours in dimension), {})
    theirs = _plain(found)
    if theirs in units:
        return Conversion(found, wanted, units[theirs] / units[ours])
    if not units:
        msg = f"{where}: found unit '{found}', expected '{wanted}'; there is no way to convert"
        raise ConfigError(msg)
    msg = f"{where}: unknown unit '{found}' for {wanted}; {did_you_mean(found, units)}"
    raise ConfigError(msg)


def _plain(unit: str) -> str:
    """Return the energy unit of a momentum or a mass, any other unit as it is."""
    return unit.removesuffix("/c").removesuffix("/c2").removesuffix("/c^2")

"""The bundles that come with caloforge, with what was measured of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caloforge.training.bundle import read_table
from caloforge.training.bundle_names import shipped_bundles
from caloforge.training.card_range import energy_range

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class BundleEntry:
    """A bundle that comes along.

    Attributes:
        name: As commands take it.
        model: Name of its model.
        title: Of the run that made it.
        detector: Name of the detector.
        energy_gev: Trained range in GeV, if the model knows the energy.
        n_bytes: Size of its folder.
        figures: Measured figures by name: tables of ``model`` and ``floor``, each with
            ``value`` and ``error``. Empty if none were measured.
        showers_per_second: Of one core, by showers at a time (``"1"``, ``"256"``), and
            ``"best"`` with ``"best_batch"``. Empty if none were measured.
    """

    name: str
    model: str
    title: str
    detector: str
    energy_gev: tuple[float, float] | None
    n_bytes: int
    figures: Mapping[str, Any]
    showers_per_second: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``caloforge models --json`` prints of it."""
        return {
            "name": self.name,
            "model": self.model,
            "title": self.title,
            "detector": self.detector,
            "energy_gev": self.energy_gev,
            "bytes": self.n_bytes,
            "figures": dict(self.figures),
            "showers_per_second": dict(self.showers_per_second),
        }


def bundle_entries() -> list[BundleEntry]:
    """Describe all bundles that come along, by ``bundle.json`` alone.

    Raises:
        BundleError: If one is damaged.
    """
    return [_entry(name, folder) for name, folder in shipped_bundles().items()]


def _entry(name: str, folder: Path) -> BundleEntry:
    table = read_table(folder)
    test = table.get("metrics", {}).get("test", {})
    return BundleEntry(
        name=name,
        model=table["run"]["model"]["name"],
        title=table["run"]["title"],
        detector=table["geometry"]["name"],
        energy_gev=energy_range(table),
        n_bytes=sum(path.stat().st_size for path in folder.iterdir()),
        figures=test.get("figures", {}),
        showers_per_second=test.get("showers_per_second", {}),
    )

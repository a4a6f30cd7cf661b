"""Runs of images: what of a run file speaks of particles, which images do not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caloforge.config import run_names
from caloforge.data.columns import PARTICLE_COLUMNS
from caloforge.data.derived import DERIVED
from caloforge.data.images import are_images
from caloforge.errors import ConfigError

if TYPE_CHECKING:
    from caloforge.config import RunConfig
    from caloforge.data.files.shower_file import ShowerFile

_OF_PARTICLES = frozenset((*PARTICLE_COLUMNS, *DERIVED, "kind"))


def check_images(run: RunConfig, file: ShowerFile) -> None:
    """Refuse a run of particles where the file holds images.

    Raises:
        ConfigError: Naming the settings, and the run file of images to take.
    """
    if not are_images({"pdg": file.column("pdg")}, file.geometry):
        return
    names = [name for name in run.data.conditions if name in _OF_PARTICLES]
    found = [f"data.conditions {', '.join(names)}"] if names else []
    found += ["data.centre_on_impact"] if run.data.centre_on_impact else []
    found += ["data.split_by 'particle'"] if run.data.split_by == "particle" else []
    if found:
        msg = (
            f"{run.data.train}: found images, expected showers of particles for "
            f"{'; '.join(found)}; {_cure(run.model_name, file.geometry.name)}"
        )
        raise ConfigError(msg)


def _cure(model: str, geometry: str) -> str:
    """Name the run file of the same model for such images, if there is one, or of a VAE."""
    start = geometry.partition("-")[0]
    known = run_names()
    for name in (f"{start}-{model}", f"{start}-vae"):
        if name in known:
            return f"take a run file of images, e.g. {name}"
    return "take data.split_by = 'shower' and data.conditions = ['label'], see docs/images.md"

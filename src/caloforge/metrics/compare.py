"""The talk's metrics and the conditional ones, of several samples, in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caloforge.errors import ConfigError
from caloforge.metrics.conditional.channels import repeat_weights
from caloforge.metrics.conditional.rows import make_rows
from caloforge.metrics.results import Comparison
from caloforge.metrics.samples.pairing import rows_by_repeat
from caloforge.metrics.samples.trial import REFERENCE
from caloforge.metrics.statistics.floor import MAX_REPEATS

if TYPE_CHECKING:
    from caloforge.metrics.samples.trial import Trial


def compare(trial: Trial, *, rng: np.random.Generator, n_bootstrap: int = 200) -> Comparison:
    """Compare generated showers with full simulation of the same incident particles.

    All figures are explained in docs/metrics.md.

    Arguments:
        trial: The paired samples, from `make_trial`.
        rng: Source of the resamplings.
        n_bootstrap: Resamplings for the errors, at least 2.

    Raises:
        ConfigError: If there are fewer than two resamplings.
    """
    if n_bootstrap < 2:
        msg = f"metrics: found {n_bootstrap} bootstraps, expected at least 2; take more"
        raise ConfigError(msg)
    design = trial.design
    repeats = [np.bincount(s.particle, minlength=trial.n_particles) for s in trial.sides]
    shown = [k for k, shape in enumerate(trial.shapes) if shape.headline]
    tables = []
    for side, found in zip(trial.sides, repeats, strict=True):
        n = min(int(found.min()), MAX_REPEATS) if design.matched else 1
        chosen = rows_by_repeat(side.particle, design.kept, n)
        values = np.concatenate((side.channels, side.observables[:, shown]), axis=1)
        tables.append(values[chosen])
    rows = make_rows(
        [side.name for side in trial.generated],
        tables,
        repeat_weights(repeats[0][design.kept]),
        design,
        trial.channels.names,
        [trial.shapes[k] for k in shown],
        trial.geometry.unit,
        n_bootstrap=n_bootstrap,
        rng=rng,
    )
    return Comparison(
        reference=trial.source,
        geometry=trial.geometry.name,
        unit=trial.geometry.unit,
        convention=trial.channels.convention,
        channels=trial.channels.names,
        cut=trial.cut,
        passing=_passing(trial),
        pairing=trial.pairing,
        n_particles=trial.n_particles,
        n_particles_reference=trial.n_particles_reference,
        design=design.label,
        matched_floor=design.matched,
        n_compared=design.size * trial.n_particles
        if design.matched
        else trial.n_particles // 2,
        n_bootstrap=n_bootstrap,
        rows=rows,
    )


def _passing(trial: Trial) -> dict[str, float]:
    shares = {name: flags.share(generated=True) for name, flags in trial.before_cut.items()}
    if not shares:
        return {}
    full = next(iter(trial.before_cut.values())).share(generated=False)
    return {REFERENCE: full, **shares}

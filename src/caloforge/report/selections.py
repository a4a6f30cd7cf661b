"""Were the reference and the generated showers made under the same selection?

W1 and most other figures depend on a cut on the sum of the cells: a generator that learnt from
showers of 10 photons and more is not worse for making none of fewer. So whoever compares must
know, and samples under different cuts are not compared silently.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from caloforge.data import Selection, kind_name
from caloforge.data.splits.selection import told_selection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caloforge.data import ShowerSample


def own_selection(sample: ShowerSample) -> Selection:
    """Selection under which the showers of a sample were taken from a larger one."""
    return told_selection(sample.provenance) or Selection()


def trained_selection(sample: ShowerSample) -> Selection | None:
    """Selection of the showers that the generator of a sample was trained on, if known."""
    return told_selection(sample.provenance, "training selection")


def selection_warnings(
    reference: ShowerSample, generated: Mapping[str, ShowerSample], *, cut: float = 0.0
) -> dict[str, str]:
    """Say of each generated sample how its selection differs from that of the reference.

    Arguments:
        reference: Full simulation.
        generated: Generated samples by name.
        cut: Least sum of the showers that are compared, in all samples.

    Returns:
        One line for each sample with a difference.
    """
    found = {}
    for name, sample in generated.items():
        sums, low = _sums(reference, sample, cut)
        parts = [part for part in (sums, _particles(reference, sample)) if part]
        if parts:
            cure = "take a reference of the same selection"
            if low is not None:
                cure += f", or --cut {low:g} for the sums"
            found[name] = f"{'; '.join(parts)}: figures depend on the selection; {cure}"
    return found


def _sums(
    reference: ShowerSample, sample: ShowerSample, cut: float
) -> tuple[str, float | None]:
    """Compare the ranges of sums: the difference, and the cut that would end it."""
    theirs = _range(own_selection(reference), cut)
    trained, own = trained_selection(sample) or Selection(), own_selection(sample)
    ours = _range(trained, max(cut, own.min_sum))
    if own.max_sum is not None:
        ours = replace(ours, max_sum=min(own.max_sum, ours.max_sum or np.inf))
    if ours == theirs or (_untold(sample) and _within(sample, theirs, cut)):
        return "", None
    low = max(ours.min_sum, theirs.min_sum) if ours.max_sum == theirs.max_sum else None
    how = "trained on" if trained.needs_sums else "made under"
    return f"{how} {ours.text()}, the reference is of {theirs.text()}", low


def _untold(sample: ShowerSample) -> bool:
    """Whether the showers do not say under which selection they were made."""
    return trained_selection(sample) is None and not own_selection(sample).active


def _within(sample: ShowerSample, selection: Selection, cut: float) -> bool:
    """Whether all showers that pass the cut are in a range of sums."""
    sums = sample.showers.sum(axis=1, dtype=np.float64)
    low, high = selection.min_sum, selection.max_sum or np.inf
    return bool(((sums < cut) | ((sums >= low) & (sums <= high))).all())


def _range(selection: Selection, cut: float) -> Selection:
    """The part of a selection that is about sums, with a further cut."""
    low = max(selection.min_sum, cut)
    upper = selection.max_sum
    return Selection(min_sum=low, max_sum=None if upper is None else max(upper, low))


def _particles(reference: ShowerSample, sample: ShowerSample) -> str:
    """Count particles of the reference that the generator was not trained on."""
    trained = trained_selection(sample) or Selection()
    about = Selection(energy_gev=trained.energy_gev, kinds=trained.kinds)
    outside = ~about.rows(reference.particles)
    n = int(outside.sum())
    if not n:
        return ""
    kinds = sorted(
        {kind_name(int(pdg)) for pdg in np.unique(reference.particles["pdg"][outside])}
    )
    return (
        f"trained on {about.text()}, and {n:,} of {len(outside):,} reference showers are of "
        f"others ({', '.join(kinds)})"
    )

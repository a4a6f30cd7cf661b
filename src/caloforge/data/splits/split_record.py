"""What a result says of its split: selection, plan, balance, and what a user should know."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.data.files.shower_file import ShowerFile, ShowerSample
from caloforge.data.sample import resolve
from caloforge.data.splits.balance import (
    BalanceRow,
    balance_lines,
    balance_of,
    of_images,
)
from caloforge.data.splits.selection import Selection, told_selection
from caloforge.data.splits.validation_list import read_validation_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caloforge.data.splits.partition import SplitPlan
    from caloforge.data.splits.split import Split

# A file of at most so many particles, with at least so many showers each, has few by design.
_FEW_PARTICLES, _MANY_SHOWERS = 50, 20


@dataclass(frozen=True)
class SplitRecord:
    """A split as results tell of it.

    Attributes:
        plan: How the file was split.
        selection: Which showers took part: those of the file's own making, and of these those
            that the run selected.
        n_showers: Showers in the file.
        n_left_out: Those of them that the run's selection leaves out.
        balance: Particles and showers on both sides.
        hints: What a user should know, a sentence each.
        list_sha256: Checksum of the validation list, ``""`` without one.
    """

    plan: SplitPlan
    selection: Selection
    n_showers: int
    n_left_out: int
    balance: tuple[BalanceRow, ...]
    hints: tuple[str, ...]
    list_sha256: str = ""

    @property
    def images(self) -> bool:
        """Whether the showers are images with labels, which have no particles."""
        return of_images(self.balance)

    def lines(self) -> list[str]:
        """Say it on a terminal: plan, selection, balance and hints."""
        lines = [f"split {self.plan.text()}"]
        if self.selection.active:
            left_out = f"{self.n_left_out:,} of {self.n_showers:,} showers left out"
            lines.append(f"selection: {self.selection.text()} ({left_out})")
        lines += balance_lines(self.balance, showers=self.plan.split_by == "shower")
        return [*lines, *(f"hint: {hint}" for hint in self.hints)]

    def as_dict(self) -> dict[str, Any]:
        """Return what manifest and bundle keep of selection and split."""
        split = {"text": self.plan.text(), **asdict(self.plan)}
        if self.list_sha256:
            split["validation_list_sha256"] = self.list_sha256
        return {
            "selection": {"text": self.selection.text(), **self.selection.as_dict()},
            "showers left out": self.n_left_out,
            "split": split,
            **({"hints": list(self.hints)} if self.hints else {}),
        }

    def balance_rows(self) -> list[dict[str, Any]]:
        """Return the balance as plain rows."""
        return [row._asdict() for row in self.balance]


def split_record(
    source: ShowerFile | ShowerSample, plan: SplitPlan, selection: Selection, split: Split
) -> SplitRecord:
    """Describe a split that `partition` made.

    Arguments:
        source: The file or sample that was split.
        plan: How.
        selection: Which showers the run selected.
        split: Rows of the sides.

    Raises:
        ConfigError: If the run selects nothing that the file was made of.
    """
    rows = balance_of(source, split)
    before = told_selection(source.provenance) or Selection()
    digest = ""
    if plan.validation_list:
        digest = hashlib.sha256(resolve(plan.validation_list).read_bytes()).hexdigest()
    return SplitRecord(
        plan=plan,
        selection=before.narrowed(selection),
        n_showers=len(source),
        n_left_out=len(source) - sum(map(len, split)),
        balance=tuple(rows),
        hints=(
            *_few_by_design(rows, plan),
            *_not_trained(rows),
            *_unmatched(source, plan, split),
        ),
        list_sha256=digest,
    )


def _few_by_design(rows: Sequence[BalanceRow], plan: SplitPlan) -> list[str]:
    """Warn where a split by particle keeps whole energies apart."""
    n_train, n_validation = (sum(getattr(r, k) for r in rows) for k in ("train", "validation"))
    n_showers = sum(row.train_showers + row.validation_showers for row in rows)
    n = n_train + n_validation
    if plan.split_by != "particle" or n > _FEW_PARTICLES or n_showers < _MANY_SHOWERS * n:
        return []
    hint = (
        f"the file has only {n} incident particles, with {n_showers / n:,.0f} showers each: "
        f"{n_validation} of them are kept for validation and never trained on; if their "
        "energies are few by design, set data.split_by = 'shower'"
    )
    return [hint]


def _not_trained(rows: Sequence[BalanceRow]) -> list[str]:
    """Name kinds that are on the validation side only."""
    trained = {row.kind for row in rows if row.train}
    missing = sorted({row.kind for row in rows} - trained)
    if not missing:
        return []
    what = "" if of_images(rows) else "kinds "
    return [f"{what}{', '.join(missing)} are in the validation side only; add showers of them"]


def _unmatched(source: ShowerFile | ShowerSample, plan: SplitPlan, split: Split) -> list[str]:
    """Say how much of a list was found, if not all of it."""
    by_shower = plan.split_by == "shower"
    listed = read_validation_list(plan.validation_list, by_shower=by_shower)
    if listed is None:
        return []
    n = len(listed.numbers) + len(listed.digests)
    incident = (
        source.column("incident")
        if isinstance(source, ShowerFile)
        else source.particles.incident
    )[split.validation]
    if listed.what == "incident numbers":
        found = int(np.isin(listed.numbers, incident).sum())
    else:
        found = len(incident) if by_shower else len(np.unique(incident))
    if found >= n:
        return []
    hint = (
        f"{plan.validation_list} lists {n:,} {listed.what}, and {found:,} of them are in the "
        "validation side; the others are not in the file, or are left out by the selection"
    )
    return [hint]

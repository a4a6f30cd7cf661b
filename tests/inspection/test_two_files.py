"""Leaks between two files."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tests.inspection.showers import Showers, bad, texts


def test_train_and_test_samples_share_nothing(sample_of: Callable[[str], Showers]) -> None:
    assert bad(sample_of("zn-train").inspect(sample_of("zn-test"))) == {}


def test_shared_showers_and_particles_are_named(zn: Showers) -> None:
    train, test = zn.rows(slice(0, 5000)), zn.rows(slice(4990, 7550))
    # The ten shared ones are found whatever the precision and the type.
    test.showers = test.showers.astype(np.float64)
    test.columns = {k: v.astype(np.float32).astype(float) for k, v in test.columns.items()}
    inspection = test.inspect(train)
    assert bad(inspection) == {"leak": "error"}
    words = texts(inspection, "leak")
    assert "first: shower 0 is shower 4990 there" in words
    assert "10 showers are of incident particles (" in words


def test_same_particles_with_other_showers_leak(zn: Showers) -> None:
    repeated = np.flatnonzero(np.bincount(zn.incident)[zn.incident] == 2)
    order = repeated[np.argsort(zn.incident[repeated], kind="stable")]
    first, second = zn.rows(order[::2]), zn.rows(order[1::2])
    inspection = second.inspect(first)
    assert bad(inspection) == {"leak": "error"}
    assert "1,725 showers are of incident particles (1,725)" in texts(inspection, "leak")


def test_few_energies_by_design_are_a_warning(sample_of: Callable[[str], Showers]) -> None:
    gun = sample_of("zn-neutron-100")
    first, second = gun.rows(slice(500)), gun.rows(slice(500, 1000))
    inspection = second.inspect(first)
    assert bad(inspection) == {"leak": "warning"}
    assert "few by design" in texts(inspection, "leak")
    # A shower that is in both is an error for all that.
    assert bad(gun.rows(slice(499, 900)).inspect(first)) == {"leak": "error"}


def test_files_of_two_detectors(sample_of: Callable[[str], Showers]) -> None:
    inspection = sample_of("zp-test").inspect(sample_of("zn-test"))
    assert bad(inspection) == {"leak": "warning"}
    assert "of detector 'zn'" in texts(inspection, "leak")

"""Which showers belong to the same particle."""

from __future__ import annotations

import numpy as np
import pytest

from caloforge.errors import DataFormatError
from caloforge.metrics import Incidents, pair
from caloforge.metrics.samples.pairing import BY_ID, BY_PROPERTIES, rows_by_repeat


def sample(ids: list[int], energies: list[float], source: str = "a.h5") -> Incidents:
    return Incidents(np.array(ids), np.array(energies)[:, None], source)


def test_equal_ids_of_equal_particles_pair() -> None:
    found = pair([sample([7, 7, 3], [2, 2, 1]), sample([3, 9, 7], [1, 5, 2 * (1 + 1e-7)])])
    assert (found.way, found.n_particles) == (BY_ID, 2)
    assert [g.tolist() for g in found.groups] == [[1, 1, 0], [0, -1, 1]]
    assert [r.tolist() for r in found.repeats()] == [[1, 2], [1, 1]]


def test_equal_ids_of_different_particles_do_not() -> None:
    # Both files number their particles from 0, in another order.
    found = pair([sample([0, 1], [1, 2]), sample([0, 1], [2, 1])])
    assert found.way == BY_PROPERTIES
    first, second = found.groups
    assert first.tolist() == second[::-1].tolist()


def test_properties_pair_without_common_ids_and_zero_has_no_sign() -> None:
    found = pair([sample([0, 0, 1], [-0.0, 0.0, 3]), sample([8, 9], [3, 0.0])])
    assert (found.way, found.n_particles) == (BY_PROPERTIES, 2)
    assert [r.tolist() for r in found.repeats()] == [[2, 1], [1, 1]]


@pytest.mark.parametrize(
    ("ids", "reason"),
    [([0, 1], "equal incident ids of different particles"), ([8, 9], "no common incident id")],
)
def test_nothing_in_common_is_refused(ids: list[int], reason: str) -> None:
    with pytest.raises(DataFormatError, match=rf"b\.h5 against a\.h5: found {reason}"):
        pair([sample([0, 1], [1, 2]), sample(ids, [5, 6], "b.h5")])


def test_all_samples_must_have_the_particle() -> None:
    samples = [sample(ids, [float(k) for k in ids]) for ids in ([1, 2, 3], [2, 3], [3, 4])]
    assert pair(samples).n_particles == 1


def test_rows_are_the_first_showers_in_file_order() -> None:
    group = np.array([1, -1, 0, 1, 0, 1])
    assert rows_by_repeat(group, np.array([1, 0]), 2).tolist() == [[0, 3], [2, 4]]

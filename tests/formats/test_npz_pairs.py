"""Which npz files belong together."""

import numpy as np
import pytest

from caloforge.errors import DataFormatError
from caloforge.formats.npz.pairs import grouped


def responses(path, n=3):
    np.savez(path, np.zeros((n, 44, 44), np.uint8))
    return path


def particles(path, n=3):
    np.savez(path, np.zeros((n, 10)))
    return path


def test_one_of_each_is_a_pair_whatever_the_names(tmp_path):
    cells, table = responses(tmp_path / "b.npz"), particles(tmp_path / "a.npz")
    assert grouped([table, cells]) == [(cells, table)]
    assert grouped([tmp_path]) == [(cells, table)]


@pytest.mark.parametrize("words", [("responses", "particles"), ("Showers", "Conditions")])
def test_pairs_are_told_apart_by_their_names(tmp_path, words):
    first, second = words
    pairs = [
        (
            responses(tmp_path / f"run{k}_{first}.npz"),
            particles(tmp_path / f"run{k}_{second}.npz"),
        )
        for k in (1, 2)
    ]
    assert grouped([tmp_path]) == pairs
    # The partner lies beside it, whichever of the two is named.
    assert grouped([pairs[1][0]]) == [pairs[1]]
    assert grouped([pairs[1][1]]) == [pairs[1]]
    assert grouped([pairs[0][0], pairs[0][0], tmp_path]) == pairs


def test_a_file_with_both_is_a_set_of_its_own(tmp_path):
    np.savez(tmp_path / "all.npz", a=np.zeros((3, 44, 44)), b=np.zeros((3, 9)))
    assert grouped([tmp_path / "all.npz"]) == [(tmp_path / "all.npz",)]


def test_what_is_missing_is_named(tmp_path):
    cells = responses(tmp_path / "x_responses.npz")
    with pytest.raises(DataFormatError, match=r"expected 'x_particles.npz' beside it"):
        grouped([cells])
    # A file of the right name, but of the wrong content, is no partner.
    responses(tmp_path / "x_particles.npz")
    with pytest.raises(DataFormatError, match="found no particles that belong"):
        grouped([cells])
    np.savez(tmp_path / "other.npz", np.zeros(7))
    with pytest.raises(DataFormatError, match=r"found arrays arr_0 \(7,\), expected responses"):
        grouped([tmp_path / "other.npz"])

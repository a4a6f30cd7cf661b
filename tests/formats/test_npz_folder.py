"""Two npz files in a folder: arrays that grow, files that appear whole."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.errors import OutputError
from caloforge.formats.npz.folder import PARTICLES, RESPONSES, NpzFolder


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 5), min_size=1, max_size=6),
    dtype=st.sampled_from(["<u2", ">f8", "<i8", "f4"]),
)
def test_numpy_reads_what_came_in_pieces(tmp_path_factory, sizes, dtype):
    path = tmp_path_factory.mktemp("folder") / "out"
    rng = np.random.default_rng(len(sizes))
    parts = [rng.integers(0, 1000, (n, 3, 2)).astype(dtype) for n in sizes]
    with NpzFolder.created(path, force=False) as folder:
        for part in parts:
            folder.append(RESPONSES, "arr_0", part)
            folder.append(PARTICLES, "number", part[:, 0, 0])
        folder.finish({"from": "a test"})
    assert sorted(file.name for file in path.iterdir()) == sorted([RESPONSES, PARTICLES])
    whole = np.concatenate(parts)
    with np.load(path / RESPONSES) as found:
        assert found.files == ["arr_0"]
        np.testing.assert_array_equal(found["arr_0"], whole)
    with np.load(path / PARTICLES) as found:
        np.testing.assert_array_equal(found["number"], whole[:, 0, 0])
        assert json.loads(str(found["provenance"])) == {"from": "a test"}


def test_after_a_failure_everything_is_as_before(tmp_path):
    def fail(path):
        with NpzFolder.created(path, force=True) as folder:
            folder.append(RESPONSES, "arr_0", np.zeros((2, 2)))
            raise KeyError

    with pytest.raises(KeyError):
        fail(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / RESPONSES).write_text("of before")
    with pytest.raises(KeyError):
        fail(tmp_path / "old")
    assert [file.name for file in (tmp_path / "old").iterdir()] == [RESPONSES]
    assert (tmp_path / "old" / RESPONSES).read_text() == "of before"


def test_a_folder_in_use_needs_force(tmp_path):
    (tmp_path / RESPONSES).write_text("of before")
    with pytest.raises(OutputError), NpzFolder.created(tmp_path, force=False):
        pass
    assert (tmp_path / RESPONSES).read_text() == "of before"

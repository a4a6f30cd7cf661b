import subprocess
import sys

import numpy as np
import pytest

from caloforge.errors import DataFormatError, OutputError
from caloforge.simulation.frames import pack, unpack
from caloforge.simulation.journal import MAGIC, Journal, Sparse, pack_chunk, unpack_chunk


def chunk(start, n=3, *, dtype=np.uint32, n_cells=20):
    rng = np.random.default_rng(start)
    dense = rng.poisson(0.4, (n, n_cells)).astype(dtype)
    dense[0] = 0
    showers = [
        Sparse(np.flatnonzero(row).astype(np.uint32), row[row != 0], 0.5 * k)
        for k, row in enumerate(dense)
    ]
    return dense, pack_chunk(start, n_cells, showers)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.h5.partial"


def write(path, n=3):
    with Journal(path, resume=False, force=True) as journal:
        journal.begin({"seed": 1})
        for k in range(n):
            journal.append(chunk(3 * k)[1])


def test_frames_keep_what_they_are_given():
    arrays = {
        "a": np.arange(6, dtype=">i4").reshape(2, 3),
        "none": np.zeros((0, 4)),
        "flag": np.array([True, False]),
    }
    header, found = unpack(pack({"text": "é", "list": [1, None]}, arrays))
    assert header == {"text": "é", "list": [1, None]}
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)
        assert found[name].shape == array.shape
    for wrong in (b"", b"\x00" * 40, b"GIF89a" * 9, pack({}, arrays)[:-1]):
        with pytest.raises(ValueError, match=r".+"):
            unpack(wrong)


@pytest.mark.parametrize("dtype", [np.uint32, np.float32])
def test_chunk_comes_back_cell_by_cell(dtype):
    dense, record = chunk(5, 7, dtype=dtype)
    showers = unpack_chunk(record)
    assert showers.values.dtype == dtype
    for start, stop in ((0, 7), (0, 0), (2, 5), (6, 7)):
        assert np.array_equal(showers.dense(start, stop), dense[start:stop])
    assert showers.cpu_seconds.tolist() == [0.5 * k for k in range(7)]


def test_empty_showers_are_showers():
    nothing = Sparse(np.zeros(0, np.uint32), np.zeros(0, np.float32), 0.0)
    assert unpack_chunk(pack_chunk(0, 9, [nothing, nothing])).dense(0, 2).shape == (2, 9)


def test_journal_goes_on_where_it_stopped(path):
    write(path)
    with Journal(path, resume=True, force=False) as journal:
        assert journal.settings == {"seed": 1}
        assert sorted(journal.entries) == [0, 3, 6]
        assert journal.n_showers == 9
        journal.append(chunk(9)[1])
        for start in journal.entries:
            dense, _ = chunk(start)
            assert np.array_equal(journal.read(start).dense(0, 3), dense)
        assert journal.entries[3].largest == chunk(3)[0].max()
        assert journal.entries[3].cpu_seconds == 1.5
    assert path.exists()


def test_cut_off_anywhere_it_keeps_whole_records(path, tmp_path):
    write(path, 2)
    whole = path.read_bytes()
    with Journal(path, resume=True, force=False) as journal:
        ends = [entry.offset + entry.length for entry in journal.entries.values()]
    sizes = {
        *range(0, len(whole), 37),
        *(end + k for end in ends for k in (-1, 0, 1, 11, 12, 13)),
    }
    for size in sorted(size for size in sizes if size <= len(whole)):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:size])
        with Journal(cut, resume=True, force=False) as journal:
            assert len(journal.entries) == sum(end <= size for end in ends)
            assert journal.settings in (None, {"seed": 1})
            if journal.settings is None:
                journal.begin({"seed": 1})
            journal.append(chunk(30)[1])
            assert np.array_equal(journal.read(30).dense(0, 3), chunk(30)[0])
        with Journal(cut, resume=True, force=False) as journal:
            assert 30 in journal.entries


@pytest.mark.parametrize("size", [1, 4, 40])
def test_changed_bytes_cost_no_other_record(path, size):
    """Wherever they lie: in a length, a CRC-32, a header or the showers."""
    write(path, 4)
    whole = path.read_bytes()
    with Journal(path, resume=True, force=False) as journal:
        entries = dict(journal.entries)
    first = entries[3].offset - 12
    for place in range(first, entries[9].offset + entries[9].length - size + 1, 3):
        data = bytearray(whole)
        data[place : place + size] = (byte ^ 0x5A for byte in data[place : place + size])
        path.write_bytes(data)
        hit = {
            start
            for start, entry in entries.items()
            if entry.offset - 12 < place + size and place < entry.offset + entry.length
        }
        with Journal(path, resume=True, force=False) as journal:
            assert journal.entries == {k: v for k, v in entries.items() if k not in hit}
            # Damage at the very end can look as if it was cut off.
            assert 1 <= journal.damaged <= len(hit) or (9 in hit and not journal.damaged)
            for start in sorted(hit):
                journal.append(chunk(start)[1])
        with Journal(path, resume=True, force=False) as journal:
            for start in entries:
                assert np.array_equal(journal.read(start).dense(0, 3), chunk(start)[0])


def test_damaged_settings_are_no_reason_to_drop_showers(path):
    write(path)
    data = bytearray(path.read_bytes())
    for place in (len(MAGIC), len(MAGIC) + 18):
        data[place] ^= 1
        path.write_bytes(data)
        with pytest.raises(DataFormatError, match="damaged where it says what is simulated"):
            Journal(path, resume=True, force=False)
        assert path.read_bytes() == data
        data[place] ^= 1


def test_zeros_after_a_power_cut_are_no_record(path):
    write(path)
    with path.open("ab") as file:
        file.write(bytes(4096))
    with Journal(path, resume=True, force=False) as journal:
        assert (len(journal.entries), journal.damaged) == (3, 0)
        journal.append(chunk(9)[1])
    with Journal(path, resume=True, force=False) as journal:
        assert (len(journal.entries), journal.damaged) == (4, 0)


def test_one_run_at_a_time(path):
    write(path)
    with (
        Journal(path, resume=True, force=False),
        pytest.raises(OutputError, match="another run is writing it; wait for its end"),
    ):
        Journal(path, resume=True, force=True)


def test_unfinished_run_is_not_lost_unasked(path):
    write(path)
    with pytest.raises(OutputError, match=r"an interrupted run lies there; --resume .*--force"):
        Journal(path, resume=False, force=False)
    before = path.read_bytes()
    with Journal(path, resume=False, force=True) as journal:
        assert journal.settings is None
        assert not journal.entries
    assert path.read_bytes() == before  # nothing has taken its place
    with Journal(path, resume=False, force=True) as journal:
        journal.begin({"seed": 2})
    assert not path.exists()  # with nothing in it, it is of no use


def test_end_that_was_cut_off_stays_until_something_takes_its_place(path):
    write(path)
    path.write_bytes(path.read_bytes()[:-5])
    before = path.read_bytes()
    with Journal(path, resume=True, force=False) as journal:
        assert sorted(journal.entries) == [0, 3]
    assert path.read_bytes() == before


def test_foreign_file_is_left_alone(path):
    path.write_bytes(b"my diary\n" * 20)
    with pytest.raises(DataFormatError, match="not written by this version of caloforge"):
        Journal(path, resume=True, force=False)
    assert path.read_bytes() == b"my diary\n" * 20
    assert len(MAGIC) > 20


def test_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be written \(Not a directory\)"):
        Journal(tmp_path / "file" / "x.partial", resume=False, force=False)


def test_full_disk_keeps_what_was_written(path):
    write(path, 2)
    script = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, {str(__file__).rpartition("/")[0]!r})
from test_journal import chunk
from caloforge.errors import OutputError
from caloforge.simulation.journal import Journal
size = Path({str(path)!r}).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, size + 50))
with Journal(Path({str(path)!r}), resume=True, force=False) as journal:
    try:
        journal.append(chunk(6)[1])
    except OutputError as error:
        print(error.exit_code, error)
"""
    size = path.stat().st_size
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"1 {path}: cannot be written (File too large); free some space\n"
    assert path.stat().st_size == size

"""Pickles are told by their content and refused; the page shows a way round that works."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import pickle
import re
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import h5py
import joblib
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from caloforge.data import read_showers
from caloforge.errors import DataFormatError
from caloforge.formats.conversion import convert
from caloforge.formats.format import ReadOptions
from caloforge.formats.pickles import FORMAT, pickle_kind
from caloforge.formats.registry import open_showers

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "formats" / "pickles.md"

# Two columns and one row, written by DataFrame.to_pickle of pandas 3.1.1.
PANDAS = base64.b64decode(
    "gAWVNgMAAAAAAACMBnBhbmRhc5SMCURhdGFGcmFtZZSTlCmBlH2UKIwEX21ncpSMHnBhbmRhcy5jb3JlLmlu"
    "dGVybmFscy5tYW5hZ2Vyc5SMDEJsb2NrTWFuYWdlcpSTlIwWcGFuZGFzLl9saWJzLmludGVybmFsc5SMD191"
    "bnBpY2tsZV9ibG9ja5STlIwTbnVtcHkuX2NvcmUubnVtZXJpY5SMC19mcm9tYnVmZmVylJOUKJYQAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAACUjAVudW1weZSMBWR0eXBllJOUjAJmOJSJiIeUUpQoSwOMATyUTk5OSv////9K"
    "/////0sAdJRiSwJLAYaUjAFDlHSUUpSMCGJ1aWx0aW5zlIwFc2xpY2WUk5RLAEsCSwGHlFKUSwKHlFKUhZRd"
    "lCiMGHBhbmRhcy5jb3JlLmluZGV4ZXMuYmFzZZSMCl9uZXdfSW5kZXiUk5RoAIwFSW5kZXiUk5R9lCiMBGRh"
    "dGGUjA1wYW5kYXMuYXJyYXlzlIwQQXJyb3dTdHJpbmdBcnJheZSTlCmBlH2UKIwJX3BhX2FycmF5lIwLcHlh"
    "cnJvdy5saWKUjA5fcmVzdG9yZV9hcnJheZSTlChoMowOdHlwZV9mb3JfYWxpYXOUk5SMDGxhcmdlX3N0cmlu"
    "Z5SFlFKUSwJLAEsAXZQoTmgyjAlweV9idWZmZXKUk5SWGAAAAAAAAAAAAAAAAAAAAAYAAAAAAAAACQAAAAAA"
    "AACUhZRSlGg8lgkAAAAAAAAARW5lcmd5UGRnlIWUUpRlXZROdJSFlFKUjAZfZHR5cGWUaACMC1N0cmluZ0R0"
    "eXBllJOUjAdweWFycm93lEd/+AAAAAAAAIaUUpSMBl9jYWNoZZR9lHVijARuYW1llE51hpRSlGgnaACMClJh"
    "bmdlSW5kZXiUk5R9lChoT06MBXN0YXJ0lEsAjARzdG9wlEsBjARzdGVwlEsBdYaUUpRlhpRSlIwEX3R5cJSM"
    "CWRhdGFmcmFtZZSMCV9tZXRhZGF0YZRdlIwFYXR0cnOUfZSMBl9mbGFnc5R9lIwXYWxsb3dzX2R1cGxpY2F0"
    "ZV9sYWJlbHOUiHN1Yi4="
)

COMPRESSIONS = {
    "plain": lambda raw: raw,
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda raw: lzma.compress(raw, lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "zstd": lambda raw: _with_pyarrow(raw, "zstd"),
    "lz4": lambda raw: _with_pyarrow(raw, "lz4"),
}


class Bomb:
    """Leaves a trace when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def _with_pyarrow(raw: bytes, codec: str) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, codec) as stream:
        stream.write(raw)
    return sink.getvalue().to_pybytes()


def noise(size: int) -> np.ndarray:
    return np.random.default_rng(0).random(size)


CONTENT = {
    "array": noise(50_000),
    "frame": {"Energy": noise(3), "showers": np.zeros((3, 44, 44))},
    "numbers": list(range(30_000)),
    "lists": [[float(k)] for k in range(10_000)],
    "one": {"a": 1},
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("content", CONTENT)
def test_every_protocol_and_compression_is_told(
    tmp_path, protocol, compression, content
) -> None:
    path = tmp_path / "data.h5"  # the name says nothing
    path.write_bytes(COMPRESSIONS[compression](pickle.dumps(CONTENT[content], protocol)))
    kind = pickle_kind(path)
    assert "a pickle of" in kind
    assert (f"({compression}-compressed)" in kind) == (compression != "plain")
    assert ("numpy" in kind) == (content in {"array", "frame"})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_executed(tmp_path, protocol) -> None:
    trace = tmp_path / "executed"
    pickled = pickle.dumps(Bomb(trace), protocol)
    plain, objects = tmp_path / "bomb.pkl", tmp_path / "bomb.npz"
    plain.write_bytes(pickled)
    np.savez(objects, x=np.array([Bomb(trace)], dtype=object))
    for path in (plain, objects):
        with pytest.raises(DataFormatError), FORMAT.read((path,), ReadOptions()):
            pass
    assert not trace.exists()
    pickle.loads(pickled)  # the test can fail: this is what an unpickler does
    assert trace.exists()


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib(tmp_path, compress) -> None:
    path = tmp_path / "data.joblib"
    joblib.dump({"showers": noise(200_000), "energy": [1.5] * 100}, path, compress=compress)
    assert "a pickle of joblib" in pickle_kind(path)


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("content", [{"w": torch.zeros(300, 300)}, torch.ones(7)])
def test_torch(tmp_path, new, content) -> None:
    path = tmp_path / "model.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=new)
    assert pickle_kind(path) == "a pickle of torch"


def test_pandas(tmp_path) -> None:
    path = tmp_path / "frame.pkl"
    path.write_bytes(PANDAS)
    assert pickle_kind(path) == "a pickle of pandas"
    with zipfile.ZipFile(tmp_path / "frame.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(path, "frame.pkl")
    assert pickle_kind(tmp_path / "frame.zip") == (
        "a zip whose member 'frame.pkl' is a pickle of pandas"
    )
    for mode, suffix in (("w", ".tar"), ("w:gz", ".tar.gz"), ("w:xz", ".tar.xz")):
        with tarfile.open(tmp_path / f"frame{suffix}", mode) as tar:
            tar.add(path, "frame.pkl")
        assert "'frame.pkl' is a pickle of pandas" in pickle_kind(tmp_path / f"frame{suffix}")


def test_arrays_of_objects(tmp_path) -> None:
    objects = np.array([{}, 1], dtype=object)
    hidden = np.array([(1.0, {})], dtype=[("energy", float), ("more", object)])
    np.save(tmp_path / "a.npy", objects)
    np.savez(tmp_path / "b.npz", fine=np.arange(3), bad=objects)
    np.savez_compressed(tmp_path / "c.npz", fine=np.arange(3), bad=hidden)
    assert pickle_kind(tmp_path / "a.npy") == "an array of objects, pickled by numpy"
    for name in ("b.npz", "c.npz"):
        assert "member 'bad.npy' is an array of objects" in pickle_kind(tmp_path / name)


def plain_files(folder: Path) -> list[Path]:
    np.save(folder / "a.npy", noise(10))
    np.savez_compressed(folder / "b.npz", a=noise(10), b=np.zeros(3, [("x", float)]))
    with h5py.File(folder / "c.h5", "w") as file:
        file["showers"] = noise(5)
    pq.write_table(pa.table({"x": [1.0, 2.0]}), folder / "d.parquet")
    torch_safe = folder / "e.safetensors"
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(3)}, torch_safe)
    text = "Energy,Vx\n1.0,2.0\n" * 9000
    for name, content in {
        "f.csv": text,
        "g.txt": "Git v1.7.12.3 Notes\n=====\n\nFixes.\n",
        "h.txt": "I\n",
        "i.toml": "[a]\nb = 1\n",
        "j.json": '{"a": [1, 2]}\n',
        "k.txt": "",
        "l.txt": "(see below) None.\n",
        "m.txt": "MIT Licence.\n" * 9000,
    }.items():
        (folder / name).write_text(content)
    (folder / "n.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "o.bin").write_bytes(np.random.default_rng(1).bytes(100_000))
    (folder / "p.gz").write_bytes(b"\x1f\x8b broken")
    (folder / "q.zip").write_bytes(b"PK\x03\x04 broken")
    (folder / "r.npy").write_bytes(b"\x93NUMPY\x01\x00 broken")
    (folder / "s.bin").write_bytes(b"\x80\x03")
    return sorted(folder.iterdir())


def test_no_other_file_is_taken_for_a_pickle(tmp_path) -> None:
    files = plain_files(tmp_path)
    assert len(files) == 19
    for path in (*files, tmp_path, tmp_path / "missing", ROOT / "README.md"):
        assert pickle_kind(path) == "", path
        assert not FORMAT.recognise(path), path


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300).filter(lambda text: len(text) > 30))
def test_text_is_no_pickle(tmp_path_factory, text) -> None:
    path = tmp_path_factory.getbasetemp() / "text.txt"
    path.write_text("x" + text, encoding="utf-8")
    assert pickle_kind(path) == ""


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ),
    st.integers(0, pickle.HIGHEST_PROTOCOL),
)
def test_anything_pickled_is_a_pickle(tmp_path_factory, value, protocol) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert pickle_kind(path)


def test_a_pickle_that_is_cut_off_is_one(tmp_path) -> None:
    path = tmp_path / "cut.pkl"
    path.write_bytes(pickle.dumps(CONTENT["frame"])[:2000])
    assert pickle_kind(path) == "a pickle of numpy"


def test_message_is_one_line_with_reason_and_cure(tmp_path) -> None:
    path = tmp_path / "frame.pkl"
    path.write_bytes(PANDAS)
    with pytest.raises(DataFormatError) as refusal, open_showers([path]):
        pass
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: found a pickle of pandas, expected plain data")
    assert "runs any code" in message
    assert message.endswith("script of docs/formats/pickles.md")
    assert PAGE.is_file()
    # The page shows the message that is really given.
    assert message.replace(str(path), "particles.pkl") in PAGE.read_text()


def unpickle(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (script,) = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    (folder / "unpickle.py").write_text(script)
    return subprocess.run(
        [sys.executable, "unpickle.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


FRAME = '''
class DataFrame:
    """What the script needs of a frame."""
    def __init__(self, columns): self.data = columns
    columns = property(lambda self: list(self.data))
    def __getitem__(self, name): return self.data[name]
    def to_dict(self): return self.data
'''


def test_script_turns_a_warsaw_pickle_into_parquet(tmp_path) -> None:
    rng = np.random.default_rng(2)
    names = ["Energy", "Vx", "Vy", "Vz", "Px", "Py", "Pz", "mass", "charge", "PhotonSum", "Pdg"]
    columns = {name: rng.random(5) for name in names} | {"Pdg": np.full(5, 2112)}
    showers = rng.integers(0, 9, (5, 44, 44))
    (tmp_path / "frames.py").write_text(FRAME)
    # Pickled in a process of its own: the class must be known to the script only.
    np.savez(tmp_path / "in.npz", **columns)
    make = (
        "import numpy as np, pickle, gzip; from frames import DataFrame;"
        "f = np.load('in.npz'); pickle.dump(DataFrame({k: f[k] for k in f.files}),"
        "gzip.open('particles.pkl.gz', 'wb'))"
    )
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    (tmp_path / "responses.pkl").write_bytes(pickle.dumps(showers, 2))
    assert pickle_kind(tmp_path / "particles.pkl.gz")
    done = unpickle(tmp_path, "out.parquet", "particles.pkl.gz", "responses.pkl")
    assert done.returncode == 0, done.stderr
    assert "responses: int64 (5, 44, 44)" in done.stdout
    table = pq.read_table(tmp_path / "out.parquet")
    assert "PhotonSum" not in table.column_names
    np.testing.assert_array_equal(table["energy_gev"].to_numpy(), columns["Energy"])
    np.testing.assert_array_equal(table["pdg"].to_numpy(), columns["Pdg"])
    assert table["showers"].to_pylist() == showers.reshape(5, -1).tolist()
    convert([tmp_path / "out.parquet"], tmp_path / "out.h5", options=ReadOptions(geometry="zn"))
    sample = read_showers(tmp_path / "out.h5")
    np.testing.assert_array_equal(sample.showers, showers.reshape(5, -1))
    np.testing.assert_array_equal(sample.particles["mass_mev"], columns["mass"])


def test_script_turns_any_arrays_into_npz(tmp_path) -> None:
    joblib.dump({"showers": noise(12).reshape(3, 4), "name": "zn"}, tmp_path / "a.joblib")
    torch.save({"weights": torch.arange(3)}, tmp_path / "b.pt")
    np.save(tmp_path / "c.npy", np.array([[1, 2], [3, 4], None], dtype=object)[:2])
    done = unpickle(tmp_path, "out.npz", "a.joblib", "b.pt", "c.npy")
    assert done.returncode == 0, done.stderr
    assert "left out: name" in done.stdout
    found = np.load(tmp_path / "out.npz", allow_pickle=False)
    np.testing.assert_array_equal(found["showers"], noise(12).reshape(3, 4))
    np.testing.assert_array_equal(found["weights"], [0, 1, 2])
    np.testing.assert_array_equal(found["c"], [[1, 2], [3, 4]])
    assert not pickle_kind(tmp_path / "out.npz")


def test_script_says_what_it_cannot_open(tmp_path) -> None:
    (tmp_path / "a.pkl").write_bytes(b"no pickle")
    done = unpickle(tmp_path, "out.npz", "a.pkl")
    assert done.returncode == 1
    assert "a.pkl: no way to open it" in done.stderr
    assert not (tmp_path / "out.npz").exists()


def test_asked_for_as_a_pickle_is_refused_too(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(io.BytesIO(b"hello").getvalue())
    with pytest.raises(DataFormatError, match="no pickle by its content"):
        FORMAT.read((path,), ReadOptions())

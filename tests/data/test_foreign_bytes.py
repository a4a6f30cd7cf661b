"""Files that would show bytes of other files are refused, however they point there."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from caloforge.data import ShowerFile, load_sample
from caloforge.data.files.foreign_bytes import refuse_foreign_bytes
from caloforge.data.files.shower_format import attribute
from caloforge.errors import CaloforgeError, DataFormatError
from caloforge.formats.conversion import convert

SECRET = b"TOP SECRET PASSWORD "


def external_storage(file: h5py.File, name: str, shape, folder) -> None:
    (folder / "secret.bin").write_bytes(SECRET)
    where = [(str(folder / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(name, shape=shape, dtype="u1", external=where)


def external_link(file: h5py.File, name: str, shape, folder) -> None:
    with h5py.File(folder / "private.h5", "w") as other:
        other["data"] = np.ones(shape, np.uint8)
    file[name] = h5py.ExternalLink(str(folder / "private.h5"), "/data")


def virtual(file: h5py.File, name: str, shape, folder) -> None:
    with h5py.File(folder / "private.h5", "w") as other:
        other["data"] = np.ones(shape, np.uint8)
    layout = h5py.VirtualLayout(shape, dtype="u1")
    layout[:] = h5py.VirtualSource(str(folder / "private.h5"), "data", shape=shape)
    file.create_virtual_dataset(name, layout)


def behind_a_soft_link(file: h5py.File, name: str, shape, folder) -> None:
    external_storage(file.create_group("deep/er"), "x", shape, folder)
    file[name] = h5py.SoftLink("/deep/er/x")


WAYS = [external_storage, external_link, virtual, behind_a_soft_link]


@pytest.mark.parametrize("way", WAYS)
class TestRefused:
    def check(self, path, output) -> None:
        with pytest.raises(DataFormatError, match=r"another file.*expected all data") as error:
            convert([path], output)
        assert "\n" not in str(error.value)
        assert str(error.value).startswith(str(path))
        assert not output.exists()

    def test_shower_file(self, tmp_path, way):
        with h5py.File(tmp_path / "evil.h5", "w") as file:
            sample = load_sample("zn-test")
            file.attrs["format"], file.attrs["version"] = "caloforge-showers", 1
            file.attrs["geometry"] = sample.geometry.to_json()
            for name, values in sample.particles.columns.items():
                file[name] = values[:1]
            file["incident"] = [0]
            way(file, "showers", (1, 1936), tmp_path)
        self.check(tmp_path / "evil.h5", tmp_path / "out.h5")
        with pytest.raises(DataFormatError, match="another file"):
            ShowerFile(tmp_path / "evil.h5")

    def test_challenge(self, tmp_path, way):
        with h5py.File(tmp_path / "evil.hdf5", "w") as file:
            file["incident_energies"] = np.ones((3, 1))
            way(file, "showers", (3, 368), tmp_path)
        self.check(tmp_path / "evil.hdf5", tmp_path / "out.h5")

    def test_showerdata(self, tmp_path, way):
        with h5py.File(tmp_path / "evil.h5", "w") as file:
            for name in ("showers", "energies", "directions", "pdg"):
                file[name] = np.ones((3, 1))
            way(file, "num_points", (3, 1), tmp_path)
        self.check(tmp_path / "evil.h5", tmp_path / "out.h5")


def test_links_and_views_within_the_file_are_fine(tmp_path):
    with h5py.File(tmp_path / "own.h5", "w") as file:
        file["group/a"] = np.arange(4)
        file["hard"], file["soft"] = file["group/a"], h5py.SoftLink("/group/a")
        file["loop"] = file["group"]
        layout = h5py.VirtualLayout((2,), dtype=int)
        layout[:] = h5py.VirtualSource(".", "group/a", shape=(4,))[1:3]
        file.create_virtual_dataset("view", layout)
    with h5py.File(tmp_path / "own.h5") as file:
        refuse_foreign_bytes(tmp_path / "own.h5", file)
        assert file["view"][:].tolist() == [1, 2]


def test_text_that_is_no_utf_8_can_be_printed(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        space, kind = h5py.h5s.create(h5py.h5s.SCALAR), h5py.h5t.C_S1.copy()
        kind.set_size(h5py.h5t.VARIABLE)
        kind.set_cset(h5py.h5t.CSET_UTF8)
        h5py.h5a.create(file.id, b"format", kind, space).write(np.array(b"\xff\xfe!", object))
    with h5py.File(tmp_path / "x.h5") as file:
        assert attribute(file, "format") == "\ufffd\ufffd!"
    with pytest.raises(CaloforgeError) as error:
        ShowerFile(tmp_path / "x.h5")
    str(error.value).encode()

"""idx files of images and labels."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from caloforge.data import read_showers
from caloforge.errors import DataFormatError
from caloforge.formats.conversion import convert
from caloforge.formats.format import WARNING, ReadOptions
from caloforge.formats.registry import open_showers, recognised, source_sets

MNIST = Path(__file__).parents[3] / "shared" / "mnist"
needs_mnist = pytest.mark.skipif(not MNIST.is_dir(), reason="needs ../shared/mnist")


def idx(array: np.ndarray, code: int = 8) -> bytes:
    """An idx file, by hand."""
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.tobytes()


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)


@pytest.fixture
def labels() -> np.ndarray:
    return np.array([3, 1, 4, 1, 5, 9, 2], dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, pictures, labels) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte").write_bytes(idx(pictures))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    (folder / "readme.txt").write_text("digits")
    return folder


def fails(*paths: Path, **options: str) -> str:
    with (
        pytest.raises(DataFormatError) as error,
        open_showers(paths, options=ReadOptions(**options)) as source,
    ):
        list(source.pieces(3))
    text = str(error.value)
    assert "\n" not in text
    return text


class TestReading:
    @pytest.mark.parametrize("size", [1, 3, 100])
    def test_folder(self, folder, pictures, labels, size) -> None:
        with open_showers([folder]) as source:
            parts = list(source.pieces(size))
        assert source.geometry.name == "mnist"
        assert source.n_showers == 7
        showers = np.concatenate([part.showers for part in parts])
        np.testing.assert_array_equal(source.geometry.layout.upright(showers), pictures)
        np.testing.assert_array_equal(
            np.concatenate([part.columns["label"] for part in parts]), labels
        )
        np.testing.assert_array_equal(
            np.concatenate([part.incident for part in parts]), np.arange(7)
        )

    def test_cell_is_column_from_the_left_and_row_from_the_bottom(self, folder, pictures):
        with open_showers([folder]) as source:
            showers = next(source.pieces(7)).showers.reshape(7, 28, 28)
        assert showers[0, 5, 0] == pictures[0, 27, 5]
        assert showers[0, 0, 27] == pictures[0, 0, 0]

    def test_partner_is_found_beside_the_file_that_is_named(self, folder) -> None:
        both = {folder / "train-images-idx3-ubyte", folder / "train-labels-idx1-ubyte.gz"}
        for path in both:
            ((row, group),) = source_sets([path])
            assert row.name == "idx"
            assert set(group) == both

    def test_names_do_not_matter_to_one_pair(self, tmp_path, folder) -> None:
        a = (folder / "train-images-idx3-ubyte").rename(tmp_path / "a.bin")
        b = (folder / "train-labels-idx1-ubyte.gz").rename(tmp_path / "b")
        ((_, group),) = source_sets([b, a])
        assert group == (a, b)

    def test_images_without_labels_are_told(self, folder) -> None:
        (folder / "train-labels-idx1-ubyte.gz").unlink()
        with open_showers([folder]) as source:
            assert any(text.startswith(WARNING) for text in source.conversions)
            assert "label" not in next(source.pieces(3)).columns

    def test_other_size_with_a_geometry_of_the_user(self, tmp_path) -> None:
        toml = tmp_path / "small.toml"
        toml.write_text(
            'name = "small"\nkind = "grid"\n[response]\nunit = "grey"\ncounts = true\n'
            "maximum = 255\n[grid]\ncells = [3, 2]\n"
        )
        pictures = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
        path = tmp_path / "images"
        path.write_bytes(idx(pictures))
        with open_showers([path], options=ReadOptions(geometry=str(toml))) as source:
            showers = next(source.pieces(5)).showers
        np.testing.assert_array_equal(source.geometry.layout.upright(showers), pictures)
        assert "cells = [3, 2]" in fails(path)
        assert "images are 3 x 2, expected 44 x 44" in fails(path, geometry="zn")
        toml.write_text(toml.read_text().replace("maximum = 255\n", ""))
        assert "maximum = 255" in fails(path, geometry=str(toml))


class TestRefusals:
    def test_two_sets_in_a_folder(self, folder) -> None:
        source = folder / "train-images-idx3-ubyte"
        (folder / "t10k-images-idx3-ubyte").write_bytes(source.read_bytes())
        text = fails(folder)
        assert "t10k-images-idx3-ubyte, train-images-idx3-ubyte" in text
        assert "name the files" in text

    def test_wrong_number_of_labels(self, folder, labels) -> None:
        (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx(labels[:-1]))
        assert "has 6 labels, expected 7" in fails(folder)

    @pytest.mark.parametrize("lost", [1, 784, 5000])
    def test_cut_off(self, folder, lost) -> None:
        path = folder / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:-lost])
        assert f"found {5488 - lost:,} bytes after the header" in fails(folder)

    def test_cut_off_within_the_header(self, folder) -> None:
        path = folder / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes()[:10])
        assert "ends within its header" in fails(folder)

    def test_too_long(self, folder) -> None:
        path = folder / "train-images-idx3-ubyte"
        path.write_bytes(path.read_bytes() + b"x")
        assert "found more after the header, expected 7 x 28 x 28" in fails(folder)

    def test_damaged_gzip(self, folder) -> None:
        path = folder / "train-labels-idx1-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-9])
        assert "damaged" in fails(folder)

    def test_other_types_and_shapes(self, tmp_path) -> None:
        path = tmp_path / "x"
        path.write_bytes(idx(np.zeros((2, 3), np.uint8)))
        assert "bytes along 2 axes" in fails(path)
        path.write_bytes(idx(np.zeros((2, 3, 3), ">f4"), code=13))
        assert "idx file of float" in fails(path)
        path.write_bytes(idx(np.zeros((0, 28, 28), np.uint8)))
        assert "header says 0 x 28 x 28" in fails(path)

    def test_wrong_magic_with_the_format_named(self, tmp_path) -> None:
        path = tmp_path / "x.idx"
        path.write_bytes(b"no idx file at all")
        with pytest.raises(DataFormatError, match="starts with 6e 6f 20 69"):
            source_sets([path], "idx")

    def test_labels_alone(self, folder) -> None:
        (folder / "train-images-idx3-ubyte").unlink()
        assert "found no images that belong to these labels" in fails(folder)

    def test_images_have_no_particle(self, folder) -> None:
        with (
            pytest.raises(DataFormatError, match="leave it out"),
            open_showers([folder], options=ReadOptions(pdg=22)),
        ):
            pass


class TestConversion:
    def test_every_image_is_an_incident_of_its_own(self, tmp_path, folder, pictures, labels):
        output = tmp_path / "digits.h5"
        report = convert([folder], output)
        sample = read_showers(output)
        assert report.n_written == 7
        np.testing.assert_array_equal(sample.particles.incident, np.arange(7))
        np.testing.assert_array_equal(sample.particles["label"], labels)
        np.testing.assert_array_equal(sample.geometry.layout.upright(sample.showers), pictures)
        assert sample.provenance["source"]["unpacked"][0]["md5"]
        assert "recognised" not in sample.provenance["source"]

    def test_merged_images_remain_apart(self, tmp_path, folder) -> None:
        one = tmp_path / "digits.h5"
        convert([folder], one)
        twice = tmp_path / "twice.h5"
        convert([one, folder / "train-images-idx3-ubyte"], twice)
        incident = read_showers(twice).particles.incident
        np.testing.assert_array_equal(incident, np.arange(14))


@needs_mnist
class TestMnist:
    def test_canonical_files_are_recognised(self) -> None:
        with open_showers([MNIST / "t10k-images-idx3-ubyte.gz"]) as source:
            assert source.provenance["recognised"] == [
                "MNIST t10k-images-idx3-ubyte",
                "MNIST t10k-labels-idx1-ubyte",
            ]
            labels = np.concatenate([piece.columns["label"] for piece in source.pieces(4096)])
        assert np.bincount(labels.astype(int)).tolist() == [
            980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
        ]  # fmt: skip

    def test_parts_of_different_sets_do_not_belong_together(self, tmp_path) -> None:
        # Of equal numbers, so that only the checksum tells.
        with gzip.open(MNIST / "t10k-images-idx3-ubyte.gz") as file:
            content = file.read()
        images = tmp_path / "images"
        images.write_bytes(content)
        text = fails(images, MNIST / "train-labels-idx1-ubyte.gz")
        assert "has 60,000 labels, expected 10,000" in text

    def test_a_folder_of_all_four_asks_which(self) -> None:
        assert "found 2 files of images" in fails(MNIST)
        assert recognised(MNIST).name == "idx"

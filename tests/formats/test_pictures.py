"""Folders of PNG and JPEG pictures."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from caloforge.data import read_showers
from caloforge.errors import DataFormatError
from caloforge.formats.conversion import convert
from caloforge.formats.fingerprints import Fingerprints
from caloforge.formats.format import ReadOptions
from caloforge.formats.registry import open_showers, recognised

RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five colour pictures that are written in another order than that of their names."""
    for k in (3, 0, 4, 1, 2):
        save(tmp_path / "faces" / f"{k:06}.png", COLOURS[k])
    (tmp_path / "faces" / "list.txt").write_text("faces")
    (tmp_path / "faces" / "._000000.png").write_bytes(b"of a Mac")
    return tmp_path / "faces"


def read(*paths: Path, size: int = 2, **options: object):
    with open_showers(paths, options=ReadOptions(**options)) as source:
        return source, list(source.pieces(size))


def fails(*paths: Path, **options: object) -> str:
    with pytest.raises(DataFormatError) as error:
        read(*paths, **options)
    text = str(error.value)
    assert "\n" not in text
    return text


def test_colours_in_the_order_of_names(folder) -> None:
    assert recognised(folder).name == "pictures"
    source, parts = read(folder)
    assert source.geometry.name == "faces-64"
    assert source.n_showers == 5
    showers = np.concatenate([part.showers for part in parts])
    np.testing.assert_array_equal(source.geometry.layout.upright(showers), COLOURS)
    assert "label" not in parts[0].columns
    assert [n for part in parts for n in part.incident] == [0, 1, 2, 3, 4]


def test_jpeg_is_what_pillow_reads(tmp_path) -> None:
    smooth = np.repeat(np.arange(64, dtype=np.uint8)[:, None], 64, axis=1)
    path = save(tmp_path / "x" / "a.JPG", np.stack([smooth * 2, smooth, smooth], axis=2))
    source, (part,) = read(tmp_path / "x")
    seen = source.geometry.layout.upright(part.showers)[0]
    np.testing.assert_array_equal(seen, np.asarray(Image.open(path)))


def test_single_pictures_and_grey(tmp_path) -> None:
    grey = RNG.integers(0, 256, (2, 28, 28), dtype=np.uint8)
    paths = [save(tmp_path / f"{k}.png", grey[k]) for k in range(2)]
    source, (part,) = read(*paths)
    assert source.geometry.name == "mnist"
    np.testing.assert_array_equal(source.geometry.layout.upright(part.showers), grey)


@pytest.mark.parametrize(
    ("names", "labels"),
    [(("cats", "dogs"), [0, 1]), (("7", "3"), [3, 7]), (("1", "01"), [0, 1]), (("one",), None)],
)
def test_sub_folders_are_classes(tmp_path, names, labels) -> None:
    for name in names:
        save(tmp_path / "x" / name / "a.png", COLOURS[0])
    source, (part,) = read(tmp_path / "x")
    found = part.columns.get("label")
    assert (None if found is None else found.tolist()) == labels
    if names[0] == "cats":
        assert source.provenance == {"classes": {"cats": 0, "dogs": 1}}


def test_grey_ones_among_colours_are_grey_colours(folder) -> None:
    save(folder / "000009.png", COLOURS[0, :, :, 0])
    source, parts = read(folder, size=9)
    seen = source.geometry.layout.upright(parts[0].showers)[5]
    np.testing.assert_array_equal(seen, np.repeat(COLOURS[0, :, :, :1], 3, axis=2))


def test_geometry_of_the_user(tmp_path) -> None:
    pixels = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    save(tmp_path / "x" / "a.png", pixels)
    assert "cells = [5, 3], planes = 3" in fails(tmp_path / "x")
    toml = tmp_path / "tiny.toml"
    toml.write_text(
        'name = "tiny"\nkind = "grid"\n[response]\nunit = "b"\ncounts = true\nmaximum = 255\n'
        "[grid]\ncells = [5, 3]\nplanes = 3\n"
    )
    source, (part,) = read(tmp_path / "x", geometry=str(toml))
    np.testing.assert_array_equal(source.geometry.layout.upright(part.showers)[0], pixels)
    toml.write_text(toml.read_text().replace("planes = 3", "planes = 2"))
    assert "has 2 planes, expected 1 or 3" in fails(tmp_path / "x", geometry=str(toml))


class TestRefusals:
    def test_colours_in_a_grey_geometry(self, tmp_path) -> None:
        save(tmp_path / "x" / "a.png", COLOURS[0, :28, :28])
        assert "mode RGB, expected L or 1" in fails(tmp_path / "x", geometry="mnist")

    def test_transparent(self, folder) -> None:
        alpha = np.full((64, 64, 1), 255, dtype=np.uint8)
        pixels = np.concatenate([COLOURS[0], alpha], axis=2)
        save(folder / "000005.png", pixels)
        assert len(read(folder)[1]) == 3  # opaque
        pixels[0, 0, 3] = 7
        save(folder / "000005.png", pixels)
        assert "transparent in places" in fails(folder)

    def test_other_size(self, folder) -> None:
        save(folder / "000005.png", COLOURS[0, :60])
        assert "picture of 64 x 60, expected 64 x 64" in fails(folder)

    @pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", None])
    def test_broken(self, folder, content) -> None:
        path = folder / "000002.png"
        path.write_bytes(path.read_bytes()[:900] if content is None else content)
        text = fails(folder)
        assert f"{path}: broken picture" in text
        assert "--skip-bad" in text

    def test_bombs_are_not_unpacked(self, folder) -> None:
        def chunk(kind: bytes, data: bytes) -> bytes:
            check = struct.pack(">I", zlib.crc32(kind + data))
            return struct.pack(">I", len(data)) + kind + data + check

        header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IEND", b"")
        (folder / "000002.png").write_bytes(bomb)
        assert "000002.png: broken picture" in fails(folder)
        (folder / "000000.png").write_bytes(bomb)
        assert "000000.png: broken picture" in fails(folder)

    def test_pictures_beside_sub_folders_of_pictures(self, folder) -> None:
        save(folder / "more" / "a.png", COLOURS[0])
        assert "found pictures and sub-folders of pictures (more)" in fails(folder)

    def test_formats_without_planes(self, folder, tmp_path) -> None:
        with pytest.raises(
            DataFormatError, match="has 3 planes, expected 1 in format 'parquet'"
        ):
            convert([folder], tmp_path / "x.parquet")
        assert not (tmp_path / "x.parquet").exists()


class TestConversion:
    def test_whole(self, folder, tmp_path) -> None:
        report = convert([folder], tmp_path / "faces.h5")
        sample = read_showers(tmp_path / "faces.h5")
        assert report.n_written == 5
        np.testing.assert_array_equal(sample.geometry.layout.upright(sample.showers), COLOURS)
        assert np.unique(sample.particles.incident).size == 5

    def test_skip_bad_leaves_out_and_counts(self, folder, tmp_path) -> None:
        (folder / "000000.png").write_bytes(b"broken")
        save(folder / "000003.png", COLOURS[0, :60])
        report = convert([folder], tmp_path / "faces.h5", skip_bad=True)
        assert (report.n_read, report.n_written, report.n_skipped) == (5, 3, 2)
        assert report.skipped == {"broken pictures": 2}
        sample = read_showers(tmp_path / "faces.h5")
        np.testing.assert_array_equal(
            sample.geometry.layout.upright(sample.showers), COLOURS[[1, 2, 4]]
        )
        assert sample.particles.incident.tolist() == [1, 2, 4]

    def test_checksum_of_a_folder_is_of_names_and_contents(self, folder) -> None:
        def digest() -> str:
            with Fingerprints([folder]) as fingerprints:
                return fingerprints.tables()[0]["sha256"]

        before = digest()
        (folder / "000004.png").rename(folder / "000007.png")
        assert digest() != before
        (folder / "000007.png").rename(folder / "000004.png")
        assert digest() == before

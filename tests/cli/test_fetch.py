"""``caloforge fetch`` against a server of our own."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from caloforge.cli import main
from caloforge.formats.images import fetching
from caloforge.formats.images.idx_sets import MNIST, Canonical


def content(name: str) -> bytes:
    """A tiny idx file that stands for one of MNIST's."""
    seed = sum(name.encode()) % 256
    if "labels" in name:
        return bytes([0, 0, 8, 1]) + struct.pack(">I", 2) + bytes([seed % 10, 3])
    return bytes([0, 0, 8, 3]) + struct.pack(">III", 2, 28, 28) + bytes([seed]) * 2 * 784


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path, monkeypatch) -> Iterator[tuple[Path, str]]:
    """A folder that is served, and its address; its files are taken for the canonical ones."""
    folder = tmp_path / "site"
    folder.mkdir()
    known = []
    for file in MNIST:
        data = content(file.name)
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(data))
        digest = hashlib.sha256(data).hexdigest()
        known.append(Canonical(file.name, file.part, "", digest))
    monkeypatch.setattr(fetching, "MNIST", tuple(known))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def fetch(*arguments: str):
    return CliRunner().invoke(main, ["fetch", "mnist", *arguments])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_four_files_and_what_is_right_is_kept(site, tmp_path) -> None:
    folder, address = site
    result = fetch("-o", str(tmp_path / "out"), "--mirror", address)
    assert result.exit_code == 0, result.output
    assert names(tmp_path / "out") == names(folder)
    assert "next:   caloforge convert" in result.output
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    again = fetch("-o", str(tmp_path / "out"), "--mirror", "http://127.0.0.1:9/")
    assert again.output.count("was there") == 4
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == times


def test_unpacked_files_count_too(site, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for file in MNIST:
        (out / file.name).write_bytes(content(file.name))
    assert fetch("-o", str(out), "--mirror", site[1]).output.count("was there") == 4


def test_the_next_mirror_is_tried(site, tmp_path) -> None:
    result = fetch(
        "-o", str(tmp_path / "out"), "--mirror", "http://127.0.0.1:9", "--mirror", site[1]
    )
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("wrong", [b"", b"no gzip", gzip.compress(content("labels"), mtime=0)])
def test_wrong_content_never_appears(site, tmp_path, wrong) -> None:
    folder, address = site
    (folder / f"{MNIST[1].name}.gz").write_bytes(wrong)
    result = fetch("-o", str(tmp_path / "out"), "--mirror", address)
    assert result.exit_code == 1
    assert "its content is another" in result.stderr
    assert names(tmp_path / "out") == [f"{MNIST[0].name}.gz"]


def test_missing_on_the_server(site, tmp_path) -> None:
    folder, address = site
    (folder / f"{MNIST[0].name}.gz").unlink()
    result = fetch("-o", str(tmp_path / "out"), "--mirror", address)
    assert result.exit_code == 1
    assert "the server says 404" in result.stderr


def test_without_internet_it_says_what_to_copy_where(tmp_path) -> None:
    out = tmp_path / "out"
    result = fetch("-o", str(out), "--mirror", "http://127.0.0.1:9/")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert all(f"{file.name}.gz" in result.stderr for file in MNIST)
    assert f"to {out}" in result.stderr
    assert names(out) == []


def test_foreign_files_are_not_replaced_without_force(site, tmp_path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    path = out / f"{MNIST[0].name}.gz"
    path.write_bytes(b"mine")
    result = fetch("-o", str(out), "--mirror", site[1])
    assert result.exit_code == 2
    assert path.read_bytes() == b"mine"
    assert fetch("-o", str(out), "--mirror", site[1], "--force").exit_code == 0
    assert path.read_bytes() != b"mine"


@pytest.mark.parametrize(
    "mirror", ["file:///etc", "http://[x", "http://", "http://a:b/", "http://a:99999/"]
)
def test_mirror_is_an_address(tmp_path, mirror) -> None:
    result = fetch("-o", str(tmp_path / "out"), "--mirror", mirror)
    assert result.exit_code == 2
    assert "expected an address" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_redirection_to_no_address_is_a_failure(site, tmp_path, monkeypatch) -> None:
    def moved(self) -> None:
        self.send_response(302)
        self.send_header("Location", "http://[x")
        self.end_headers()

    monkeypatch.setattr(Quiet, "do_GET", moved)
    result = fetch("-o", str(tmp_path / "out"), "--mirror", site[1])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "without internet" in result.stderr


@pytest.mark.parametrize("length", ["many", "-5", ""])
def test_a_length_that_is_no_number_is_not_known(site, tmp_path, monkeypatch, length) -> None:
    folder, address = site

    def answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write((folder / self.path.strip("/")).read_bytes())

    monkeypatch.setattr(Quiet, "do_GET", answer)
    result = fetch("-o", str(tmp_path / "out"), "--mirror", address)
    assert result.exit_code == 0, result.output


def test_another_data_set_is_one_line(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["fetch", "mnits"])
    assert done.exit_code == 2
    assert done.stderr == (
        "Error: fetch: found no data set 'mnits', expected mnist; did you mean 'mnist'?\n"
    )
    assert not list(tmp_path.iterdir())

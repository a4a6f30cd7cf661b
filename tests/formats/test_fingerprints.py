import hashlib
import time

import pytest

from caloforge.formats.fingerprints import Fingerprints


def test_of_files(tmp_path):
    contents = {"a": b"", "b": b"caloforge" * 300_000}
    paths = [tmp_path / name for name in contents]
    for path in paths:
        path.write_bytes(contents[path.name])
    with Fingerprints(paths) as found:
        tables = found.tables()
    assert tables == [
        {
            "path": str(path),
            "bytes": len(contents[path.name]),
            "sha256": hashlib.sha256(contents[path.name]).hexdigest(),
        }
        for path in paths
    ]


def test_unreadable_file(tmp_path):
    with Fingerprints([tmp_path / "x"]) as found, pytest.raises(FileNotFoundError):
        found.tables()


def test_a_failure_elsewhere_does_not_wait_for_them(tmp_path):
    with (tmp_path / "large").open("wb") as file:
        file.truncate(200 * 1024**3)  # minutes to read
    started = time.monotonic()
    with pytest.raises(KeyError), Fingerprints([tmp_path / "large"]):
        raise KeyError
    assert time.monotonic() - started < 30

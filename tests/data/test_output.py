import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from caloforge.errors import OutputError
from caloforge.output import SafeFile, check_new, filled_folder, new_file, new_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_whole_at_the_end(tmp_path):
    target = tmp_path / "table.csv"
    with new_file(target, force=False) as temporary:
        temporary.write_text("half")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".csv"
        assert not target.exists()
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert names(tmp_path) == ["table.csv"]


def test_permissions_are_those_of_the_users_other_files(tmp_path):
    (tmp_path / "other").write_text("")
    with new_file(tmp_path / "result", force=False):
        pass
    assert (tmp_path / "result").stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_after_a_failure_the_older_file_is_untouched(tmp_path, failure):
    target = tmp_path / "result"
    target.write_text("older")

    def fail():
        with new_file(target, force=True) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail()
    assert target.read_text() == "older"
    assert names(tmp_path) == ["result"]


def test_existing_file_needs_force(tmp_path):
    target = tmp_path / "result"
    target.write_text("older")
    with pytest.raises(OutputError, match=r"result: exists already; .*--force"):
        check_new(target, force=False)
    with new_file(target, force=True) as temporary:
        temporary.write_text("newer")
    assert target.read_text() == "newer"


def test_file_that_appeared_meanwhile_is_kept(tmp_path):
    def race():
        with new_file(tmp_path / "result", force=False):
            (tmp_path / "result").write_text("of another process")

    with pytest.raises(OutputError, match="exists already"):
        race()
    assert (tmp_path / "result").read_text() == "of another process"
    assert names(tmp_path) == ["result"]


def test_link_is_followed(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    with new_file(tmp_path / "link", force=False) as temporary:
        temporary.write_text("text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "far" / "file").read_text() == "text"


def test_unusable_places_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"folder '.*no' does not exist; create it first"):
        check_new(tmp_path / "no" / "result", force=False)
    with pytest.raises(OutputError, match="is a folder, expected a file"):
        check_new(tmp_path, force=True)
    with pytest.raises(OutputError, match="is a device or pipe"):
        check_new("/dev/null", force=True)
    with pytest.raises(OutputError, match="is a file, expected a folder"):
        new_folder(tmp_path / "file", force=True)
    with pytest.raises(OutputError, match="cannot be written"):
        new_folder(tmp_path / "file" / "below", force=True)
    # The tests may run as root, whom no permission stops.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match=r"folder '.*' is not writable; choose another place"):
        check_new(tmp_path / "result", force=False)
    with pytest.raises(OutputError, match="folder is not writable"):
        new_folder(tmp_path / "new", force=False)


def test_file_system_without_permission_says_so(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(
            OutputError, match=r"result: cannot be written \(Read-only file system\)"
        ),
        new_file(tmp_path / "result", force=False),
    ):
        pass


def test_folder_with_files_needs_force(tmp_path):
    folder = new_folder(tmp_path / "a" / "b", force=False)
    assert new_folder(folder, force=False) == folder
    (folder / "older").write_text("")
    with pytest.raises(OutputError, match=r"folder is not empty; .*--force"):
        new_folder(folder, force=False)
    new_folder(folder, force=True)
    assert names(folder) == ["older"]


def test_a_folder_that_was_not_filled_goes_again(tmp_path):
    def stop(folder, *files):
        with filled_folder(folder, force=False) as made:
            for name in files:
                (made / name).write_text("")
            raise KeyboardInterrupt

    def fail(folder, *files):
        with pytest.raises(KeyboardInterrupt):
            stop(folder, *files)

    fail(tmp_path / "a" / "b")
    assert names(tmp_path) == []
    fail(tmp_path / "a" / "b", "kept")
    assert names(tmp_path / "a" / "b") == ["kept"]
    fail(tmp_path / "a" / "c")  # "a" was there
    assert names(tmp_path / "a") == ["b"]
    (tmp_path / "mine").mkdir()
    fail(tmp_path / "mine")
    with filled_folder(tmp_path / "empty", force=False):
        pass
    assert names(tmp_path) == ["a", "empty", "mine"]


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path):
    def fill():
        with new_file(tmp_path / "result", force=False):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError) as caught:
        fill()
    assert str(caught.value) == (
        f"{tmp_path / 'result'}: cannot be written (No space left on device); free some space, "
        "nothing was left there"
    )
    assert caught.value.exit_code == 1
    assert names(tmp_path) == []


def test_other_errors_keep_their_name(tmp_path):
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "result", force=False):
        (tmp_path / "input").read_text()


def test_safe_file_keeps_the_error_until_it_is_asked(tmp_path):
    script = f"""
import resource
from pathlib import Path
from caloforge.errors import OutputError
from caloforge.output import SafeFile
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = SafeFile(Path({str(tmp_path / "part")!r}), Path("result"))
assert file.write(bytes(900)) == 900
file.check()
assert file.write(bytes(900)) == 900
assert file.write(bytes(900)) == 900
assert file.truncate(5000) == 5000
try:
    file.check()
except OutputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("result: cannot be written (File too large); free some space")
    with SafeFile(tmp_path / "fine", tmp_path / "fine") as file:
        file.write(b"text")
    assert (tmp_path / "fine").read_text() == "text"

"""Markdown of the tables, files of results, and pages that repeat what studies found."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VALIDATION = ROOT / "validation"


@pytest.fixture(autouse=True)
def scripts_import_each_other(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(VALIDATION))


def test_a_table_has_head_rule_and_rows() -> None:
    from markdown_tables import table

    assert table(["a", "b"], [["1", "2"], ["", "3"]]) == [
        "| a | b |",
        "|---|---|",
        "| 1 | 2 |",
        "|  | 3 |",
    ]


@pytest.mark.parametrize(
    ("values", "errors", "text"),
    [
        ([], [], ""),
        ([1.2345], [0.0123], "1.23 ± 0.01"),
        ([1.0, 1.2, 1.4], [0.1, 0.1, 0.1], "1.2 ± 0.1 ± 0.2"),
        ([2.0], [0.0], "2"),
        ([1234.0], [5.0], "1234 ± 5"),
    ],
)
def test_figures_have_their_error_and_their_spread(values, errors, text) -> None:
    from markdown_tables import with_spread

    assert with_spread(values, errors) == text


def test_a_page_is_filled_between_its_marks_alone() -> None:
    from markdown_tables import filled

    page = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb\n<!-- begin y -->\n<!-- end y -->\n"
    new = filled(page, "x", [r"\1 new", "two"])
    assert new == page.replace("old\n", "\\1 new\ntwo\n")
    with pytest.raises(SystemExit, match="found 0 places between marks 'z'"):
        filled(page, "z", [])


def test_a_changed_tree_is_warned_of(tmp_path, capsys) -> None:
    from result_files import warn_of_changes

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(("git", "-C", str(tmp_path), *who, *arguments), check=True)

    warn_of_changes(tmp_path)  # no checkout at all
    for name in ("src/a.py", "validation/b.py", "docs/c.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("1\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    (tmp_path / "docs" / "c.md").write_text("2\n")
    warn_of_changes(tmp_path)
    assert "warning" not in capsys.readouterr().out
    (tmp_path / "src" / "a.py").write_text("2\n")
    warn_of_changes(tmp_path)
    (line,) = [text for text in capsys.readouterr().out.splitlines() if "warning" in text]
    assert "found 1 changed file(s) in src/ and validation/, e.g. src/a.py" in line
    assert "+changes" in line
    assert "git worktree add" in line


def test_a_result_is_there_whole_or_not_at_all(tmp_path) -> None:
    from result_files import results_in, write_json

    write_json(tmp_path / "b.json", {"x": [1, 2]})
    write_json(tmp_path / "a.json", {"x": [1, 2]}, compact=True)
    assert (tmp_path / "b.json").read_text() == '{\n "x": [\n  1,\n  2\n ]\n}\n'
    assert (tmp_path / "a.json").read_text() == '{"x":[1,2]}\n'
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"x": object()})
    # Of a command beside this one, or of a killed one.
    (tmp_path / ".c-0123.part.json").write_text('{"x"')
    found = results_in(tmp_path)
    assert list(found) == ["a", "b"]
    assert found["a"] == found["b"] == {"x": [1, 2]}


def test_a_kill_while_writing_leaves_the_older_result(tmp_path, monkeypatch) -> None:
    from result_files import results_in, write_json

    write_json(tmp_path / "a.json", {"x": 1})
    write_text = Path.write_text

    def killed(self: Path, text: str, **options) -> None:
        write_text(self, text[:4], **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "a.json", {"x": 2})
    assert results_in(tmp_path) == {"a": {"x": 1}}


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def test_digits_of_the_readme_are_those_of_the_table() -> None:
    """That table is compared with the results in `test_images`."""
    table = (ROOT / "docs" / "tables" / "mnist.md").read_text().splitlines()
    heads, _, *rows = [cells(row) for row in table if row.startswith("|")]
    digits = {row[0].removesuffix(" †"): dict(zip(heads, row, strict=True)) for row in rows}
    lines = (ROOT / "README.md").read_text().splitlines()
    (k,) = [k for k, text in enumerate(lines) if text.startswith("| FID |")]
    names, ours, talk = (cells(lines[i])[1:] for i in (k - 2, k, k + 1))
    assert sorted(names) == sorted(digits)
    assert ours == [digits[name]["FID"] for name in names]
    assert talk == [digits[name]["FID of the talk *"] for name in names]


def test_digits_of_the_page_on_images_are_those_of_the_results() -> None:
    from images import MNIST, RESULTS

    text = " ".join((ROOT / "docs" / "images.md").read_text().split())
    order = ("dcgan", "e2e-sae", "wae", "vae")
    found = re.search(
        r"DCGAN \(([\d.]+)\), e2e SAE \(([\d.]+)\), WAE \(([\d.]+)\), VAE \(([\d.]+)\); "
        r"the talk has ([\d.]+), ([\d.]+), ([\d.]+), ([\d.]+)\.",
        text,
    )
    assert found is not None
    for model, ours, talk in zip(order, found.groups()[:4], found.groups()[4:], strict=True):
        runs = [json.loads(path.read_text()) for path in RESULTS.glob(f"mnist-{model}-?.json")]
        mean = sum(run["fid"]["value"] for run in runs) / len(runs)
        assert f"{mean:.2g}" == f"{float(ours):.2g}"
        assert float(talk) == MNIST[f"mnist-{model}"][1]


@pytest.mark.parametrize("name", ["vae", "wae", "swae", "cwae", "sae", "dcgan"])
def test_pages_of_models_say_what_results_and_run_files_say(name: str) -> None:
    """Else draw them anew: `python validation/model_pages.py`."""
    from markdown_tables import filled
    from model_pages import MARK, PAGES, SYSTEMS, gave

    page = (PAGES / f"{name}.md").read_text()
    assert filled(page, MARK, gave(SYSTEMS[name])) == page
    assert "When to use it" in page


def test_figures_of_the_page_are_rows_of_the_tables() -> None:
    """Each cell of a model's page stands in the row of the same system of the whole table."""
    from model_pages import SYSTEMS, gave

    for systems in SYSTEMS.values():
        heads, _, *rows = [cells(row) for row in gave(systems) if row.startswith("|")]
        for row in rows:
            detector, _, system = row[0].partition(": ")
            whole = (ROOT / "docs" / "tables" / f"zoo-{detector.lower()}.md").read_text()
            whole_heads, *lines = [cells(x) for x in whole.splitlines() if x.startswith("|")]
            wanted = "floor: Geant4" if system == "floor" else system
            shown = [x for x in lines if x[1].strip("*") == wanted and x[0] != "published"]
            line = shown[0]  # the table of channels follows
            found = dict(zip(whole_heads, line, strict=True))
            for head, cell in zip(heads[2:], row[2:], strict=True):
                assert found[head] == cell, (row[0], head)
            n = {"": "", "a single seed": "1"}.get(row[1], row[1].removesuffix(" seeds"))
            assert found["seeds"] == n


def test_settings_of_the_page_are_those_of_the_run_file() -> None:
    from model_pages import seeds, settings

    assert settings("zn-sae") == "10 codes, weight 30, noise on codes 0.5"
    assert settings("zn-dcgan") == "10 noises, gradient penalty 10"
    assert (seeds(1), seeds(3)) == ("a single seed", "3 seeds")

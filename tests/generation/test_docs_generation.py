import re
from pathlib import Path

import click
import numpy as np
import pytest

from caloforge.cli import main
from caloforge.generation import RangeWarning
from caloforge.generation import random_numbers as keyed
from caloforge.generation.counts import BRIGHT, LAWS
from caloforge.generation.simulation import BATCH_SIZE, TILE

TEXT = (Path(__file__).parents[2] / "docs" / "generation.md").read_text()


def test_examples_run(make_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    Path("run/bundle").symlink_to(make_bundle("conv"))
    names: dict = {}
    generate, few, loop, baseline = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    with pytest.warns(RangeWarning):  # the small bundle was made for another beam
        exec(generate, names)
    some = names | {"k": 0, "particles": names["particles"].select([0, 1])}
    exec(few + loop, some)
    assert some["counts"].shape == (1, 1936)
    exec(baseline, names)
    for sample in (names["sample"], names["baseline"]):
        assert sample.showers.shape == (2200, 1936)
        np.testing.assert_array_equal(sample.particles.incident, names["particles"].incident)


def test_numbers_and_options_are_those_of_the_code():
    command = main.get_command(click.Context(main), "generate")
    options = {name for p in command.params for name in p.opts if name.startswith("--")}
    assert options - {"--output"} == set(re.findall(r"^\| `(--[a-z-]+)", TEXT, re.MULTILINE))
    assert f"| {BATCH_SIZE} |" in TEXT
    assert f"tiles of {TILE} showers" in TEXT
    assert f"Cells below {BRIGHT:.0f}" in " ".join(TEXT.split())
    assert all(f"`{law}`" in TEXT for law in LAWS)
    streams = ("NOISE", "TOTALS", "POSITIONS", "CELLS", "SIZES", "DONORS")
    streams += ("HIT_TOTALS", "HITS", "TRACKS")
    assert [getattr(keyed, name) for name in streams] == list(range(9))
    assert (
        "stream: 0 noise, 1 totals, 2 positions, 3 cells, 4 cluster sizes, 5 nearest shower; "
        "of hits 6 numbers, 7 places, 8 ways of tracks" in TEXT
    )

import re
from pathlib import Path

import numpy as np

from caloforge.data import PARTICLE_COLUMNS, ShowerFile, ShowerWriter, load_sample, read_showers

DOCS = Path(__file__).parents[2] / "docs" / "shower-file.md"


def test_examples_run(tmp_path, monkeypatch):
    sample = load_sample("zn-test").select(slice(0, 1100))
    monkeypatch.chdir(tmp_path)
    with ShowerWriter("showers.h5", sample.geometry, provenance={}) as writer:
        writer.append(sample.particles, sample.showers)
    plain, ours = re.findall(r"```python\n(.*?)```", DOCS.read_text(), flags=re.DOTALL)
    names: dict = {}
    exec(plain, names)
    np.testing.assert_array_equal(names["showers"], sample.showers)
    np.testing.assert_array_equal(names["energy"], sample.particles["energy_gev"])
    exec(ours, {})
    bright = sample.showers.sum(axis=1) >= 10
    np.testing.assert_array_equal(read_showers("bright.h5").showers, sample.showers[bright])


def test_every_column_and_attribute_is_documented():
    text = DOCS.read_text()
    with ShowerFile(DOCS.parents[1] / "src/caloforge/data/samples/zn-test.h5") as file:
        for name in (*PARTICLE_COLUMNS, *file._file, *file._file.attrs):
            assert f"`{name}`" in text, name

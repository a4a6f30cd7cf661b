"""From shower files to a comparison."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from caloforge.data import ShowerSample, ShowerWriter
from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.report import evaluate_files, evaluate_samples

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, sample: ShowerSample) -> Path:
    with ShowerWriter(path, sample.geometry, provenance=sample.provenance) as writer:
        writer.append(sample.particles, sample.showers)
    return path


def test_files_give_what_samples_give(tmp_path, toy_grid, toy_sample) -> None:
    reference, other = toy_sample(toy_grid, repeats=4), toy_sample(toy_grid, repeats=2)
    paths = [write(tmp_path / f"{k}.h5", s) for k, s in enumerate((reference, other))]
    of_files = evaluate_files(paths[0], {"other": paths[1]}, seed=3).comparison
    of_samples = evaluate_samples(reference, {"other": other}, seed=3).comparison
    assert of_files.rows == of_samples.rows
    assert of_files.reference == str(paths[0])


def test_provenance_names_files_and_their_checksums(tmp_path, toy_grid, toy_sample) -> None:
    reference, other = toy_sample(toy_grid, repeats=4), toy_sample(toy_grid, repeats=2)
    other = replace(other, provenance={"model": "toy", "seed": np.int64(3)})
    path = write(tmp_path / "other.h5", replace(other, provenance={"model": "toy"}))
    whole = write(tmp_path / "reference.h5", reference)
    found = evaluate_files(whole, {"made": path}, training=None).as_dict()["provenance"]
    assert datetime.fromisoformat(found["date"]).tzinfo is not None
    assert found["command"] is None  # pytest's is not ours
    assert found["versions"].keys() == {"python", "numpy", "scipy", "scikit-learn", "torch"}
    assert found["versions"]["numpy"] == np.__version__
    assert [(f["role"], f["name"], f["n_showers"]) for f in found["files"]] == [
        ("reference", "reference", len(reference)),
        ("generated", "made", len(other)),
    ]
    made = found["files"][1]
    assert made["path"] == str(path)
    assert made["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert made["attributes"] == {"model": "toy"}

    in_memory = evaluate_samples(reference, {"made": other}, training=reference)
    files = in_memory.as_dict()["provenance"]["files"]
    assert [f["role"] for f in files] == ["reference", "generated", "training"]
    assert {f["sha256"] for f in files} == {f["path"] for f in files} == {None}
    assert files[1]["attributes"] == {"model": "toy", "seed": 3}


def test_samples_that_come_along_are_known_by_name() -> None:
    evaluation = evaluate_files("zn-test", {"itself": "zn-test"})
    assert evaluation.comparison.reference == "zn-test"
    assert evaluation.cpu_seconds.keys() == {"reference", "itself"}


def test_extra_columns_of_one_file_do_not_hinder(toy_grid, toy_sample) -> None:
    reference = toy_sample(toy_grid, repeats=2)
    columns = {**reference.particles.columns, "angle": np.zeros(len(reference))}
    ids = reference.particles.incident + 1000
    other = replace(
        reference, particles=replace(reference.particles, columns=columns, incident=ids)
    )
    found = evaluate_samples(reference, {"other": other}).comparison
    assert (found.pairing, found.n_particles) == ("identical properties", 40)


def test_other_detector_is_refused(toy_grid, toy_cylinder, toy_sample) -> None:
    with pytest.raises(GeometryError, match="toy: found cells of detector 'toy-cylinder'"):
        evaluate_samples(toy_sample(toy_grid), {"other": toy_sample(toy_cylinder)})


def test_other_particles_are_refused(toy_grid, toy_sample) -> None:
    with pytest.raises(DataFormatError, match="generate them for the reference's particles"):
        evaluate_samples(toy_sample(toy_grid), {"other": toy_sample(toy_grid, seed=1)})


def test_reserved_name_is_refused(toy_grid, toy_sample) -> None:
    with pytest.raises(ConfigError, match="found a sample named 'floor'"):
        evaluate_samples(toy_sample(toy_grid), {"floor": toy_sample(toy_grid)})


def test_paired_showers_are_of_the_same_particles(toy_grid, toy_sample) -> None:
    reference = toy_sample(toy_grid, repeats=4)
    order = np.random.default_rng(0).permutation(len(reference))
    part = reference.select(order[reference.particles.incident[order] >= 30])
    evaluation = evaluate_samples(reference, {"part": part}, cut=20.0)
    first, second = evaluation.trial.sides
    assert first.showers.sum(axis=1).min() >= 20
    assert set(first.particle) == set(second.particle)
    for a, b in zip(
        *(np.unique(s.particle, return_index=True)[1] for s in (first, second)), strict=True
    ):
        assert first.energy_gev[a] == second.energy_gev[b]
    # Particles with too few repeats for the design are left out.
    passed = part.select(part.showers.sum(axis=1) >= 20)
    enough = np.isin(passed.particles["energy_gev"], first.incoming.energy_gev)
    expected = passed.showers[enough]
    np.testing.assert_array_equal(second.showers, expected)

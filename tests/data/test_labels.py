"""The one-hot of classes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from caloforge.data import Particles
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.stream_fits import fit_conditions
from caloforge.data.images import are_images, no_particles
from caloforge.errors import ConfigError, DataFormatError
from caloforge.geometry import load_geometry

MNIST = load_geometry("mnist")


def images(labels: list[float]) -> Particles:
    columns = no_particles(len(labels)) | {"label": np.array(labels, dtype=np.float64)}
    return Particles(columns, np.arange(len(labels)))


def test_one_hot_in_increasing_order() -> None:
    conditions = ConditionSet.fit(["label"], images([7, 3, 3, 9]), MNIST)
    assert conditions.labels == (3, 7, 9)
    assert [feature.name for feature in conditions.features] == [
        "label_3",
        "label_7",
        "label_9",
    ]
    np.testing.assert_array_equal(
        conditions.scaled(images([9, 3]), MNIST), [[0, 0, 1], [1, 0, 0]]
    )


def test_beside_other_features() -> None:
    conditions = ConditionSet.fit(["energy_gev", "label"], images([1, 0]), MNIST)
    np.testing.assert_array_equal(conditions.scaled(images([1]), MNIST), [[0, 0, 1]])


def test_survives_a_bundle() -> None:
    conditions = ConditionSet.fit(["label"], images([7, 3, 9]), MNIST)
    table = json.loads(json.dumps(conditions.as_dict()))
    assert ConditionSet.from_dict(table) == conditions


def test_bundles_without_labels_are_as_they_were() -> None:
    conditions = ConditionSet.fit(["energy_gev"], images([7, 3, 9]), MNIST)
    assert set(conditions.as_dict()) == {"names", "kinds", "features"}
    assert ConditionSet.from_dict(conditions.as_dict()).labels == ()


def test_older_bundles_that_have_it_as_a_number_keep_it() -> None:
    feature = {
        "name": "label", "unit": "", "description": "", "mean": 1.0, "scale": 2.0,
        "low": 0.0, "high": 9.0,
    }  # fmt: skip
    old = ConditionSet.from_dict({"names": ["label"], "kinds": [], "features": [feature]})
    np.testing.assert_array_equal(old.scaled(images([5]), MNIST), [[2]])


def test_streaming_fits_the_same() -> None:
    table = images([4, 2, 2, 8, 0])
    streamed = fit_conditions(
        ["label"], lambda: iter([table.select(slice(0, 2)), table.select(slice(2, 5))]), MNIST
    )
    assert streamed.labels == ConditionSet.fit(["label"], table, MNIST).labels == (0, 2, 4, 8)
    np.testing.assert_array_equal(streamed.scaled(table, MNIST).argmax(axis=1), [2, 1, 1, 3, 0])


def test_unknown_label_is_refused() -> None:
    conditions = ConditionSet.fit(["label"], images([1, 2]), MNIST)
    with pytest.raises(DataFormatError, match=r"found label 5 \(in 2 rows\).*1, 2"):
        conditions.scaled(images([1, 5, 5]), MNIST)


def test_missing_column_is_refused() -> None:
    conditions = ConditionSet.fit(["label"], images([1, 2]), MNIST)
    with pytest.raises(DataFormatError, match="found no column label"):
        conditions.scaled(Particles(no_particles(1), np.arange(1)), MNIST)
    with pytest.raises(ConfigError, match="needs a column 'label'"):
        ConditionSet.fit(["label"], Particles(no_particles(1), np.arange(1)), MNIST)


def test_labels_are_whole_and_few() -> None:
    with pytest.raises(ConfigError, match=r"has 1\.5, expected an integer"):
        ConditionSet.fit(["label"], images([1, 1.5]), MNIST)
    with pytest.raises(ConfigError, match="at most 1,000 classes"):
        ConditionSet.fit(["label"], images(list(range(1001))), MNIST)


def test_images_are_without_a_particle_in_bounded_cells() -> None:
    columns = no_particles(3)
    assert are_images(columns, MNIST)
    assert not are_images(columns, load_geometry("zn"))
    columns["pdg"][1] = 22
    assert not are_images(columns, MNIST)

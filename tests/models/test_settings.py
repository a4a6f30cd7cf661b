"""Settings of every model: what fits a detector, what is refused, where training starts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.models.conftest import ROWS, config_of

from caloforge.errors import ConfigError
from caloforge.models import MODELS
from caloforge.nn import ShowerSpec


def test_every_model_has_its_row() -> None:
    assert {row.model for row in ROWS.values()} == set(MODELS)


def test_settings_are_plain_values(name) -> None:
    for value in vars(config_of(name)).values():
        assert isinstance(value, (int, float, str, bool, tuple))


def test_defaults_fit_a_detector_of_counts(name, toy_grid) -> None:
    assert MODELS[ROWS[name].model]().build(ShowerSpec.of(toy_grid, 3)) is not None


@pytest.mark.parametrize(
    ("detector", "cells"), [("zn", "poisson"), ("cylinder", "log1p"), ("images", "bounded")]
)
def test_dense_models_start_near_the_mean_shower(name, detector, cells, showers_of) -> None:
    showers = showers_of(detector)
    model = showers.build(config_of(name, cells=cells)).eval()
    made = model.sample(showers.batch.conditions, showers.noise(model.noise_dim)).detach()
    assert 0.3 < float(made.mean() / showers.batch.showers.mean()) < 3


@pytest.mark.parametrize("network", ["conv", "upsampling"])
def test_convolutions_need_a_grid(name, network, toy_cylinder) -> None:
    known = dict(ROWS[name].networks).get(network, network)
    with pytest.raises(ConfigError, match=f"network: found '{known}'.*use 'mlp'"):
        config_of(name, network, "log1p").build(ShowerSpec.of(toy_cylinder, 3))


def test_unknown_choices_are_refused(name, toy_grid) -> None:
    spec = ShowerSpec.of(toy_grid, 3)
    with pytest.raises(ConfigError, match="cells: found 'gamma', expected one of"):
        replace(config_of(name), cells="gamma").build(spec)
    with pytest.raises(ConfigError, match="network: found 'gnn', expected one of"):
        replace(config_of(name), network="gnn").build(spec)


def test_cells_that_do_not_fit_the_detector_are_refused(name, toy_cylinder, toy_grid) -> None:
    with pytest.raises(ConfigError, match="'poisson' for a detector that measures energies"):
        replace(config_of(name), cells="poisson").build(ShowerSpec.of(toy_cylinder, 3))
    with pytest.raises(ConfigError, match="'bounded' for cells without a largest value"):
        config_of(name, cells="bounded").build(ShowerSpec.of(toy_grid, 3))

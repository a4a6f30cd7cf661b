"""Search spaces: what is read, what is refused, what comes by itself."""

from __future__ import annotations

import pytest

from caloforge.config import TrainConfig, load_run, run_names
from caloforge.errors import ConfigError
from caloforge.models import MODELS
from caloforge.tuning.default_space import default_space
from caloforge.tuning.space import (
    Choice,
    Range,
    parse_searches,
    read_space,
    run_with,
    settings_of,
    space_toml,
    values_of,
)


@pytest.fixture(scope="module")
def run():
    return load_run("zn-e2e-sae")


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("model.latent_dim=2..20", Range(2, 20, whole=True)),
        ("model.latent_dim = 2..20 : log", Range(2, 20, log=True, whole=True)),
        ("train.learning_rate=1e-4..1e-2:log", Range(1e-4, 1e-2, log=True)),
        ("model.epsilon=.1..1", Range(0.1, 1.0)),
        ("model.codes=free,normalised", Choice(('"free"', '"normalised"'))),
        ('model.codes="free","relu"', Choice(('"free"', '"relu"'))),
        ("model.conditioned=true,false", Choice(("true", "false"))),
        ("model.encoder=[256, 256],[512]", Choice(("[256, 256]", "[512]"))),
        ("train.batch_size=64,256", Choice(("64", "256"))),
        ("data.reflect=true,false", Choice(("true", "false"))),
    ],
)
def test_a_search_is_read_as_the_setting_wants_it(search, expected, run) -> None:
    (dimension,) = parse_searches([search], run).values()
    assert dimension == expected


@pytest.mark.parametrize(
    ("search", "message"),
    [
        ("model.latent_dim", "expected e.g. model.latent_dim=2..20"),
        ("model.latent_dim=", "expected e.g. model.latent_dim=2..20"),
        ("model.latent_dim=4", "one value goes to --set"),
        ("model.latent_dim=4,4", "two different choices"),
        ("model.latent_dim=2.5..3", "expected whole numbers"),
        ("model.latent_dim=20..2", "LOW below HIGH"),
        ("model.latent_dim=0..20", "model.latent_dim: found 0, expected above 0"),
        ("model.epsilon=nan..1", "LOW below HIGH"),
        ("model.epsilon=0..1:log", "expected LOW above 0"),
        ("model.epsilon=1..2:lag", "found ':lag', expected ':log'"),
        ("model.codes=free..relu", "expected choices A,B,C"),
        ("model.codes=free,fre", "found 'fre', expected one of free, relu, normalised"),
        ("model.encoder=256,512", "expected a list"),
        ("model.latent=2..20", "did you mean 'latent_dim'?"),
        ("modle.latent_dim=2..20", "expected model.KEY, train.KEY or data.KEY"),
        ("model.name=vae,wae", "tune each by itself"),
        ("seed=1,2", "expected model.KEY"),
        ("data.train=zn-train,zn-test", "cannot be compared; choose it with --set"),
        ("data.fold=0,1", "cannot be compared"),
        ("train.validation_repeats=2,4", "cannot be compared"),
    ],
)
def test_a_bad_search_is_refused_in_one_line(search, message, run) -> None:
    with pytest.raises(ConfigError) as error:
        parse_searches([search], run)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_setting_is_given_once(run) -> None:
    with pytest.raises(ConfigError, match="twice"):
        parse_searches(["model.draws=2..4", "model.draws=2..8"], run)


def test_a_space_survives_its_file(run, tmp_path) -> None:
    space = parse_searches(
        ["model.latent_dim=2..20:log", "model.encoder=[8],[9,9]", "model.codes=free,relu"], run
    ) | {"train.learning_rate": Range(1e-4, 1e-2, log=True)}
    path = tmp_path / "space.toml"
    path.write_text(space_toml(space))
    assert read_space(path, run) == space


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected one table"),
        ("tune = 3", "expected one table"),
        ("[tune]\n[model]", "run files go to RUN"),
        ("[tune]\nmodel.latent_dim = 3", "expected e.g."),
        ("[tune]\nmodel.latent_dim = [3]", "two different choices"),
        ("[tune]\nmodel.latent = '2..3'", "did you mean 'latent_dim'?"),
        ("[tune", "not a search file"),
        (None, "No such file"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(text, message, run, tmp_path) -> None:
    path = tmp_path / "space.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_space(path, run)
    assert message in str(error.value)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_drawn_numbers_are_short_and_stay_inside() -> None:
    assert Range(1e-4, 1e-2, log=True).setting(0.00123456) == "0.001235"
    third = Range(1 / 3, 1.0)
    assert float(third.setting(1 / 3)) >= 1 / 3
    assert Range(2, 20, whole=True).setting(7) == "7"


@pytest.mark.parametrize("name", MODELS.own)
def test_every_model_has_a_space_around_its_settings(name) -> None:
    config = MODELS[name]()  # type: ignore[call-arg]
    run = load_run("zn-vae")
    run = type(run)(name, config, train=TrainConfig(steps=9))
    space = default_space(run)
    assert any(key.startswith("model.") for key in space)
    assert parse_searches([f"{k}={d.as_text()}" for k, d in space.items()], run) == space
    own = values_of(space, run)
    assert own is not None
    assert run_with(run, settings_of(space, own), source="own") == run


@pytest.mark.parametrize("name", run_names())
def test_every_run_file_can_be_tuned(name) -> None:
    run = load_run(name)
    space = default_space(run)
    assert parse_searches([f"{k}={d.as_text()}" for k, d in space.items()], run) == space


def test_what_has_no_effect_is_not_searched() -> None:
    run = load_run("zn-latent-flow-matching")
    assert "model.condition_weight" not in default_space(run)
    transport = run.changed(["model.coupling=transport"])
    assert "model.condition_weight" in default_space(transport)
    assert "model.condition_weight" in default_space(load_run("zn-e2e-sae"))


def test_what_is_switched_off_stays_off() -> None:
    published = default_space(load_run("zn-e2e-sae-published"))
    assert "model.sinkhorn_weight" in published
    assert "model.energy_weight" not in published
    assert "train.weight_decay" not in published  # of AdamW alone

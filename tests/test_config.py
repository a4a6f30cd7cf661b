"""Run files."""

from __future__ import annotations

import tomllib

import pytest

from caloforge.config import load_run, run_from_tables, run_names
from caloforge.errors import ConfigError


@pytest.mark.parametrize("name", run_names())
def test_every_shipped_run_file_loads_and_survives_toml(name: str) -> None:
    run = load_run(name)
    assert run.title
    assert run_from_tables(tomllib.loads(run.to_toml()), source="again") == run


def test_settings_change_values_of_every_type() -> None:
    run = load_run(
        "zn-e2e-sae",
        [
            "train.epochs=50",
            "model.decoder=[8, 8]",
            "data.reflect=false",
            "model.codes=relu",
            "seed=7",
            'data.train="a b.h5"',
        ],
    )
    assert (run.train.epochs, run.train.steps) == (50.0, 0)
    assert run.model.decoder == (8, 8)
    assert run.data.reflect is False
    assert run.model.codes == "relu"
    assert run.seed == 7
    assert run.data.train == "a b.h5"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("model.epsilom=1", "unknown key 'epsilom'; did you mean 'epsilon'?"),
        ("train.epocs=2", "unknown key 'epocs'; did you mean 'epochs'?"),
        ("model.name=e2e-sea", "unknown model 'e2e-sea'; did you mean 'e2e-sae'?"),
        ("trian.steps=2", "unknown key 'trian'; did you mean 'train'?"),
        ("model.latent_dim=a", "latent_dim: found 'a', expected a whole number"),
        ("model.latent_dim=true", "latent_dim: found True, expected a whole number"),
        ("model.decoder=8", "decoder: found 8, expected a list"),
        ("model.latent_dim=0", "model.latent_dim: found 0, expected above 0"),
        ("train.steps=0", "found steps = 0 and epochs = 0, expected one of them above 0"),
        ("train.schedule=cosine", "train.schedule: found 'cosine', expected one of constant"),
        ("train.optimizer=sgd", "train.optimizer: found 'sgd', expected one of adam"),
        ("train.ema=1.0", "train.ema: found 1.0, expected 0 or more and below 1"),
        ("train.validation_repeats=1", "train.validation_repeats: found 1, expected 2 or more"),
        ("train.beta1=1", "train.beta1: found 1.0, expected 0 or more and below 1"),
        ("train.batch_size=-1", "train.batch_size: found -1, expected above 0"),
        ("data.validation_fraction=1.5", "found 1.5, expected a share between 0 and 1"),
        ("seed=-1", "found seed = -1, expected a whole number of 0 or more"),
        ("steps", "--set: found 'steps', expected table.key=value"),
        ("seed.x=1", "'seed.x' does not name a setting"),
        ("model.condition_weight=nan", "condition_weight: found nan, expected a finite number"),
        ("model.condition_weight='a'", "condition_weight: found 'a', expected a number"),
        ("data=1", "'data' is not a table; write [data]"),
    ],
)
def test_wrong_settings_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_run("zn-e2e-sae", [setting])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_run_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"found no 'zn-e2esae'.*did you mean 'zn-e2e-sae'\?"):
        load_run("zn-e2esae")


def test_a_binary_file_is_no_run_file(tmp_path) -> None:
    path = tmp_path / "showers.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n\xff")
    with pytest.raises(ConfigError, match=r"showers.h5: not a text file.*showers go to --data"):
        load_run(path)


def test_broken_toml_is_refused(tmp_path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[model\nname = 3")
    with pytest.raises(ConfigError, match=r"run\.toml: not valid TOML"):
        load_run(path)


def test_own_run_file(tmp_path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('[model]\nname = "vae"\n[train]\nsteps = 3\n')
    run = load_run(path)
    assert (run.model_name, run.train.steps, run.data.train) == ("vae", 3, "zn-train")


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_an_exponent_of_kinds_out_of_range_is_refused(value) -> None:
    with pytest.raises(ConfigError, match=r"data.oversample_kinds: found .*, expected 0 to 1"):
        load_run("zn-vae", [f"data.oversample_kinds={value}"])

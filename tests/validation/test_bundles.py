"""Bundles on their way into the package: what is refused, measured, written."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.bundles import TEST

import caloforge
from caloforge.config import load_run
from caloforge.data import ShowerWriter, load_sample
from caloforge.errors import BundleError
from caloforge.training import bundle_names
from caloforge.training.bundle import read_bundle, write_bundle
from caloforge.training.run import train

VALIDATION = Path(__file__).parents[2] / "validation"
SMALL = (
    "model.encoder=[8]",
    "model.decoder=[8]",
    "train.steps=2",
    "train.batch_size=32",
    "train.validate_every=2",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model of two steps on the ZP."""
    folder = tmp_path_factory.mktemp("run")
    run = load_run("zn-e2e-sae", ["data.train=zp-train", "train.threads=1", "seed=5", *SMALL])
    train(run, folder, force=True)
    (folder / "core-seconds").write_text("12.34")
    return folder


@pytest.fixture
def bundles(monkeypatch):
    """The script, with a made-up measurement."""
    monkeypatch.syspath_prepend(str(VALIDATION))
    for name in ("bundles", "bundle_checks", "bundle_speed"):
        sys.modules.pop(name, None)
    import bundles

    monkeypatch.setattr(bundles, "measured", lambda *_: TEST)
    return bundles


@pytest.fixture
def entry(bundles):
    return bundles.Entry("zp-small", "zn-e2e-sae", ("data.train=zp-train", *SMALL), "")


def changed(trained: Path, folder: Path, **data: object) -> Path:
    """A copy that says something else of its data."""
    bundle = read_bundle(trained)
    info = {**bundle.info, "data": {**bundle.info["data"], **data}}
    return write_bundle(folder, replace(bundle, info=info), force=False)


def test_installed_bundle_has_half_precision_a_card_and_a_result(
    bundles, entry, trained, tmp_path, monkeypatch
) -> None:
    into, results = tmp_path / "shelf", tmp_path / "results"
    target = bundles.install(entry, trained, into, results)
    assert target == into / "zp-small"
    assert [path.name for path in into.iterdir()] == ["zp-small"]
    table = json.loads((target / "bundle.json").read_text())
    assert (table["weights_dtype"], table["name"]) == ("float16", "zp-small")
    assert table["metrics"]["test"] == TEST
    assert table["training"]["core-seconds"] == 12.3
    assert (
        sum(kind["particles"] for kind in table["kinds"].values())
        == (table["data"]["training particles"])
    )
    result = json.loads((results / "zp-small.json").read_text())
    assert result["test"] == TEST
    assert result["checks"]["particles in both"] == 0
    assert result["bytes"] == sum(p.stat().st_size for p in target.iterdir())
    assert 0 < result["relative change by rounding"]["cells"] < 1e-3
    card = (target / "README.md").read_text()
    assert "| energy of p | " in card
    assert "Apache-2.0" in card
    # It is found by its name, and replaced whole.
    monkeypatch.setattr(bundle_names, "shipped_folder", lambda: into)
    particles = load_sample("zp-test").particles.select(slice(0, 20))
    before = caloforge.load("zp-small").generate(particles, seed=1).showers
    assert before.shape == (20, 1680)
    bundles.install(entry, trained, into, results)
    assert [path.name for path in into.iterdir()] == ["zp-small"]
    assert np.array_equal(
        caloforge.load("zp-small").generate(particles, seed=1).showers, before
    )


def test_other_settings_are_refused_but_another_seed_is_not(bundles, entry, trained) -> None:
    bundle = read_bundle(trained)
    assert bundle.run.seed == 5
    assert bundles.checked(bundle, entry)["test sample"] == "zp-test"
    other = entry._replace(settings=(*entry.settings, "model.latent_dim=7"))
    with pytest.raises(BundleError) as caught:
        bundles.checked(bundle, other)
    assert str(caught.value) == (
        "zp-small: found other settings than those of zn-e2e-sae at this commit "
        "(model.latent_dim = 6, expected 7); train again"
    )


def test_bundle_that_saw_test_particles_is_refused(
    bundles, entry, trained, tmp_path, monkeypatch
) -> None:
    """Also in a larger file, under other numbers, and on the validation side."""
    monkeypatch.chdir(tmp_path)
    full, test = load_sample("zp-train"), load_sample("zp-test")
    with ShowerWriter("mixed.h5", full.geometry, provenance={}) as writer:
        writer.append(full.particles, full.showers)
        some = test.particles.select(slice(0, 5))
        moved = type(some)(some.columns, some.incident + 10**7)
        writer.append(moved, test.showers[:5])
    run = load_run("zn-e2e-sae", ["data.train=mixed.h5", "train.threads=1", *SMALL])
    folder = train(run, tmp_path / "run")
    mixed = entry._replace(settings=("data.train=mixed.h5", *SMALL))
    with pytest.raises(BundleError, match=r"1 particles of zp-test are in mixed\.h5"):
        bundles.install(mixed, folder, tmp_path / "shelf", tmp_path / "results")
    assert not (tmp_path / "shelf").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sha256": "0" * 64}, r"is not what it was trained on.*nobody can say"),
        ({"source": "gone.h5"}, r"gone.h5: found no such file.*nobody can say"),
        ({"training showers": 7}, r"found \d+ training .* expected 7 and \d+"),
    ],
)
def test_what_cannot_be_checked_is_refused(
    bundles, entry, trained, tmp_path, data, message
) -> None:
    bundle = read_bundle(changed(trained, tmp_path / "changed", **data))
    with pytest.raises(BundleError, match=message) as caught:
        bundles.checked(bundle, entry)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_BYTES_IN_ALL"])
def test_too_large_bundles_are_refused_and_leave_nothing(
    bundles, entry, trained, tmp_path, monkeypatch, limit
) -> None:
    monkeypatch.setattr(bundles, limit, 1000)
    with pytest.raises(BundleError, match=r"found 0\.\d+ MB, expected at most 0\.001 MB"):
        bundles.install(entry, trained, tmp_path / "shelf", tmp_path / "results")
    assert list((tmp_path / "shelf").iterdir()) == []
    assert list((tmp_path / "results").iterdir()) == []


def test_limits_are_those_of_the_package(bundles) -> None:
    assert (bundles.MOST_BYTES, bundles.MOST_BYTES_IN_ALL) == (3_000_000, 15_000_000)
    names = [entry.name for entry in bundles.BUNDLES]
    assert len({*names}) == len(names)
    for entry in bundles.BUNDLES:
        load_run(entry.run, entry.settings)  # they exist


def test_command_tells_what_is_refused(bundles, trained, tmp_path, monkeypatch, capsys) -> None:
    name = bundles.BUNDLES[0].name
    arguments = ["--into", str(tmp_path / "shelf"), "--results", str(tmp_path / "results")]
    monkeypatch.setattr(sys, "argv", ["bundles.py", name, "--from", str(trained), *arguments])
    with pytest.raises(SystemExit) as end:
        bundles.main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith(f"Error: {name}: found other settings than")
    monkeypatch.setattr(
        sys, "argv", ["bundles.py", name, "--work", str(tmp_path / "none"), *arguments]
    )
    with pytest.raises(SystemExit) as end:
        bundles.main()
    assert end.value.code == 0
    assert f"{name}: not trained" in capsys.readouterr().out


def test_rates_are_of_the_sizes_that_are_asked_for(bundles, monkeypatch) -> None:
    sizes = []

    class Simulation:
        bundle = "a bundle"

        def showers(self, particles, *, seed, first):
            sizes.append((len(particles), first, type(self)))

    class Alone(Simulation):
        def __init__(self, bundle, *, one_by_one):
            assert (bundle, one_by_one) == ("a bundle", True)

    monkeypatch.setattr("caloforge.generation.FastSimulation", Alone)
    particles = load_sample("zp-test").particles
    bundles.rates(Simulation(), particles, seconds=0.0)
    assert {size for size, _, _ in sizes} == {1, 256}  # slow: no larger ones
    found = bundles.rates(Simulation(), particles, seconds=0.01)
    assert {size for size, _, _ in sizes} == {1, 256, 1024, 4096}
    assert {size for size, _, kind in sizes if kind is Alone} == {1}
    assert len({first for size, first, _ in sizes if size == 4096}) > 1  # other showers
    assert found["best"] >= max(found["1"], found["256"])
    assert found["best_batch"] in {1, 256, 1024, 4096}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::caloforge.generation.RangeWarning")
def test_measurement_has_the_figures_of_card_and_list(trained, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(VALIDATION))
    sys.modules.pop("bundles", None)
    import bundles

    monkeypatch.setattr(bundles, "rates", lambda *_: TEST["showers_per_second"])
    entry = bundles.Entry("zp-small", "zn-e2e-sae", (), "")
    test = bundles.measured(caloforge.load(trained), entry)
    assert {*TEST["figures"], "spread_ratio", "dispersion_discrepancy"} <= {*test["figures"]}
    for name in TEST["figures"]:
        assert {*test["figures"][name]} == {"model", "floor"}
        assert test["figures"][name]["model"]["error"] > 0
    # Two steps of training: a classifier sees it.
    assert test["figures"]["classifier_auc"]["model"]["value"] > 0.6
    assert test["sample"] == "zp-test"
    assert "width_x" in test["shapes"]
    seconds = load_sample("zp-test").cpu_seconds
    assert test["full_simulation_seconds"] == pytest.approx(seconds.mean())

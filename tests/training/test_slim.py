"""Smaller bundles: what rounding does, what is left out, and that readers get the same."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tests.bundles import E2E_SAE, toy_bundle

from caloforge.errors import BundleError, ConfigError
from caloforge.generation import FastSimulation, load
from caloforge.training.bundle import read_bundle, write_bundle
from caloforge.training.slim import slim, used_tensors
from caloforge.training.storage import Storage

# Models with an encoder, a discriminator, convolutions and batch normalisation, and none.
MODELS = {
    "e2e-sae": E2E_SAE,
    "vae": {"name": "vae", "encoder": [16], "decoder": [16], "latent_dim": 3},
    "regression": {"name": "regression", "decoder": [16]},
}
# Half of the distance of neighbouring numbers, relative to them.
STEP = {"float16": 2.0**-11, "bfloat16": 2.0**-8}


@pytest.fixture
def bundle(toy_grid, toy_sample):
    return toy_bundle(toy_sample(toy_grid))


def cells(bundle):
    rng = torch.Generator().manual_seed(1)
    conditions = torch.randn(200, bundle.spec.condition_dim, generator=rng)
    noise = torch.randn(200, bundle.generator.noise_dim, generator=rng)
    with torch.inference_mode():
        return bundle.generator.sample(conditions, noise)


@pytest.mark.parametrize("dtype", STEP)
def test_matrices_are_rounded_by_half_a_step_and_vectors_are_not(bundle, dtype) -> None:
    before = bundle.model.state_dict()
    after = slim(bundle, weights_dtype=dtype).model.state_dict()
    rounded = 0
    for name, weight in before.items():
        change = (after[name].double() - weight.double()).abs()
        assert after[name].dtype == weight.dtype
        if weight.ndim > 1:
            assert (change <= STEP[dtype] * weight.double().abs() + 2.0**-25).all()
            rounded += int((change > 0).sum())
        else:
            assert torch.equal(after[name], weight)
    assert rounded > 100


def test_whole_steps_round_by_half_of_one(bundle, tmp_path) -> None:
    before = bundle.model.state_dict()
    small = slim(bundle, weights_dtype="int8")
    rounded = 0
    for name, weight in small.model.state_dict().items():
        if weight.ndim < 2:
            assert torch.equal(weight, before[name])
            continue
        largest = before[name].abs().flatten(1).amax(dim=1, keepdim=True)
        change = (weight - before[name]).abs().flatten(1)
        assert (change <= largest / 127 * 1.0001).all()
        rounded += int((change > 0).sum())
    assert rounded > 100
    folder = write_bundle(tmp_path / "small", small, force=False)
    stored = load_file(folder / "weights.safetensors")
    assert {t.dtype for t in stored.values() if t.ndim > 1} == {torch.int8}
    read = read_bundle(folder)
    for name, weight in small.model.state_dict().items():
        assert torch.equal(weight, read.model.state_dict()[name])
    twice = write_bundle(tmp_path / "twice", read, force=False)
    assert read_bundle(twice).weights_sha256 == read.weights_sha256


@pytest.mark.parametrize(
    "scale",
    [None, torch.ones(1), torch.zeros(2), torch.tensor([1.0, torch.inf]), torch.ones(2).int()],
)
def test_steps_without_a_valid_scale_are_refused(scale) -> None:
    storage, state = Storage("int8"), {"w": torch.ones(2, 3)}
    stored = storage.packed(state)
    assert storage.unpacked(stored, state)["w"].tolist() == torch.ones(2, 3).tolist()
    del stored["w.scale"]
    if scale is not None:
        stored["w.scale"] = scale
    with pytest.raises(ValueError, match=r"w.scale: found no positive float32"):
        storage.unpacked(stored, state)


def test_weights_that_are_not_finite_are_not_hidden() -> None:
    with pytest.raises(ConfigError, match="w has a weight that is not finite"):
        Storage("int8").packed({"w": torch.tensor([[torch.nan, 1.0]])})


def test_rows_of_zeros_stay_zeros() -> None:
    storage, state = Storage("int8"), {"w": torch.tensor([[0.0, 0.0], [3e-39, 1e30]])}
    back = storage.unpacked(storage.packed(state), state)["w"]
    assert back[0].tolist() == [0, 0]
    assert back[1].tolist() == pytest.approx([0, 1e30], rel=1 / 127)


@pytest.mark.parametrize(("dtype", "most"), [("float16", 1e-3), ("bfloat16", 8e-3)])
def test_outputs_change_a_little(bundle, dtype, most) -> None:
    """A few times the rounding of a weight: random errors add up in quadrature."""
    before, after = cells(bundle), cells(slim(bundle, weights_dtype=dtype))
    change = ((after - before).square().mean() / before.square().mean()).sqrt()
    assert 1e-6 < float(change) < most


@pytest.mark.parametrize("generation_only", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_what_is_read_makes_the_same_showers(
    model, generation_only, toy_grid, toy_sample, tmp_path
) -> None:
    sample = toy_sample(toy_grid)
    small = slim(toy_bundle(sample, MODELS[model]), generation_only=generation_only)
    folder = write_bundle(tmp_path / "small", small, force=False)
    read = load(folder)
    assert read.bundle.storage == small.storage
    made, again = (s.generate(sample.particles, seed=3) for s in (FastSimulation(small), read))
    assert (made.showers == again.showers).all()
    assert made.showers.any()
    # Reading and writing once more changes nothing, not even the file.
    twice = write_bundle(tmp_path / "twice", read.bundle, force=False)
    assert read_bundle(twice).weights_sha256 == read.bundle.weights_sha256


def test_half_precision_halves_the_file(bundle, tmp_path) -> None:
    sizes = []
    for dtype in ("float32", "float16", "bfloat16"):
        folder = write_bundle(tmp_path / dtype, slim(bundle, weights_dtype=dtype), force=False)
        stored = load_file(folder / "weights.safetensors")
        matrices = [t for t in stored.values() if t.ndim > 1]
        assert {t.dtype for t in matrices} == {getattr(torch, dtype)}
        sizes.append(sum(t.nbytes for t in matrices))
        table = json.loads((folder / "bundle.json").read_text())
        assert (table["weights_dtype"], table["left_out"]) == (dtype, [])
        said = f"stored in {dtype}" in (folder / "README.md").read_text()
        assert said == (dtype != "float32")
    assert sizes[0] == 2 * sizes[1] == 2 * sizes[2]


def test_generation_does_without_the_encoder_alone(bundle) -> None:
    used = used_tensors(bundle)
    unused = {name.split(".")[0] for name in set(bundle.model.state_dict()) - used}
    assert "encoder" in unused
    assert not unused & {"decoder", "noise_generator", "cells"}
    small = slim(bundle, weights_dtype="float32", generation_only=True)
    assert torch.equal(cells(small), cells(bundle))
    assert small.storage.generates_only
    # The weights that are not there cannot pass for others.
    state = small.model.state_dict()
    assert all(torch.isnan(state[name]).all() for name in small.storage.left_out)
    assert all(torch.isfinite(state[name]).all() for name in used)


def test_the_given_bundle_stays_as_it_is(bundle) -> None:
    before = {name: t.clone() for name, t in bundle.model.state_dict().items()}
    slim(bundle, generation_only=True)
    assert bundle.storage == Storage()
    after = bundle.model.state_dict()
    assert all(torch.equal(t, after[name]) for name, t in before.items())


def test_learned_cell_law_counts_as_used(toy_grid, toy_sample) -> None:
    bundle = toy_bundle(toy_sample(toy_grid), E2E_SAE | {"cells": "negative-binomial"})
    unused = set(bundle.model.state_dict()) - used_tensors(bundle)
    assert not [name for name in unused if name.startswith("cells.")]
    small = slim(bundle, generation_only=True)
    assert small.generator.cell_law == bundle.generator.cell_law


def test_tables_of_a_cell_law_count_as_used(toy_cylinder, toy_sample, tmp_path) -> None:
    model = E2E_SAE | {"network": "shapes", "cells": "deposit-tracks"}
    bundle = toy_bundle(toy_sample(toy_cylinder), model)
    with torch.no_grad():
        bundle.model.cells.get_buffer("twins").fill_(0.02)
        bundle.model.cells.get_buffer("together").fill_(0.1)
    small = slim(bundle, generation_only=True, weights_dtype="float16")
    back = read_bundle(write_bundle(tmp_path / "small", small, force=False))
    before, law = bundle.generator.cell_law, back.generator.cell_law
    torch.testing.assert_close(law.twins, before.twins, rtol=1e-3, atol=0)
    torch.testing.assert_close(law.deposit, before.deposit, rtol=2e-3, atol=0)
    assert law.together == pytest.approx(0.1, rel=1e-3)


def test_too_large_weights_and_unknown_types_are_refused(bundle) -> None:
    with pytest.raises(ConfigError, match="found 'float61'; did you mean 'float16'"):
        slim(bundle, weights_dtype="float61")
    with torch.no_grad():
        bundle.model.decoder.get_parameter(
            next(n for n, p in bundle.model.decoder.named_parameters() if p.ndim > 1)
        ).fill_(1e5)
    with pytest.raises(ConfigError, match=r"decoder.* size 1e\+05.*take 'bfloat16'"):
        slim(bundle)
    slim(bundle, weights_dtype="bfloat16")


def test_what_generation_needs_cannot_be_missing(bundle) -> None:
    name = next(n for n, p in bundle.model.named_parameters() if n.startswith("decoder"))
    lacking = replace(bundle, storage=Storage("float32", (name,)))
    with pytest.raises(BundleError, match=rf"no finite cells without {name}.*keep all weights"):
        slim(lacking)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_dtype": "int4"}, r"weights_dtype: found 'int4'"),
        ({"left_out": ["encoder.nothing"]}, "does not fit the weights"),
        ({"left_out": []}, "does not fit the weights.*[Mm]issing"),
    ],
)
def test_wrong_keys_are_refused_in_one_line(bundle, tmp_path, change, message) -> None:
    folder = write_bundle(tmp_path / "b", slim(bundle, generation_only=True), force=False)
    path = folder / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(BundleError, match=message) as caught:
        read_bundle(folder)
    assert "\n" not in str(caught.value)

"""FID: the networks that come along, and users' ONNX networks, good and bad."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.metrics.toy_trials import tiny_trials, zn_trial

from caloforge.data import load_sample
from caloforge.errors import ConfigError, DataFormatError, MissingExtraError
from caloforge.geometry import DetectorGeometry, GridLayout, load_geometry
from caloforge.metrics import make_trial
from caloforge.metrics.multivariate import feature_networks
from caloforge.metrics.multivariate.feature_networks import (
    fid_section,
    load_network,
    network_names,
    network_of,
)
from caloforge.metrics.multivariate.onnx_features import onnx_features
from caloforge.metrics.settings import Settings

QUICK = Settings(n_bootstrap=20, n_draws=1)
FOLDER = feature_networks._folder()


def write_onnx(
    path: Path, shape: list, *, divide: bool = False, dtype=TensorProto.FLOAT
) -> Path:
    """A network of three features: fixed sums of cells (over the photon sum, if divided)."""
    n_cells = int(np.prod([s for s in shape if isinstance(s, int)]))
    weights = np.random.default_rng(0).random((n_cells, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["showers"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["sums"]),
    ]
    if divide:
        nodes += [
            helper.make_node("ReduceSum", ["flat", "axes"], ["total"]),
            helper.make_node("Div", ["sums", "total"], ["features"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["sums"], ["features"]))
    graph = helper.make_graph(
        nodes,
        "features",
        [helper.make_tensor_value_info("showers", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 3])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("name", ["zn-v1", "zp-v1", "cylinder-v1"])
def test_networks_are_small_documented_and_of_train_samples_only(name: str) -> None:
    assert name in network_names()
    network = load_network(name)
    assert (FOLDER / f"{name}.safetensors").stat().st_size <= 400_000
    card = network.card
    assert card["data"] == f"{name[:-3]}-train (full simulation)"
    assert card["validation_particles"] > 200
    assert card["validation"]["R2 of log energy"] > 0.8
    assert load_geometry(name[:-3]).same_cells(
        type(load_geometry("zn")).from_dict(card["geometry"], source=name)
    )


def test_features_are_standardised_and_the_same_in_batches() -> None:
    showers = load_sample("zn-test").showers[:1100]
    network = load_network("zn-v1")
    features = network.features(showers)
    assert features.shape == (1100, 32)
    assert np.abs(features.mean(axis=0)).max() < 1
    assert 0.5 < np.median(features.std(axis=0)) < 2
    np.testing.assert_allclose(network.features(showers[700:702]), features[700:702], atol=1e-4)
    assert np.isfinite(network.features(np.zeros_like(showers[:3]))).all()


def digit_geometry() -> DetectorGeometry:
    return DetectorGeometry(
        "digits", "", load_geometry("mnist").layout, "grey", counts=True, maximum=255.0
    )


def strokes(rng: np.random.Generator, n: int) -> np.ndarray:
    """Upright strokes like the digit 1, and rings like 0, half each; flat cells of `mnist`."""
    x, y = np.indices((28, 28)) - 13.5
    images = np.zeros((n, 28, 28))
    for k in range(n):
        centre = rng.normal(0, 1, 2)
        if k < n // 2:
            inside = (np.abs(x - centre[0]) < 1.5) & (np.abs(y - centre[1]) < 9)
        else:
            radius = np.hypot((x - centre[0]) / 5.5, (y - centre[1]) / 8)
            inside = np.abs(radius - 1) < 0.22
        images[k][inside] = 255
    return images.reshape(n, -1).astype(np.uint16)


def test_the_network_of_digits_reads_them() -> None:
    network = network_of(digit_geometry())
    assert network.name == "mnist-v1"
    assert network.card["training_particles"] == 60_000
    assert network.card["validation"]["accuracy on the 10,000 test digits"] >= 0.985
    features = network.features(strokes(np.random.default_rng(0), 40))
    assert features.shape == (40, 84)
    read = network.classes(features)
    assert (read[:20] == 1).mean() > 0.9
    assert (read[20:] == 0).mean() > 0.9


def test_only_networks_with_classes_read_them() -> None:
    network = load_network("zn-v1")
    with pytest.raises(DataFormatError, match="zn-v1: found a network without classes"):
        network.classes(np.zeros((1, 32)))


def test_fid_of_digits_needs_no_file_of_the_user(toy_sample) -> None:
    geometry, rng = digit_geometry(), np.random.default_rng(0)
    reference = toy_sample(geometry, 240, repeats=1)
    halves = strokes(rng, 240)
    halves[:, :392] = 0  # half of each image is lost
    reference, *generated = (
        replace(reference, showers=images)
        for images in (strokes(rng, 240), strokes(rng, 240), halves)
    )
    trial = make_trial(
        reference, dict(zip(("same", "halves"), generated, strict=True)), rng=rng
    )
    figures = fid_section(trial, QUICK, rng).figures
    found = {figure.sample: figure for figure in figures}
    assert found["same"].target == "mnist-v1"
    assert "84 features of mnist-v1" in found["same"].note
    assert found["halves"].value.value > 10 * found["same"].value.value


def test_a_changed_file_is_refused(tmp_path, monkeypatch) -> None:
    card = (FOLDER / "zn-v1.json").read_text()
    content = bytearray((FOLDER / "zn-v1.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "zn-v1.json").write_text(card)
    (tmp_path / "zn-v1.safetensors").write_bytes(content)
    monkeypatch.setattr(feature_networks, "_folder", lambda: tmp_path)
    with pytest.raises(DataFormatError, match="SHA-256"):
        load_network("zn-v1")


def test_zn() -> None:
    figures = fid_section(zn_trial(), QUICK, np.random.default_rng(0)).figures
    found = {figure.sample: figure for figure in figures}
    same = found["same"]
    assert same.target == "zn-v1"
    assert same.n == 440
    spread = np.hypot(same.value.error, same.floor.error)
    assert abs(same.value.value - same.floor.value) < 4 * spread
    assert found["brighter"].value.value > same.value.value + 3 * same.value.error


def test_other_cells_have_no_figure_but_a_note(toy_grid, toy_cylinder, toy_sample) -> None:
    for trial in tiny_trials(toy_grid, toy_cylinder, toy_sample):
        assert network_of(trial.geometry) is None
        (figure,) = fid_section(trial, QUICK, np.random.default_rng(0)).figures
        assert figure.value is None
        assert "no feature network for the cells of 'toy-" in figure.note


@pytest.mark.parametrize("shape", [["n", 1936], ["n", 44, 44], ["n", 1, 44, 44]])
def test_a_network_of_the_user(tmp_path, shape) -> None:
    path = write_onnx(tmp_path / "mine.onnx", shape)
    trial = zn_trial()
    trial = replace(trial, generated=trial.generated[:1])
    (found,) = onnx_features(path, [trial.reference.showers], trial.geometry)
    weights = np.random.default_rng(0).random((1936, 3)).astype(np.float32)
    np.testing.assert_allclose(found, trial.reference.showers @ weights, rtol=1e-4, atol=1e-4)
    figures = fid_section(trial, replace(QUICK, network=path), np.random.default_rng(0)).figures
    assert [figure.target for figure in figures] == ["zn-v1", "mine"]
    assert figures[1].value.value > 0


def test_pictures_come_upright_to_a_network_of_the_user(tmp_path) -> None:
    geometry = replace(
        digit_geometry(), layout=GridLayout((3, 2), planes=3), name="tiny", title="tiny"
    )
    pictures = np.random.default_rng(1).integers(0, 256, (5, 2, 3, 3), dtype=np.uint16)
    weights = np.random.default_rng(0).random((18, 3)).astype(np.float32)
    planes_first = pictures.transpose(0, 3, 1, 2)
    path = write_onnx(tmp_path / "mine.onnx", ["n", 3, 2, 3])
    (found,) = onnx_features(path, [geometry.layout.flat(pictures)], geometry)
    wanted = planes_first.reshape(5, 18) @ weights
    np.testing.assert_allclose(found, wanted, rtol=1e-4)
    grey = replace(geometry, layout=GridLayout((3, 2)))
    path = write_onnx(tmp_path / "grey.onnx", ["n", 2, 3])
    (found,) = onnx_features(path, [grey.layout.flat(pictures[..., 0])], grey)
    weights = np.random.default_rng(0).random((6, 3)).astype(np.float32)
    wanted = planes_first[:, 0].reshape(5, 6) @ weights
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_bad_networks_are_named(tmp_path, monkeypatch) -> None:
    geometry = load_geometry("zn")
    showers = np.ones((3, 1936), dtype=np.uint16)
    showers[1] = 0

    def of(path: Path) -> None:
        onnx_features(path, [showers], geometry)

    with pytest.raises(ConfigError, match="no such file"):
        of(tmp_path / "missing.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("no network")
    with pytest.raises(DataFormatError, match=r"text\.onnx: found no network .* export it"):
        of(text)
    with pytest.raises(ConfigError, match=r"found input .* one of float, \(batch, 1936"):
        of(write_onnx(tmp_path / "other.onnx", ["n", 100]))
    with pytest.raises(ConfigError, match="with a free batch"):
        of(write_onnx(tmp_path / "fixed.onnx", [1, 1936]))
    with pytest.raises(DataFormatError, match="not finite"):
        of(write_onnx(tmp_path / "divide.onnx", ["n", 1936], divide=True))
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"install caloforge\[onnx\]"):
        of(tmp_path / "fixed.onnx")


def test_cards_are_json_of_one_shape() -> None:
    cards = [json.loads((FOLDER / f"{name}.json").read_text()) for name in network_names()]
    assert len({tuple(card) for card in cards}) == 1

"""The image tables: parts with known answers, and both commands whole on drawn pictures."""

from __future__ import annotations

import json
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from caloforge.config import load_run, run_names
from caloforge.geometry import load_geometry
from caloforge.nn import ShowerSpec

VALIDATION = Path(__file__).parents[2] / "validation"


@pytest.fixture(autouse=True)
def scripts_import_each_other(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(VALIDATION))


def strokes(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """A bar at an angle of its own for each label, ``(n, 28, 28)`` uint8."""
    y, x = np.indices((28, 28)) - 13.5
    angle = (labels * np.pi / 10 + rng.normal(0, 0.05, len(labels)))[:, None, None]
    across = np.abs(x * np.sin(angle) - y * np.cos(angle))
    along = np.abs(x * np.cos(angle) + y * np.sin(angle))
    return (255 * ((across < 2) & (along < 9))).astype(np.uint8)


def write_idx(folder: Path, prefix: str, n: int, seed: int) -> None:
    labels = np.arange(n) % 10
    images = strokes(np.random.default_rng(seed), labels)
    header = struct.pack(">HBB3I", 0, 8, 3, *images.shape)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(header + images.tobytes())
    header = struct.pack(">HBBI", 0, 8, 1, n)
    content = header + labels.astype(np.uint8).tobytes()
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(content)


def draw_faces(folder: Path, n: int) -> None:
    """Ovals with two eyes on a coloured ground."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    y, x = np.indices((64, 64)) - 31.5
    for k in range(n):
        face = np.hypot(x / rng.uniform(16, 22), y / rng.uniform(22, 28)) < 1
        eyes = (np.hypot(np.abs(x) - 8, y + 6) < rng.uniform(2, 4)) & face
        picture = np.empty((64, 64, 3), dtype=np.uint8)
        picture[:] = rng.integers(0, 200, 3)
        picture[face] = rng.integers(150, 255, 3)
        picture[eyes] = 20
        Image.fromarray(picture).save(folder / f"{k:03}.png")


def write_onnx(path: Path) -> Path:
    """Ten fixed sums of the pixels of an upright picture, divided by 255."""
    weights = np.random.default_rng(0).normal(0, 0.01 / 255, (3 * 64 * 64, 10))
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pictures"], ["flat"], axis=1),
            helper.make_node("MatMul", ["flat", "weights"], ["features"]),
        ],
        "features",
        [helper.make_tensor_value_info("pictures", TensorProto.FLOAT, ["n", 3, 64, 64])],
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 10])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return path


def least_side(path: Path) -> int:
    with Image.open(path) as picture:
        return min(picture.size)


def call(monkeypatch, *arguments: object) -> None:
    import images

    monkeypatch.setattr(sys, "argv", ["images.py", *map(str, arguments)])
    images.main()


def refused(monkeypatch, capsys, *arguments: object) -> str:
    """The one line that a command ends with, whose exit code is 2."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as found:
        call(monkeypatch, *arguments)
    assert found.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


def test_images_of_wanted_labels_are_drawn_once() -> None:
    from image_study import like

    available = np.repeat(np.arange(3), 5)
    wanted = np.array([2, 0, 0, 1, 2, 2])
    rows = like(available, wanted, np.random.default_rng(0))
    assert (available[rows] == wanted).all()
    assert len(set(rows.tolist())) == 6
    with pytest.raises(SystemExit, match="found 5 to learn from with label 1"):
        like(available, np.ones(6, dtype=int), np.random.default_rng(0))


def test_spread_is_that_within_labels() -> None:
    from image_study import spread

    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 4000)
    features = rng.normal(0, 3, (8000, 4)) + 100 * labels[:, None]
    assert spread(features, labels) == pytest.approx(6, rel=0.03)


def test_comparison_of_known_images(toy_sample) -> None:
    from image_study import Study, compared

    geometry = load_geometry("mnist")
    sample = toy_sample(geometry, 400, repeats=1)
    label = np.arange(400) % 2
    columns = {**sample.particles.columns, "label": label.astype(float)}
    sample = replace(
        sample,
        particles=replace(sample.particles, columns=columns),
        showers=np.tile(label[:, None] * 9, (1, 784)).astype(np.uint16),
    )
    rng = np.random.default_rng(0)
    # Two features of unit spread around (label, 0): a shift by 2 is a distance of 4.
    noise = rng.normal(size=(400, 2))

    def features(images: np.ndarray) -> np.ndarray:
        return noise + np.stack((images[:, 0] / 9, images[:, 1] / 1000), axis=1)

    study = Study(
        Path("unused"),
        sample,
        features,
        "two features",
        lambda found: (found[:, 0] - noise[:, 0] > 0.5).astype(int),
        Path("unused"),
        Path("unused"),
    )
    same = compared(study, sample.showers, 0)
    assert same["fid"]["value"] == pytest.approx(0, abs=1e-6)
    assert same["share read as wanted"] == 1
    assert same["spread within labels over the data's"] == 1
    assert same["n"] == 400
    shifted = sample.showers.copy()
    shifted[:, 1] += 2000
    assert compared(study, shifted, 0)["fid"]["value"] == pytest.approx(4, rel=1e-3)
    ones = np.full_like(sample.showers, 9)
    assert compared(study, ones, 0)["by label"] == {"0": 0.0, "1": 1.0}


def test_digits_from_idx_files_to_table_and_pictures(tmp_path, monkeypatch, capsys) -> None:
    import images

    source = tmp_path / "idx"
    source.mkdir()
    write_idx(source, "train", 300, seed=1)
    write_idx(source, "t10k", 60, seed=2)
    places = {
        "RESULTS": tmp_path / "results",
        "TABLE": tmp_path / "mnist.md",
        "CLASSES": tmp_path / "classes.png",
        "INTERPOLATIONS": tmp_path / "ways.png",
    }
    for name, place in places.items():
        monkeypatch.setattr(images, name, place)
    arguments = (source, "--work", tmp_path / "work", "--steps", 2, "--seeds", 1)
    call(monkeypatch, "mnist", *arguments)
    # A try never touches what is committed.
    assert not any(place.exists() for place in places.values())
    tried = tmp_path / "work" / "2-steps"
    table = (tried / "mnist.md").read_text()
    for name in ("cond VAE", "cond WAE", "cond e2e SAE †", "cond DCGAN", "original data"):
        assert f"| {name} | 1 |" in table
    assert "† Not the loss of the paper: energy score of codes (weight 10), codes norm" in table
    assert "conditions of weight 50 in the cost of transport." in table
    assert "`python validation/images.py mnist FOLDER --steps 2`" in table
    assert "60 images against 60 test digits, features: 84 of mnist-v1" in table
    assert "cond e2e SAE 2" in table
    for picture in ("classes", "interpolations"):
        assert least_side(tried / f"mnist-{picture}.png") > 100
    found = json.loads((tried / "results" / "mnist-vae-0.json").read_text())
    assert found["run file"]["train"]["steps"] == 2
    assert found["training core-seconds"] > 0
    assert set(found["by label"]) == set("0123456789")

    # What is there is not made again: neither runs with a JSON, nor models without one.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.toml")}
    (tried / "results" / "mnist-vae-0.json").unlink()
    call(monkeypatch, "mnist", *arguments)
    again = json.loads((tried / "results" / "mnist-vae-0.json").read_text())
    assert again["fid"] == found["fid"]
    assert {path: path.stat().st_mtime_ns for path in before} == before

    capsys.readouterr()
    call(monkeypatch, "mnist", "--table", "--steps", 2, "--work", tmp_path / "work")
    assert "| cond VAE | 1 |" in capsys.readouterr().out

    # Other digits are not taken for these.
    write_idx(source, "t10k", 60, seed=3)
    line = refused(monkeypatch, capsys, "mnist", *arguments)
    assert f"mnist-test.h5: was not made of what is in {source}" in line


def test_faces_from_pictures_and_a_network_of_the_user(tmp_path, monkeypatch) -> None:
    from image_samples import face_files

    draw_faces(tmp_path / "faces", 40)
    work = tmp_path / "work"
    call(
        monkeypatch,
        "celeba",
        tmp_path / "faces",
        "--network",
        write_onnx(tmp_path / "sums.onnx"),
        "--work",
        work,
        "--steps",
        1,
        "--only",
        "faces-vae",
        "faces-e2e-sae",
    )
    draw_faces(tmp_path / "others", 39)
    with pytest.raises(SystemExit, match=r"faces.h5: was not made of what is in .*others"):
        face_files(tmp_path / "others", work)
    work = work / "1-steps"
    table = (work / "celeba.md").read_text()
    assert "--network NET.onnx --steps 1`" in table
    assert "| VAE | 1 |" in table
    assert "| 55 |" in table
    assert "| e2e SAE † | 1 |" in table
    assert "8 images against 8 held-out faces, features: 10 of sums.onnx" in table
    assert "read as wanted" not in table
    assert "| original data | 1 |" in table  # whatever --only says: the footnote is of it
    assert "Of 8 images FID comes out larger than of more: the published column" in table
    figures = {
        path.stem: json.loads(path.read_text())["fid"]["value"]
        for path in (work / "results").glob("*.json")
    }
    assert figures["original-data-0"] < figures["faces-vae-0"]
    assert least_side(work / "faces.png") > 100
    assert "faces" not in " ".join(str(p) for p in (VALIDATION / "results").iterdir())


@pytest.fixture
def study(tmp_path) -> object:
    """A study without images: what is there decides what is made."""
    from image_study import Study

    none = np.zeros
    images = {"train": "abc", "test": "def"}
    results = tmp_path / "results"
    results.mkdir()
    return Study(
        tmp_path / "train.h5", none, none, "a network", none, tmp_path, results, images
    )


def test_results_of_other_settings_or_images_are_not_taken(study) -> None:
    from image_study import finished, wanted_run

    def write(**changes: object) -> None:
        run = wanted_run(study, "mnist-vae", 0, ("train.steps=2",)).as_dict()
        run["data"]["train"] = "/elsewhere/train.h5"
        found = {"features": "3 of a network", "images": study.images, "run file": run}
        study.result("mnist-vae", 0).write_text(json.dumps(found | changes))

    tried, whole = ("train.steps=2",), ()
    assert not finished(study, "mnist-vae", 0, tried)
    write()
    assert finished(study, "mnist-vae", 0, tried)
    assert not finished(study, "mnist-vae", 0, whole)
    assert not finished(study, "mnist-vae", 0, (*tried, "model.latent_dim=3"))
    write(images={"train": "abc", "test": "other"})
    assert not finished(study, "mnist-vae", 0, tried)
    write(features="3 of another network")
    assert not finished(study, "mnist-vae", 0, tried)
    write(**{"run file": {"model": {"name": "of-another-version"}}})
    assert not finished(study, "mnist-vae", 0, tried)


def test_models_of_other_settings_or_images_are_trained_anew(study, monkeypatch) -> None:
    from image_study import trained

    import caloforge.training.bundle
    import caloforge.training.run

    made = []

    def train(run, folder: Path, *, force: bool) -> None:
        assert force
        made.append(run)
        (folder / "bundle").mkdir(parents=True, exist_ok=True)
        (folder / "bundle" / "bundle.json").write_text(json.dumps({"run": run.as_dict()}))
        manifest = {"data": {"sha256": study.images["train"]}}
        (folder / "manifest.json").write_text(json.dumps(manifest))

    def read_table(folder: Path) -> dict:
        return json.loads((folder / "bundle.json").read_text())

    monkeypatch.setattr(caloforge.training.run, "train", train)
    monkeypatch.setattr(caloforge.training.bundle, "read_table", read_table)
    tried, whole = ("train.steps=2",), ()
    for settings, expected in ((tried, 1), (tried, 1), (whole, 2), (whole, 2)):
        trained(study, "mnist-vae", 0, settings)
        assert len(made) == expected
    study.images["train"] = "other"
    trained(study, "mnist-vae", 0, whole)
    assert len(made) == 3


def test_a_damaged_file_does_not_hide_the_good_one_beside_it(tmp_path, monkeypatch) -> None:
    import gzip
    import hashlib

    from image_samples import one_of

    from caloforge.formats.images import idx_sets

    write_idx(tmp_path, "train", 20, seed=1)
    plain = tmp_path / "train-images-idx3-ubyte"
    packed = tmp_path / f"{plain.name}.gz"
    content = plain.read_bytes()
    packed.write_bytes(gzip.compress(content))
    assert one_of(tmp_path, "train-images") == plain
    plain.write_bytes(content[:-5])
    assert one_of(tmp_path, "train-images") == packed
    plain.write_bytes(content[:-1] + b"x")
    with pytest.raises(SystemExit, match="with other contents, expected one"):
        one_of(tmp_path, "train-images")
    known = {hashlib.sha256(content).hexdigest(): idx_sets.MNIST[0]}
    monkeypatch.setattr(idx_sets, "CANONICAL", known)
    assert one_of(tmp_path, "train-images") == packed
    packed.unlink()
    plain.write_bytes(content[:-5])
    with pytest.raises(SystemExit, match="cut off"):
        one_of(tmp_path, "train-images")


def test_the_table_of_the_docs_is_that_of_the_results(tmp_path) -> None:
    import images
    from image_tables import write_table

    runs = [json.loads(path.read_text()) for path in images.RESULTS.glob("*.json")]
    assert {(run["n"], run["features"]) for run in runs} == {(10_000, "84 of mnist-v1")}
    floor = max(run["fid"]["value"] for run in runs if run["run"] == images.ORIGINAL)
    assert all(run["fid"]["value"] > floor for run in runs if run["run"] != images.ORIGINAL)
    path = tmp_path / "mnist.md"
    write_table(
        images.RESULTS, path, images.MNIST, command=images.MNIST_COMMAND, of="test digits"
    )
    assert path.read_text() == images.TABLE.read_text()


def test_no_folder_and_no_digits_are_told(tmp_path, monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit) as found:
        call(monkeypatch, "mnist")
    assert found.value.code == 2
    assert "found no folder of images" in capsys.readouterr().err


@pytest.fixture
def nothing_there(tmp_path, monkeypatch) -> Path:
    """An empty folder to work in, with a network, faces and digits beside it."""
    draw_faces(tmp_path / "faces", 12)
    write_onnx(tmp_path / "sums.onnx")
    (tmp_path / "own.toml").write_text('[model]\nname = "vae"\n')
    for prefix, folder in (("train", "idx"), ("t10k", "idx"), ("train", "half")):
        (tmp_path / folder).mkdir(exist_ok=True)
        write_idx(tmp_path / folder, prefix, 20, seed=1)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("celeba ../faces --network nothere.onnx", "nothere.onnx: found no such file"),
        ("celeba ../faces --network ../own.toml", "own.toml: found no network that onnxrun"),
        ("celeba ../faces --network ../sums.onnx --only faces-xae", "found 'faces-xae', expe"),
        ("celeba ../faces --network ../sums.onnx --only vae", "did you mean 'faces-vae'?"),
        ("celeba ../faces --network ../sums.onnx --seeds 0", "--seeds: found 0, expected 1"),
        ("celeba ../faces --network ../sums.onnx --steps -3", "--steps: found -3, expected 0"),
        ("celeba nofolder --network ../sums.onnx", "nofolder: found no folder, expected one"),
        ("celeba ../half --network ../sums.onnx", "half: found images of 'mnist', expected th"),
        ("celeba ../here --network ../sums.onnx", "here: "),
        ("mnist nofolder", "nofolder: found no file train-images-idx*, expected MNIST's four"),
        ("mnist ../half", "half: found no file t10k-images-idx*"),
        ("mnist ../faces", "get them with caloforge fetch mnist"),
        ("mnist ../idx --only zn-vae", "--only: found 'zn-vae', expected rows of the table; "),
        ("mnist --table --steps 3", "found no results, expected one JSON a run"),
    ],
)
def test_what_cannot_be_made_is_one_line_and_leaves_nothing(
    words, message, nothing_there, monkeypatch, capsys
) -> None:
    assert message in refused(monkeypatch, capsys, *words.split())
    assert not list((nothing_there / "here").iterdir())


def test_too_few_faces_and_a_foreign_network_leave_nothing(
    nothing_there, monkeypatch, capsys
) -> None:
    draw_faces(nothing_there / "few", 9)
    words = ("celeba", "../few", "--network", "../sums.onnx")
    assert "few: found 9 images, expected at least 10" in refused(monkeypatch, capsys, *words)
    model = onnx.load(nothing_there / "sums.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 28
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 28
    onnx.save(model, nothing_there / "sums.onnx")
    words = ("celeba", "../faces", "--network", "../sums.onnx")
    assert "sums.onnx: found " in refused(monkeypatch, capsys, *words)
    assert not list((nothing_there / "here").iterdir())


@pytest.mark.parametrize("name", ["faces-wae", "faces-bigwae"])
def test_the_wae_of_faces_learns_as_its_paper_says(name: str) -> None:
    run = load_run(name)
    found = (run.train.optimizer, run.train.learning_rate, run.train.beta1)
    assert found == ("adam", 1e-3, 0.5)
    assert (run.model.latent_dim, run.model.prior_weight, run.train.epochs) == (64, 100, 55)


@pytest.mark.parametrize("name", [n for n in run_names() if n.startswith("faces-")])
def test_models_of_faces_make_colour_pictures(name: str) -> None:
    import torch

    run = load_run(name)
    geometry = load_geometry("faces-64")
    spec = ShowerSpec.of(geometry, 0)
    model = run.model.build(spec).eval()
    with torch.no_grad():
        noise = torch.randn((2, model.noise_dim), generator=torch.Generator().manual_seed(0))
        cells = model.sample(torch.zeros((2, 0)), noise)
    assert cells.shape == (2, 3 * 64 * 64)
    assert cells.min() >= 0
    assert cells.max() <= 255
    assert not run.data.conditions

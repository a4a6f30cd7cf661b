"""The trained model as files: safetensors weights, JSON beside them, a card for people.

A bundle is a folder with ``weights.safetensors``, ``bundle.json``, ``run.toml`` and
``README.md``. Nothing in it is a pickle. docs/bundle.md lists the keys of the JSON.
`caloforge.training.bundle_names` says which folder a name or path means.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from caloforge.config import RunConfig, run_from_tables
from caloforge.data.far_light import FarLight
from caloforge.data.features import ConditionSet
from caloforge.data.transforms import CellFrame
from caloforge.errors import BundleError, CaloforgeError
from caloforge.geometry import DetectorGeometry
from caloforge.nn import ShowerSpec
from caloforge.output import new_file, new_folder
from caloforge.training.bundle_names import bundle_folder
from caloforge.training.card import model_card
from caloforge.training.provenance import provenance
from caloforge.training.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from caloforge.types import ShowerGenerator

FORMAT = "caloforge-bundle"
VERSION = 1


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained model with all that is needed to use it.

    Attributes:
        model: The network, in evaluation mode.
        run: The run file that made it.
        spec: Sizes of showers and conditions.
        conditions: Features with their scaling and trained range.
        frame: The model's frame of cells, with the detector.
        info: Everything else in ``bundle.json``: data, training, metrics, versions.
        storage: What is stored of the weights.
        weights_sha256: Checksum of the weights' file; empty for a model that was not read.
    """

    model: nn.Module
    run: RunConfig
    spec: ShowerSpec
    conditions: ConditionSet
    frame: CellFrame
    info: Mapping[str, Any]
    storage: Storage = field(default_factory=Storage)
    weights_sha256: str = ""

    @property
    def geometry(self) -> DetectorGeometry:
        """The detector."""
        return self.frame.geometry

    @property
    def generator(self) -> ShowerGenerator:
        """The model, as what it promises to be."""
        return cast("ShowerGenerator", self.model)


def build_model(run: RunConfig, spec: ShowerSpec) -> nn.Module:
    """Make the untrained model of a run."""
    return run.model.build(spec)


def write_bundle(
    folder: str | Path,
    bundle: Bundle,
    *,
    force: bool,
) -> Path:
    """Write a bundle.

    Arguments:
        folder: Folder to be filled.
        bundle: What to write.
        force: Whether an existing bundle may be replaced.

    Returns:
        The folder.

    Raises:
        OutputError: If the folder exists and ``force`` is not given, or cannot be written.
    """
    folder = new_folder(folder, force=force)
    light = bundle.frame.far_light
    weights = save_tensors(bundle.storage.packed(bundle.model.state_dict()))
    table = {
        "format": FORMAT,
        "version": VERSION,
        "run": bundle.run.as_dict(),
        "spec": bundle.spec.as_dict(),
        "conditions": bundle.conditions.as_dict(),
        "geometry": bundle.geometry.as_dict(),
        "far_light": light.as_dict() if light else None,
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        **bundle.storage.as_dict(),
        "n_parameters": sum(p.numel() for p in bundle.model.parameters()),
        "provenance": provenance(),
        **bundle.info,
    }
    for name, content in (
        ("weights.safetensors", weights),
        ("run.toml", bundle.run.to_toml().encode()),
    ):
        with new_file(folder / name, force=True) as path:
            path.write_bytes(content)
    _write_texts(folder, table)
    return folder


def _write_texts(folder: Path, table: Mapping[str, Any]) -> None:
    for name, content in (
        ("README.md", model_card(table)),
        # Last: it names the hash of the weights, so a bundle that was cut off is refused.
        ("bundle.json", json.dumps(table, indent=1) + "\n"),
    ):
        with new_file(folder / name, force=True) as path:
            path.write_text(content, encoding="utf-8")


def read_bundle(folder: str | Path) -> Bundle:
    """Read a bundle.

    Arguments:
        folder: Folder that `write_bundle` filled, a run folder that has it in ``bundle/``, or
            the name of a bundle that comes with caloforge.

    Raises:
        BundleError: If there is none, or it is damaged, foreign, or of a newer version.
    """
    folder = bundle_folder(folder)
    table = read_table(folder)
    weights_path = folder / "weights.safetensors"
    try:
        weights = weights_path.read_bytes()
    except OSError as error:
        msg = f"{weights_path}: cannot be read ({error.strerror}); copy the whole bundle again"
        raise BundleError(msg) from error
    digest = hashlib.sha256(weights).hexdigest()
    if digest != table.get("weights_sha256"):
        msg = (
            f"{weights_path}: is not the file that bundle.json describes (SHA-256 differs); "
            "it is damaged or of another bundle: copy the whole bundle again"
        )
        raise BundleError(msg)
    try:
        geometry = DetectorGeometry.from_dict(table["geometry"], source=f"{folder} geometry")
        run = run_from_tables(table["run"], source=f"{folder} run")
        spec = ShowerSpec.from_dict(table["spec"], geometry)
        conditions = ConditionSet.from_dict(table["conditions"])
        light = FarLight.from_dict(table["far_light"]) if table["far_light"] else None
        frame = CellFrame(geometry, run.data.centre_on_impact, light)
        model = build_model(run, spec)
        storage = Storage.from_dict(table)
        model.load_state_dict(storage.unpacked(load_tensors(weights), model.state_dict()))
    except CaloforgeError as error:
        msg = f"{folder}: cannot be used ({error})"
        raise BundleError(msg) from error
    except (
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        RuntimeError,
        SafetensorError,
    ) as error:
        msg = f"{folder}: bundle.json does not fit the weights ({_line(error)}); train again"
        raise BundleError(msg) from error
    own = {"format", "version", "run", "spec", "conditions", "geometry", "far_light"}
    own |= {"weights_sha256", "weights_dtype", "left_out"}
    info = {key: value for key, value in table.items() if key not in own}
    return Bundle(model.eval(), run, spec, conditions, frame, info, storage, digest)


def add_metrics(folder: str | Path, metrics: Mapping[str, Any]) -> None:
    """Add what an evaluation found to a bundle's JSON and card.

    Arguments:
        folder: Folder of a bundle.
        metrics: Text or numbers by name; those of equal name are replaced.

    Raises:
        BundleError: If there is no bundle.
    """
    folder = Path(folder)
    table = read_table(folder)
    table["metrics"] = {**table.get("metrics", {}), **metrics}
    _write_texts(folder, table)


def read_table(folder: Path) -> dict[str, Any]:
    """Read ``bundle.json`` alone: what `caloforge info` shows of a bundle.

    Raises:
        BundleError: If it is missing, damaged, foreign, or of a newer version.
    """
    path = folder / "bundle.json"
    if not path.is_file():
        what = "no such folder" if not folder.exists() else "found no bundle.json in it"
        msg = f"{folder}: {what}, expected a bundle; train one with 'caloforge train'"
        raise BundleError(msg)
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(table, dict) or table.get("format") != FORMAT:
            msg = f"{path}: written by another program, expected format '{FORMAT}'"
            raise BundleError(msg)
        version = table.get("version")
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        msg = f"{path}: damaged, not valid JSON; copy the whole bundle again"
        raise BundleError(msg) from error
    if not isinstance(version, int) or version > VERSION:
        msg = (
            f"{path}: found version {version}, this caloforge reads up to {VERSION}; "
            "update caloforge"
        )
        raise BundleError(msg)
    return table


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]

"""FID: Frechet distance of the features of a network trained on full simulation.

The networks that come with caloforge (``networks/NAME-v1.safetensors`` with a JSON card) were
trained by ``validation/feature_networks.py`` to tell kind, energy and impact of the incident
particle from its shower, that of digits by ``validation/digit_network.py`` to read them. They
are no generator and know nothing of any. A user's own network comes as an ONNX file. Weights
are tensors only: nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from caloforge.errors import DataFormatError
from caloforge.geometry import DetectorGeometry, GridLayout
from caloforge.metrics.figures import Definition, Figure, Finding
from caloforge.metrics.multivariate.frechet import fewer_draws, frechet_replicas
from caloforge.metrics.multivariate.onnx_features import onnx_features
from caloforge.metrics.statistics.bootstrap import draw_counts
from caloforge.metrics.statistics.draws import make_figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import nn

    from caloforge.metrics.samples.trial import Trial
    from caloforge.metrics.settings import Settings

    Array = NDArray[np.float64]

FID = Definition(
    name="fid",
    label="FID",
    group="talk",
    unit="",
    ideal="floor",
    range="0 upwards",
    meaning=(
        "Frechet distance of the features that a network trained on full simulation finds in "
        "the cells, each in standard deviations of its training; large is bad. The target "
        "names the network."
    ),
    source="Heusel et al. (2017), arXiv 1706.08500; networks: docs/metrics-multivariate.md",
    bias="Upwards, about c/n with the same c for floor and generator: compare at equal n only.",
    blind=(
        "What the network did not need for its task; everything beyond means and covariances "
        "of its features; conditions. Figures of different networks do not compare."
    ),
    headline=True,
)
DEFINITIONS = (FID,)

N_FEATURES = 32
# Of pictures (cells with a largest value): the last hidden layer of LeNet.
N_PICTURE_FEATURES = 84
_BATCH = 500
_HEAD = "head."


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network with what it was made from.

    Attributes:
        name: Of the file, e.g. ``"zn-v1"``.
        card: Content of the JSON card.
        module: Maps showers ``(batch, cell)`` to standardised features ``(batch, feature)``.
        head: Weight ``(class, feature)`` and bias of the layer that reads classes off them, of
            networks that were trained for nothing else.
    """

    name: str
    card: Mapping[str, Any]
    module: nn.Module
    head: tuple[Array, Array] | None = None

    def features(self, showers: NDArray[Any]) -> Array:
        """Features of showers ``(n, cell)`` in batches, ``(n, feature)``."""
        import torch

        result = np.empty((len(showers), feature_count(self.geometry())))
        with torch.no_grad():
            for start in range(0, len(showers), _BATCH):
                part = np.asarray(showers[start : start + _BATCH], dtype=np.float32)
                result[start : start + _BATCH] = self.module(torch.from_numpy(part)).numpy()
        return result

    def classes(self, features: Array) -> NDArray[np.int64]:
        """The class that the network reads off features ``(n, feature)``, ``(n,)``.

        Raises:
            DataFormatError: If it was not trained to tell classes.
        """
        if self.head is None:
            msg = (
                f"{self.name}: found a network without classes, expected one; networks of "
                "pictures have them"
            )
            raise DataFormatError(msg)
        weight, bias = self.head
        found: NDArray[np.int64] = (features @ weight.T + bias).argmax(axis=1)
        return found

    def geometry(self) -> DetectorGeometry:
        """The cells that it knows."""
        return DetectorGeometry.from_dict(self.card["geometry"], source=self.name)


def is_picture(geometry: DetectorGeometry) -> bool:
    """Whether cells are grey values or colours: a grid with a largest value."""
    return isinstance(geometry.layout, GridLayout) and geometry.maximum is not None


def feature_count(geometry: DetectorGeometry) -> int:
    """Features that the network of a detector has."""
    return N_PICTURE_FEATURES if is_picture(geometry) else N_FEATURES


def trunk(geometry: DetectorGeometry, scale: float) -> nn.Module:
    """Untrained network from showers ``(batch, cell)`` to features ``(batch, feature)``.

    Arguments:
        geometry: A grid, or a cylinder whose layers all have the same sectors and rings.
        scale: Response that is about 1 in the first layer: the input is log(1 + cell / scale);
            of pictures, the largest value: the input is cell / scale.

    Raises:
        DataFormatError: If the cells are neither.
    """
    from torch import nn

    from caloforge.metrics.multivariate.feature_layers import GridInput, RegularInput, flat_size

    layers: list[nn.Module]
    if isinstance(geometry.layout, GridLayout) and is_picture(geometry):
        return _lenet(geometry.layout, scale)
    if isinstance(geometry.layout, GridLayout):
        layers = [
            GridInput(geometry.layout.cells, scale),
            nn.Conv2d(1, 12, 5, stride=2, padding=2),
            nn.SiLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(24, 32, 3, stride=2, padding=1),
            nn.SiLU(),
        ]
    else:
        shapes = {layer.shape for layer in geometry.layout.layers}
        if len(shapes) != 1:
            msg = (
                f"geometry '{geometry.name}': found layers of different cells, expected equal "
                "ones for a feature network; give an ONNX file"
            )
            raise DataFormatError(msg)
        n_layers = len(geometry.layout.layers)
        layers = [
            RegularInput((n_layers, *shapes.pop()), scale),
            nn.Conv2d(n_layers, 32, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(32, 32, 3, stride=2, padding=1),
            nn.SiLU(),
        ]
    size = flat_size(nn.Sequential(*layers), geometry.n_cells)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(size, N_FEATURES), nn.SiLU())


def _lenet(layout: GridLayout, scale: float) -> nn.Module:
    """Network for pictures, after LeNet-5 (LeCun et al., 1998), with ReLU and maximum pools."""
    from torch import nn

    from caloforge.metrics.multivariate.feature_layers import PictureInput, flat_size

    layers = nn.Sequential(
        PictureInput(layout.cells, scale),
        nn.Conv2d(1, 10, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(10, 20, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    return nn.Sequential(
        *layers,
        nn.Linear(flat_size(layers, layout.n_cells), 120),
        nn.ReLU(),
        nn.Linear(120, N_PICTURE_FEATURES),
        nn.ReLU(),
    )


def network_names() -> tuple[str, ...]:
    """Names of the networks that come with caloforge, e.g. ``"zn-v1"``."""
    return tuple(sorted(path.stem for path in _folder().glob("*.safetensors")))


def load_network(name: str) -> FeatureNetwork:
    """Load a network that comes with caloforge, and check it against its card.

    Raises:
        DataFormatError: If the file is not the one of the card.
    """
    path = _folder() / f"{name}.safetensors"
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != card["sha256"]:
        msg = (
            f"{path}: found SHA-256 {digest[:12]}..., expected {card['sha256'][:12]}... as on "
            "its card; install caloforge again"
        )
        raise DataFormatError(msg)
    from safetensors.torch import load

    from caloforge.metrics.multivariate.feature_layers import Standardise

    geometry = DetectorGeometry.from_dict(card["geometry"], source=str(path))
    module = Standardise(trunk(geometry, card["scale"]), feature_count(geometry))
    tensors = load(content)
    head = {key: tensors.pop(key).numpy() for key in list(tensors) if key.startswith(_HEAD)}
    module.load_state_dict(tensors)
    of_head = (head[f"{_HEAD}weight"], head[f"{_HEAD}bias"]) if head else None
    return FeatureNetwork(name, card, module.eval(), of_head)


def network_of(geometry: DetectorGeometry) -> FeatureNetwork | None:
    """The newest network for the same cells, if there is one."""
    for name in reversed(network_names()):
        card = json.loads((_folder() / f"{name}.json").read_text(encoding="utf-8"))
        own = DetectorGeometry.from_dict(card["geometry"], source=name)
        if own.same_cells(geometry):
            return load_network(name)
    return None


def fid_section(trial: Trial, settings: Settings, rng: np.random.Generator) -> Finding:
    """FID with the network of the detector, and with the user's, if there are such."""
    found: list[tuple[str, list[Array], str]] = []
    network = network_of(trial.geometry)
    if network is not None:
        tables = [network.features(side.showers) for side in trial.sides]
        n_features, data = tables[0].shape[1], network.card["data"]
        note = f"{n_features} features of {network.name}, trained on {data}"
        found.append((network.name, tables, note))
    if settings.network is not None:
        path = Path(settings.network)
        tables = onnx_features(path, [side.showers for side in trial.sides], trial.geometry)
        found.append((path.stem, tables, f"{tables[0].shape[1]} features of {path.name}"))
    if not found:
        note = (
            f"no feature network for the cells of '{trial.geometry.name}': networks exist for "
            f"{', '.join(network_names())}; give one as ONNX file"
        )
        return Finding(
            [Figure(FID.name, "", s.name, None, None, 0, note=note) for s in trial.generated]
        )
    counts = draw_counts(trial.n_particles, settings.n_bootstrap, rng)
    n = len(trial.draw(rng).reference)
    n_draws = fewer_draws(trial, settings)
    figures: list[Figure] = []
    for target, tables, note in found:
        replicas = frechet_replicas(trial, tables, counts, n_draws=n_draws, rng=rng)
        figures += make_figures(FID, trial, replicas, [target], [""], n=n, note=note)
    return Finding(figures)


def _folder() -> Path:
    """Folder of the networks: caloforge is installed as files, never run from an archive."""
    return Path(str(resources.files("caloforge.metrics.multivariate") / "networks"))

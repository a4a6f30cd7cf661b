"""FID: Frechet distance of the features of a network trained on full simulation.

The networks that come with caloforge (``networks/NAME-v1.safetensors`` with a JSON card) were
trained by ``validation/feature_networks.py`` to tell kind, energy and impact of the incident
particle from its shower. They are no generator and know nothing of any. A user's own network
comes as an ONNX file. Weights are tensors only: nothing is unpickled.
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
_BATCH = 500


@dataclass(frozen=True, eq=False)
class FeatureNetwork:
    """A network with what it was made from.

    Attributes:
        name: Of the file, e.g. ``"zn-v1"``.
        card: Content of the JSON card.
        module: Maps showers ``(batch, cell)`` to standardised features ``(batch, 32)``.
    """

    name: str
    card: Mapping[str, Any]
    module: nn.Module

    def features(self, showers: NDArray[Any]) -> Array:
        """Features of showers ``(n, cell)`` in batches, ``(n, 32)``."""
        import torch

        result = np.empty((len(showers), N_FEATURES))
        with torch.no_grad():
            for start in range(0, len(showers), _BATCH):
                part = np.asarray(showers[start : start + _BATCH], dtype=np.float32)
                result[start : start + _BATCH] = self.module(torch.from_numpy(part)).numpy()
        return result


def trunk(geometry: DetectorGeometry, scale: float) -> nn.Module:
    """Untrained network from showers ``(batch, cell)`` to features ``(batch, 32)``.

    Arguments:
        geometry: A grid, or a cylinder whose layers all have the same sectors and rings.
        scale: Response that is about 1 in the first layer: the input is log(1 + cell / scale).

    Raises:
        DataFormatError: If the cells are neither.
    """
    from torch import nn

    from caloforge.metrics.multivariate.feature_layers import GridInput, RegularInput, flat_size

    if isinstance(geometry.layout, GridLayout):
        layers: list[nn.Module] = [
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
    module = Standardise(trunk(geometry, card["scale"]), N_FEATURES)
    module.load_state_dict(load(content))
    return FeatureNetwork(name, card, module.eval())


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
        note = f"{N_FEATURES} features of {network.name}, trained on {network.card['data']}"
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

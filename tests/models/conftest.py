"""Every model on every kind of detector. A new model gets all of it by one row in `ROWS`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from caloforge.data import ShowerSample
from caloforge.data.features import ConditionSet
from caloforge.data.feeding.dataset import ShowerDataset
from caloforge.data.track_light import TrackLight
from caloforge.data.transforms import CellFrame
from caloforge.geometry import DetectorGeometry, GridLayout, load_geometry
from caloforge.models import MODELS, ModelConfig
from caloforge.nn import ShowerSpec
from caloforge.types import ShowerBatch

CONDITIONS = ("log_energy", "x_cm", "y_cm", "kind")


@dataclass(frozen=True)
class Row:
    """How a model is tested.

    Attributes:
        model: Its name in `MODELS`.
        settings: What makes it small, or a variant; widths of networks come by themselves.
        steps: Steps that it needs for what it learns from the toys.
        noisy_encoder: Whether its codes have noise by default.
        fluctuates: Whether it learns how showers of a condition differ.
        cells: Cell heads that it refuses, and what is taken instead.
        networks: Networks that it does not know, and what is taken instead.
        certain: Phases whose objective draws nothing.
        shapes: Whether it is tested with a decoder of shapes.
    """

    model: str
    settings: dict[str, Any]
    steps: int = 250
    noisy_encoder: bool = False
    fluctuates: bool = True
    cells: tuple[tuple[str, str], ...] = ()
    networks: tuple[tuple[str, str], ...] = ()
    certain: tuple[str, ...] = ()
    shapes: bool = False


CODED = {"latent_dim": 3}
NOISED = {"noise_dim": 4, "noise_width": 8, "condition_width": 8, "noise_hidden": (16,)}
FLOW = {"couplings": 2, "flow_hidden": (16,)}
PAPER = {"code_noise": 0.0, "energy_weight": 0.0, "region_weight": 0.0}
LEVELS = (("conv", "unet"), ("upsampling", "unet"))
ROUNDED = (("poisson", "log1p"), ("negative-binomial", "log1p"), ("deposits", "log1p"))
JUDGED = (("negative-binomial", "poisson"), ("deposits", "log1p"))
ROWS = {
    "e2e-sae": Row("e2e-sae", CODED | NOISED, noisy_encoder=True, shapes=True),
    "e2e-sae-paper": Row(
        "e2e-sae",
        CODED | NOISED | PAPER | {"codes": "relu", "conditioned": False, "epsilon": 0.1},
        steps=400,
        shapes=True,
    ),
    "vae": Row("vae", CODED, noisy_encoder=True, shapes=True),
    "latent-flow": Row("latent-flow", CODED | FLOW, noisy_encoder=True),
    "latent-flow-apart": Row(
        "latent-flow", CODED | FLOW | {"joint": False}, noisy_encoder=True
    ),
    "latent-flow-matching": Row("latent-flow-matching", CODED, noisy_encoder=True),
    "latent-flow-matching-shortcut": Row(
        "latent-flow-matching",
        CODED | {"shortcut": True, "steps": 1, "coupling": "transport"},
        noisy_encoder=True,
    ),
    "flow-matching": Row("flow-matching", {"steps": 4}, steps=600, networks=LEVELS),
    "flow-matching-rounded": Row(
        "flow-matching",
        {"rounding": "dequantised", "steps": 4},
        cells=ROUNDED,
        networks=LEVELS,
    ),
    "wae": Row("wae", CODED | {"condition_weight": 1.0, "prior_weight": 30.0}),
    "wae-h": Row("wae", CODED | {"prior": "sphere"}),
    "swae": Row("swae", CODED),
    "swae-h": Row("swae", CODED | {"prior": "sphere"}),
    "cwae": Row("cwae", CODED),
    "cwae-2": Row("cwae", {"latent_dim": 2}),
    "sae": Row("sae", CODED | {"condition_weight": 1.0}),
    "sae-h": Row("sae", CODED | {"prior": "sphere"}, shapes=True),
    "dcgan": Row("dcgan", {"noise_dim": 3}, steps=800, cells=JUDGED),
    "sdi-gan": Row(
        "sdi-gan",
        {"noise_dim": 3, "spread_hidden": (16,)},
        steps=800,
        cells=JUDGED,
        certain=("spread", "auxiliary"),
    ),
    "regression": Row("regression", {}, fluctuates=False, certain=("regression",)),
    "channel-regressor": Row(
        "channel-regressor", {"noise_dim": 4, "hidden": (16,)}, certain=("shape",)
    ),
}
WIDTHS = {
    "mlp": {
        "encoder": (16,),
        "decoder": (16,),
        "generator": (16,),
        "discriminator": (16,),
        "regressor": (16,),
        "widths": (16, 16),
        "velocity": (16, 16),
    },
    "shapes": {"encoder": (16,), "decoder": (16, 8)},
    "conv": {
        "encoder": (4, 8),
        "decoder": (16, 8, 4),
        "generator": (16, 8, 4),
        "discriminator": (4, 8, 8),
        "regressor": (4, 8),
        "widths": (4, 8),
        "velocity": (16, 16),
        "batch_norm": True,
    },
    "upsampling": {
        "encoder": (4, 8),
        "decoder": (16, 8, 4),
        "generator": (16, 8, 4),
        "discriminator": (4, 8, 8),
        "regressor": (4, 8),
        "widths": (4, 8),
        "velocity": (16, 16),
    },
}
# Detector, network and cells. Grids of odd and even sizes, square and not.
CASES = [
    ("zn", "mlp", "poisson"),
    ("zn", "conv", "poisson"),
    ("zn", "upsampling", "log1p"),
    ("zp", "mlp", "negative-binomial"),
    ("zp", "conv", "poisson"),
    ("zp", "shapes", "negative-binomial"),
    ("zn", "shapes", "tracks"),
    ("zp", "upsampling", "negative-binomial"),
    ("cylinder", "mlp", "log1p"),
    ("cylinder", "mlp", "deposits"),
    ("cylinder", "shapes", "deposits"),
    ("cylinder", "shapes", "deposit-tracks"),
    ("images", "mlp", "bounded"),
    ("images", "conv", "bounded"),
    ("images", "upsampling", "bounded"),
]


def config_of(name: str, network: str = "mlp", cells: str = "poisson") -> ModelConfig:
    """Small settings of a row for a network."""
    row = ROWS[name]
    kind = MODELS[row.model]
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    widths = {key: value for key, value in WIDTHS[network].items() if key in known}
    cells = dict(row.cells).get(cells, cells)
    network = dict(row.networks).get(network, network)
    return kind(network=network, cells=cells, **widths, **row.settings)  # type: ignore[call-arg]


@dataclass(frozen=True, eq=False)
class Showers:
    """A few showers of a detector, as models get them."""

    sample: ShowerSample
    conditions: ConditionSet
    batch: ShowerBatch
    spec: ShowerSpec

    @classmethod
    def of(cls, sample: ShowerSample, names: tuple[str, ...]) -> Showers:
        conditions = ConditionSet.fit(names, sample.particles, sample.geometry)
        batch = ShowerDataset(sample, conditions).batch(np.arange(len(sample)))
        tracks = TrackLight(1.2, 0.6, 1.2)
        spec = ShowerSpec.of(sample.geometry, conditions.dim, batch=batch, tracks=tracks)
        return cls(sample, conditions, batch, spec)

    @property
    def geometry(self) -> DetectorGeometry:
        return self.sample.geometry

    @property
    def frame(self) -> CellFrame:
        return CellFrame(self.geometry, centre_on_impact=False)

    def build(self, config: ModelConfig):
        """The untrained model; equal settings give equal weights."""
        torch.manual_seed(0)
        return config.build(self.spec)

    def noise(self, dim: int, seed: int = 1) -> torch.Tensor:
        rng = torch.Generator().manual_seed(seed)
        return torch.randn(len(self.batch.showers), dim, generator=rng)


@pytest.fixture(scope="session")
def showers_of(toy_cylinder, toy_sample):
    """Showers of a kind of detector: ``showers_of("zn")``, with other conditions if given."""
    grey = DetectorGeometry(
        name="grey",
        title="Images",
        layout=GridLayout((28, 28), (0.1, 0.1)),
        unit="grey",
        counts=True,
        maximum=255.0,
    )

    @cache
    def make(detector: str, names: tuple[str, ...] = CONDITIONS) -> Showers:
        geometry = {"cylinder": toy_cylinder, "images": grey}.get(detector)
        sample = toy_sample(geometry or load_geometry(detector), 24)
        if detector == "images":
            sample = replace(sample, showers=np.minimum(sample.showers, 255))
        return Showers.of(sample, names)

    return make


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give ``case`` every model in every case, ``name`` every model."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize(
            "case",
            [
                (name, *case)
                for name, row in ROWS.items()
                for case in CASES
                if case[1] != "shapes" or row.shapes
            ],
            ids=lambda case: "-".join(case),
        )
    if "name" in metafunc.fixturenames:
        metafunc.parametrize("name", list(ROWS))


def step(model, batch: ShowerBatch, rng: torch.Generator, optimizers) -> None:
    """One training step, as the training loop makes it."""
    phases = model.phases()
    for phase, optimizer in zip(phases, optimizers, strict=True):
        moving = {id(p) for p in phase.parameters()}
        for p in model.parameters():
            p.requires_grad_(id(p) in moving)
        optimizer.zero_grad()
        phase.objective(batch, rng).total.backward()
        optimizer.step()
    model.requires_grad_(True)

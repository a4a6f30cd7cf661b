"""The models. To add one: a file here, a row in `MODELS`, a run file, a docs page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from caloforge.models.cwae import CWAEConfig
from caloforge.models.dcgan import DCGAN, DCGANConfig
from caloforge.models.e2e_sae import E2ESAEConfig, E2ESinkhornAutoencoder
from caloforge.models.prior_autoencoder import PriorAutoencoder
from caloforge.models.regression import MeanRegression, RegressionConfig
from caloforge.models.sae import SAEConfig
from caloforge.models.swae import SWAEConfig
from caloforge.models.vae import VAEConfig, VariationalAutoencoder
from caloforge.models.wae import WAEConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from caloforge.nn import ShowerSpec

__all__ = [
    "DCGAN",
    "MODELS",
    "CWAEConfig",
    "DCGANConfig",
    "E2ESAEConfig",
    "E2ESinkhornAutoencoder",
    "MeanRegression",
    "ModelConfig",
    "PriorAutoencoder",
    "RegressionConfig",
    "SAEConfig",
    "SWAEConfig",
    "VAEConfig",
    "VariationalAutoencoder",
    "WAEConfig",
]


class ModelConfig(Protocol):
    """Settings of a model: a frozen dataclass that can build it."""

    def build(self, spec: ShowerSpec) -> nn.Module:
        """Make the untrained model, a `TrainableGenerator` that is a torch module.

        Raises:
            ConfigError: If the settings do not fit the detector.
        """
        ...


MODELS: Mapping[str, type[ModelConfig]] = {
    "e2e-sae": E2ESAEConfig,
    "vae": VAEConfig,
    "wae": WAEConfig,
    "swae": SWAEConfig,
    "cwae": CWAEConfig,
    "sae": SAEConfig,
    "dcgan": DCGANConfig,
    "regression": RegressionConfig,
}

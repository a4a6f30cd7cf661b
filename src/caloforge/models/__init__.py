"""The models. To add one: a file here, a row in `MODELS`, a run file, a docs page.

Or none of these: an installed package can bring models, see `caloforge.models.catalogue`.
"""

from __future__ import annotations

from caloforge.models.catalogue import ModelCatalogue, ModelConfig
from caloforge.models.channel_regressor import ChannelRegressor, ChannelRegressorConfig
from caloforge.models.cwae import CWAEConfig
from caloforge.models.dcgan import DCGAN, DCGANConfig
from caloforge.models.e2e_sae import E2ESAEConfig, E2ESinkhornAutoencoder
from caloforge.models.flow_matching import FlowMatching, FlowMatchingConfig
from caloforge.models.latent_flow import FlowPriorAutoencoder, LatentFlowConfig
from caloforge.models.latent_flow_matching import (
    LatentFlowMatching,
    LatentFlowMatchingConfig,
)
from caloforge.models.prior_autoencoder import PriorAutoencoder
from caloforge.models.regression import MeanRegression, RegressionConfig
from caloforge.models.sae import SAEConfig
from caloforge.models.sdi_gan import SDIGAN, SDIGANConfig
from caloforge.models.swae import SWAEConfig
from caloforge.models.vae import VAEConfig, VariationalAutoencoder
from caloforge.models.wae import WAEConfig

__all__ = [
    "DCGAN",
    "MODELS",
    "SDIGAN",
    "CWAEConfig",
    "ChannelRegressor",
    "ChannelRegressorConfig",
    "DCGANConfig",
    "E2ESAEConfig",
    "E2ESinkhornAutoencoder",
    "FlowMatching",
    "FlowMatchingConfig",
    "FlowPriorAutoencoder",
    "LatentFlowConfig",
    "LatentFlowMatching",
    "LatentFlowMatchingConfig",
    "MeanRegression",
    "ModelCatalogue",
    "ModelConfig",
    "PriorAutoencoder",
    "RegressionConfig",
    "SAEConfig",
    "SDIGANConfig",
    "SWAEConfig",
    "VAEConfig",
    "VariationalAutoencoder",
    "WAEConfig",
]


MODELS = ModelCatalogue(
    {
        "e2e-sae": E2ESAEConfig,
        "vae": VAEConfig,
        "wae": WAEConfig,
        "swae": SWAEConfig,
        "cwae": CWAEConfig,
        "sae": SAEConfig,
        "latent-flow": LatentFlowConfig,
        "dcgan": DCGANConfig,
        "sdi-gan": SDIGANConfig,
        "flow-matching": FlowMatchingConfig,
        "latent-flow-matching": LatentFlowMatchingConfig,
        "regression": RegressionConfig,
        "channel-regressor": ChannelRegressorConfig,
    }
)

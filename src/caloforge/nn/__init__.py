"""Networks with no loss of a model in them."""

from caloforge.nn.batch_norm import untouched_statistics
from caloforge.nn.cells import CellHead, Log1pCells, PoissonCells
from caloforge.nn.coders import ConstantDecoder, NoiseGenerator, make_decoder, make_encoder
from caloforge.nn.discriminator import make_discriminator
from caloforge.nn.heads import CELL_HEADS, cell_head
from caloforge.nn.maximum import ShowerMaximum
from caloforge.nn.mlp import MLP
from caloforge.nn.ode import integrate
from caloforge.nn.processes import finite, gathered, normal, own, uniform
from caloforge.nn.regions import RegionSums
from caloforge.nn.spec import MeanShower, ShowerSpec
from caloforge.nn.tracks import draw_tracks
from caloforge.nn.velocity import ResidualMLP, make_velocity
from caloforge.nn.widths import check_widths

__all__ = [
    "CELL_HEADS",
    "MLP",
    "CellHead",
    "ConstantDecoder",
    "Log1pCells",
    "MeanShower",
    "NoiseGenerator",
    "PoissonCells",
    "RegionSums",
    "ResidualMLP",
    "ShowerMaximum",
    "ShowerSpec",
    "cell_head",
    "check_widths",
    "draw_tracks",
    "finite",
    "gathered",
    "integrate",
    "make_decoder",
    "make_discriminator",
    "make_encoder",
    "make_velocity",
    "normal",
    "own",
    "uniform",
    "untouched_statistics",
]

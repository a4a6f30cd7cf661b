"""Showers and their incident particles: files, checks, and the sample that comes along."""

from caloforge.data.checks import check_showers
from caloforge.data.columns import PARTICLE_COLUMNS, Column
from caloforge.data.files.shower_file import ShowerFile, ShowerSample, read_showers
from caloforge.data.files.shower_writer import ShowerWriter
from caloforge.data.particles import Particles, kind_name, read_particles, write_particles
from caloforge.data.sample import load_sample, resolve, sample_names, sample_path
from caloforge.data.splits.balance import BalanceRow, balance
from caloforge.data.splits.partition import SplitPlan, partition
from caloforge.data.splits.selection import Selection
from caloforge.data.splits.split import Split, split_rows
from caloforge.data.splits.split_record import SplitRecord, split_record

__all__ = [
    "PARTICLE_COLUMNS",
    "BalanceRow",
    "Column",
    "Particles",
    "Selection",
    "ShowerFile",
    "ShowerSample",
    "ShowerWriter",
    "Split",
    "SplitPlan",
    "SplitRecord",
    "balance",
    "check_showers",
    "kind_name",
    "load_sample",
    "partition",
    "read_particles",
    "read_showers",
    "resolve",
    "sample_names",
    "sample_path",
    "split_record",
    "split_rows",
    "write_particles",
]

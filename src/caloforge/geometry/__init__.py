"""Detectors as data: which cells there are, where they lie, and which sums are read out."""

from caloforge.geometry.channels import Channel, ChannelSet
from caloforge.geometry.cylinder import CylinderLayer, CylinderLayout
from caloforge.geometry.detector import (
    DetectorGeometry,
    detector_names,
    load_geometry,
    read_description,
)
from caloforge.geometry.grid import GridLayout

__all__ = [
    "Channel",
    "ChannelSet",
    "CylinderLayer",
    "CylinderLayout",
    "DetectorGeometry",
    "GridLayout",
    "detector_names",
    "load_geometry",
    "read_description",
]

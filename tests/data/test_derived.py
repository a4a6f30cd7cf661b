"""Impact points, angles and families of incident particles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import Particles, load_sample
from caloforge.data.derived import FAMILIES, impact_cm, impact_in_cells
from caloforge.data.features import ConditionSet, catalogue
from caloforge.data.transforms import CellFrame
from caloforge.errors import ConfigError, DataFormatError
from caloforge.geometry import load_geometry

FACE = -11261.2


def one(**changed: float) -> Particles:
    """A photon that flies along -z onto the middle of ZN's front face."""
    columns = dict.fromkeys(("x_cm", "y_cm", "px_gev", "py_gev", "mass_mev", "charge_e"), 0.0)
    columns |= {"pdg": 22, "energy_gev": 100.0, "z_cm": FACE, "pz_gev": -100.0}
    columns |= changed
    return Particles({k: np.array([v]) for k, v in columns.items()}, np.array([0]))


def value(name: str, particles: Particles, geometry) -> list[float]:
    fitted = ConditionSet.fit((name,), particles, geometry)
    return fitted.raw(particles, geometry)[0].tolist()


class TestImpact:
    def test_by_hand(self):
        # 100 cm in front of the face, and 1 mrad and -2 mrad off the axis: 0.1 and -0.2 cm.
        particles = one(x_cm=0.3, y_cm=0.5, z_cm=FACE + 100, px_gev=0.1, py_gev=-0.2)
        np.testing.assert_allclose(impact_cm(particles, load_geometry("zn")), [[0.4, 0.3]])
        behind = one(x_cm=0.3, y_cm=0.5, z_cm=FACE - 100, px_gev=0.1, py_gev=-0.2)
        np.testing.assert_allclose(impact_cm(behind, load_geometry("zn")), [[0.2, 0.7]])

    @settings(max_examples=50, deadline=None)
    @given(way=st.floats(-1e4, 1e4), px=st.floats(-1, 1), py=st.floats(-1, 1))
    def test_particles_of_one_line_have_one_impact_point(self, way, px, py):
        zn = load_geometry("zn")
        pz = -100.0
        there = one(x_cm=0.25, y_cm=-1.5, px_gev=px, py_gev=py, pz_gev=pz)
        before = one(
            x_cm=0.25 + px / pz * way,
            y_cm=-1.5 + py / pz * way,
            z_cm=FACE + way,
            px_gev=px,
            py_gev=py,
            pz_gev=pz,
        )
        np.testing.assert_allclose(impact_cm(before, zn), impact_cm(there, zn), atol=1e-9)

    @pytest.mark.parametrize("name", ["zn-train", "zp-test"])
    def test_is_bit_for_bit_that_of_older_versions_on_the_face(self, name):
        sample = load_sample(name)
        layout = sample.geometry.layout
        position = np.stack([sample.particles[k] for k in ("x_cm", "y_cm")], axis=1)
        old = (position + layout.half_width_cm) / layout.pitch_cm
        np.testing.assert_array_equal(impact_in_cells(sample.particles, sample.geometry), old)
        fitted = ConditionSet.fit(("impact",), sample.particles, sample.geometry)
        np.testing.assert_array_equal(
            fitted.raw(sample.particles, sample.geometry), 2 * old / layout.cells - 1
        )

    def test_stays_without_a_face_and_across_the_beam(self, toy_grid):
        far = one(x_cm=0.3, z_cm=0.0, px_gev=50.0)
        assert toy_grid.front_face_z_cm is None
        np.testing.assert_array_equal(impact_cm(far, toy_grid), [[0.3, 0.0]])
        across = one(x_cm=0.3, z_cm=0.0, px_gev=100.0, pz_gev=0.0)
        np.testing.assert_array_equal(impact_cm(across, load_geometry("zn")), [[0.3, 0.0]])

    def test_frame_of_cells_is_centred_on_the_projected_point(self):
        zn = load_geometry("zn")
        frame = CellFrame(zn, centre_on_impact=True)
        on_face = one(x_cm=0.4, y_cm=0.3)
        before = one(x_cm=0.3, y_cm=0.5, z_cm=FACE + 100, px_gev=0.1, py_gev=-0.2)
        np.testing.assert_array_equal(frame.order(before), frame.order(on_face))
        assert (frame.order(one(x_cm=0.3, y_cm=0.5)) != frame.order(on_face)).any()

    def test_in_cm_is_for_cylinders_too(self, toy_cylinder):
        face = replace(toy_cylinder, front_face_z_cm=0.0)
        particles = one(z_cm=-10.0, pz_gev=100.0, px_gev=1.0)
        assert value("impact_cm", particles, face) == pytest.approx([0.1, 0.0])


class TestAngles:
    def test_by_hand(self, toy_cylinder):
        particles = one(px_gev=3.0, py_gev=4.0, pz_gev=-5.0)
        assert value("theta", particles, toy_cylinder) == pytest.approx([1000 * np.pi / 4])
        assert value("phi", particles, toy_cylinder) == pytest.approx([0.6, 0.8])
        assert value("slope", particles, toy_cylinder) == pytest.approx([600, 800])

    def test_along_the_beam(self, toy_cylinder):
        assert value("theta", one(), toy_cylinder) == [0]
        assert value("phi", one(), toy_cylinder) == [0, 0]


class TestOneHot:
    @pytest.mark.parametrize(
        ("pdg", "name"),
        [
            (22, "photon"),
            (-11, "electron"),
            (13, "muon"),
            (211, "charged_hadron"),
            (-2212, "charged_hadron"),
            (130, "neutral_hadron"),
            (-3122, "neutral_hadron"),
            (1000020040, "nucleus"),
            (12, "other"),
        ],
    )
    def test_family(self, pdg, name, toy_grid):
        assert value("family", one(pdg=pdg), toy_grid) == [float(f == name) for f in FAMILIES]

    def test_family_that_was_not_trained_is_outside(self, toy_grid):
        fitted = ConditionSet.fit(("family", "energy_gev"), one(), toy_grid)
        assert fitted.scaled(one(), toy_grid)[0, :7].tolist() == [1, 0, 0, 0, 0, 0, 0]
        found = fitted.outside(one(pdg=2112), toy_grid)
        assert set(found) == {"family_photon", "family_neutral_hadron"}

    def test_pdg_is_one_hot_as_kind_is(self, toy_grid, toy_sample):
        particles = toy_sample(toy_grid, 30).particles
        sets = [ConditionSet.fit((name,), particles, toy_grid) for name in ("kind", "pdg")]
        assert [f.name for f in sets[1].features] == ["pdg_22", "pdg_211", "pdg_2112"]
        scaled = [fitted.scaled(particles, toy_grid) for fitted in sets]
        np.testing.assert_array_equal(scaled[0], scaled[1])
        with pytest.raises(ConfigError, match="'kind' and 'pdg', which are the same"):
            ConditionSet.fit(("kind", "pdg"), particles, toy_grid)

    def test_bundles_of_older_versions_keep_pdg_as_a_number(self, toy_grid):
        feature = {"name": "pdg", "unit": "", "description": "", "mean": 0.0, "scale": 2.0}
        table = {"names": ["pdg"], "kinds": [], "features": [feature | {"low": 0, "high": 50}]}
        old = ConditionSet.from_dict(table)
        assert old.scaled(one(), toy_grid).tolist() == [[11.0]]


def extended(particles: Particles, **columns: float) -> Particles:
    more = {name: np.full(len(particles), number) for name, number in columns.items()}
    return Particles({**particles.columns, **more}, particles.incident)


def test_every_missing_column_is_named_at_once(toy_grid):
    trained = extended(one(), eta=1.5, time_ns=2.0)
    fitted = ConditionSet.fit(("energy_gev", "eta", "time_ns", "kind"), trained, toy_grid)
    assert [f.unit for f in fitted.features] == ["GeV", "", "ns", ""]
    with pytest.raises(DataFormatError, match=r"found no column eta, time_ns, expected it as"):
        fitted.scaled(one(), toy_grid)


def test_a_column_may_not_hide_a_feature(toy_grid):
    with pytest.raises(ConfigError, match="'theta' is computed, and the showers have a column"):
        ConditionSet.fit(("theta",), extended(one(), theta=1.0), toy_grid)


def test_catalogue_is_what_can_be_fitted(toy_grid):
    for name, numbers, unit, description in catalogue():
        labels = {"label": 3.0} if name == "label" else {}
        fitted = ConditionSet.fit((name,), one(**labels), toy_grid)
        assert fitted.dim == (1 if numbers is None else numbers)
        assert {feature.unit for feature in fitted.features} == {unit}
        assert description

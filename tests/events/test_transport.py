import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.errors import GeometryError
from caloforge.events import (
    Beamline,
    Dipole,
    FrontFace,
    beam_of,
    read_beamline,
    to_front_face,
)


def beamline(*, beam=-1, field_tm=None, centre=(0.0, 0.0)):
    face = FrontFace(beam * 10_000.0, beam, (5.0, 2.0), centre_cm=centre)
    dipole = None if field_tm is None else Dipole(beam * 6000.0, field_tm)
    return Beamline("toy", face, dipole, "toy")


def carry(line, momentum, charge, vertex=(0, 0, 0)):
    return to_front_face(
        np.array([vertex], dtype=float),
        np.array([momentum], dtype=float),
        np.array([charge], dtype=float),
        line,
    )


@settings(max_examples=50, deadline=None)
@given(
    beam=st.sampled_from([-1, 1]),
    slope=st.tuples(st.floats(-1e-3, 1e-3), st.floats(-1e-3, 1e-3)),
    vertex=st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-9000, 9000)),
    charge=st.sampled_from([0, 1]),
)
def test_neutral_particles_and_those_without_dipole_fly_straight(beam, slope, vertex, charge):
    line = beamline(beam=beam, field_tm=None if charge else 30.0, centre=(1.0, -2.0))
    p = (100 * slope[0], 100 * slope[1], beam * 100.0)
    found = carry(line, p, charge, vertex)
    length = abs(beam * 10_000 - vertex[2])
    assert found.x_cm[0] == pytest.approx(vertex[0] + slope[0] * length - 1, abs=1e-9)
    assert found.y_cm[0] == pytest.approx(vertex[1] + slope[1] * length + 2, abs=1e-9)
    assert (found.momentum_gev[0] == p).all()
    assert not found.behind[0]
    assert not found.bent_away[0]


@pytest.mark.parametrize("beam", [-1, 1])
@pytest.mark.parametrize("charge", [-1, 1, 2])
def test_dipole_bends_by_its_integrated_field(beam, charge):
    # Lorentz force in a vertical field: dp_x/dz = -q B_y * sign(pz).
    found = carry(beamline(beam=beam, field_tm=30.0), (0, 0, beam * 2000.0), charge)
    kick = -beam * charge * 0.299792458 * 30.0
    pz = np.sqrt(2000.0**2 - kick**2)
    np.testing.assert_allclose(found.momentum_gev[0], (kick, 0, beam * pz), rtol=1e-14)
    assert found.x_cm[0] == pytest.approx(4000 * kick / pz, rel=1e-12)
    assert found.y_cm[0] == 0
    assert np.linalg.norm(found.momentum_gev) == pytest.approx(2000, rel=1e-14)


def test_particles_made_behind_the_dipole_fly_straight():
    found = carry(beamline(field_tm=30.0), (0.5, 0, -1000.0), 1, vertex=(0, 0, -6001.0))
    assert found.x_cm[0] == pytest.approx(3999 * 5e-4)


def test_particles_too_soft_or_made_behind_the_face_are_marked():
    line = beamline(field_tm=30.0)
    assert carry(line, (0, 0, -8.9), 1).bent_away[0]  # the kick is 8.99 GeV/c
    assert not carry(line, (0, 0, -9.1), 1).bent_away[0]
    assert carry(line, (0, 0, -9.0), 0, vertex=(0, 0, -10_000.5)).behind[0]


@pytest.mark.parametrize("entry", [-0.01, 0.0, 0.004])
@pytest.mark.parametrize("kick", [1e-3, -5e-3, 6e-3])
def test_thin_dipole_is_as_close_to_a_long_one_as_documented(entry, kick):
    """Steps through a uniform field of 945 cm against the thin magnet in its middle."""
    length, p, start, n = 945.0, 1000.0, 500.0, 20_000
    z_face, kick_gev = 10_000.0, kick * p
    field = -kick_gev / 0.299792458
    line = Beamline("t", FrontFace(z_face, 1, (1, 1)), Dipole(start + length / 2, field), "t")
    thin = carry(line, (entry * p, 0, np.sqrt(1 - entry**2) * p), 1)
    px = entry * p + kick_gev * (np.arange(n) + 0.5) / n  # in the middle of each step
    x = start * entry / np.sqrt(1 - entry**2)
    x += (px / np.sqrt(p**2 - px**2)).sum() * length / n
    end = entry * p + kick_gev
    x += (z_face - start - length) * end / np.sqrt(p**2 - end**2)
    largest = max(abs(entry), abs(entry + kick))
    assert abs(thin.x_cm[0] - x) < length * largest**3
    assert thin.momentum_gev[0, 0] == pytest.approx(end, rel=1e-12)


class TestBeamline:
    def test_keys_of_the_construction_count(self, toy_detector):
        line = read_beamline(
            toy_detector(
                "centre_cm = [24.35, 0]\ngun = 'zp'\ndipole = { z_cm = -6000, field_tm = 30 }"
            )
        )
        assert line.face == FrontFace(-10_000, -1, (5, 2), centre_cm=(24.35, 0))
        assert line.dipole == Dipole(-6000, 30)
        assert (line.detector, line.gun) == ("toy", "zp")

    def test_defaults(self, toy_detector):
        line = read_beamline(toy_detector())
        assert (line.face.beam, line.face.centre_cm, line.dipole) == (-1, (0, 0), None)
        assert line.gun == "toy"

    @pytest.mark.parametrize(
        ("table", "beam"),
        [
            ({}, 1),
            ({"front_face_z_cm": 0.0}, 1),
            ({"front_face_z_cm": -3}, -1),
            ({"front_face_z_cm": 3, "construction": {}}, 1),
            ({"front_face_z_cm": -3, "construction": {"beam": 1}}, 1),
        ],
    )
    def test_beam_is_the_side_of_the_face_unless_given(self, table, beam):
        assert beam_of(table) == beam

    def test_construction_that_is_no_table_is_refused(self):
        with pytest.raises(
            GeometryError, match=r"x.toml \[construction\]: found 3, expected a"
        ):
            beam_of({"construction": 3}, source="x.toml")

    def test_cylinder_has_a_round_face(self, tmp_path):
        path = tmp_path / "c.toml"
        text = "name='c'\nkind='cylinder'\nresponse={unit='MeV',counts=false}\n[[layers]]\n"
        path.write_text(text + "r_edges_mm=[0,30]\n[[layers]]\nr_edges_mm=[0,80,100]")
        face = read_beamline(path).face
        assert (face.round, face.half_width_cm, face.beam, face.z_cm) == (True, (10, 10), 1, 0)
        assert face.contains([0, 9, 8], [10, 1, 8]).tolist() == [True, True, False]
        path.write_text(path.read_text() + "\n[construction]\nradius_cm = 30")
        assert read_beamline(path).face.half_width_cm == (30, 30)

    @pytest.mark.parametrize(
        ("construction", "message"),
        [
            ("beam = 0", "beam: found 0, expected -1 or 1"),
            ("beam = true", "beam: found True, expected -1 or 1"),
            ("centre_cm = 3", r"centre_cm: found 3, expected \[x, y\]"),
            ("centre_cm = ['a', 1]", "centre_cm: found 'a', expected a number"),
            ("gun = 3", "gun: found 3, expected the name or file of a gun"),
            ("dipole = 30", "dipole: found 30, expected { z_cm = "),
            ("dipole = { z_cm = -6000 }", "dipole: found .*expected { z_cm"),
            ("dipole = { z_cm = -6000, field_tm = nan }", "field_tm: found nan, expected a n"),
            (
                "dipole = { z_cm = -6000, field_tm = 3, fild_tm = 3 }",
                "unknown key 'fild_tm'; did you mean 'field_tm'",
            ),
            *(
                (
                    f"dipole = {{ z_cm = {z_cm}, field_tm = 3 }}",
                    f"found z_cm = {z_cm}, expected .*between .*-10000 cm, with beam = -1",
                )
                for z_cm in (-12000, -10000, 0, 6000)
            ),
            ("beam = 1\ndipole = { z_cm = -6000, field_tm = 3 }", "with beam = 1; correct"),
        ],
    )
    def test_bad_keys_are_refused(self, toy_detector, construction, message):
        path = toy_detector(construction)
        with pytest.raises(GeometryError, match=message) as caught:
            read_beamline(path)
        assert str(caught.value).startswith(f"{path} [construction]")
        assert "\n" not in str(caught.value)

import gzip
import os
import sys

import numpy as np
import pytest

from caloforge.errors import DataFormatError, MissingExtraError
from caloforge.events import incident_particles, read_beamline, read_hepmc
from caloforge.events.consistency import Written, check_particles
from caloforge.events.species import species_of

ORIGIN = (0, 0, 0)
STRAIGHT = (2112, (0, 0, -100), ORIGIN, 1)
MASS = 0.939565


@pytest.fixture
def read(toy_detector):
    def call(path, *, construction="", n=None):
        return read_hepmc(path, read_beamline(toy_detector(construction)), n=n)

    return call


def test_keeps_what_hits_the_face_and_counts_the_rest(write_events, read):
    path = write_events(
        [
            [
                STRAIGHT,
                (22, (0.04, 0.01, -100), ORIGIN, 1),  # 4 cm, 1 cm: on the face
                (22, (0.06, 0, -100), ORIGIN, 1),  # 6 cm: misses 5 cm
                (22, (0, -0.03, -100), ORIGIN, 1),  # 3 cm: misses 2 cm
                (2112, (0, 0, 100), ORIGIN, 1),
                (14, (0, 0, -100), ORIGIN, 1),
                (9900015, (0, 0, -100), ORIGIN, 1),
                (111, (0, 0, -100), ORIGIN, 2),
            ],
            [(2112, (0, 0, 50), ORIGIN, 1)],
            [(-2112, (-0.01, 0, -50), ORIGIN, 1)],
        ]
    )
    particles, counts = read(path)
    assert particles["pdg"].tolist() == [2112, 22, -2112]
    assert particles["event"].tolist() == [10, 10, 12]
    assert particles.incident.tolist() == [0, 1, 2]
    np.testing.assert_allclose(particles["x_cm"], [0, 4, -2], atol=1e-9)
    np.testing.assert_allclose(particles["y_cm"], [0, 1, 0], atol=1e-9)
    assert (particles["z_cm"] == -10_000).all()
    # Mass and energy are those of the kind, not the rounded ones of the file.
    assert particles["energy_gev"][0] == pytest.approx(np.hypot(100, MASS), rel=1e-9)
    assert particles["mass_mev"].tolist() == pytest.approx([939.565, 0, 939.565], abs=1e-3)
    assert counts == {
        "events": 3,
        "seen": 9,
        "kept": 3,
        "dropped": {
            "flies the other way": 2,
            "neutrino": 1,
            "unknown kind": 1,
            "misses the face": 2,
        },
        "event_weights_differ": False,
    }


def test_the_other_side_flies_to_plus_z(write_events, tmp_path, toy_detector):
    path = write_events([[STRAIGHT, (2112, (0.02, 0, 200), ORIGIN, 1)]])
    detector = toy_detector()
    detector.write_text(detector.read_text().replace("-10000", "10000"))
    particles, _ = read_hepmc(path, read_beamline(detector), n=None)
    assert particles["pz_gev"].tolist() == [200]
    assert particles["x_cm"][0] == pytest.approx(1)


def test_decays_on_the_way_and_behind_the_face(write_events, read):
    on_the_way = (10, 0, -40_000.0)  # mm
    behind = (1.0, 0, -100_001.0)
    path = write_events(
        [
            [
                (2112, (0.05, 0, -100), on_the_way, 1),
                # Its mother, a Lambda, hits the face; the neutron is made behind it.
                (2112, (0.01, 0, -100), behind, 1),
            ]
        ]
    )
    particles, counts = read(path)
    assert particles["pdg"].tolist() == [2112, 3122]
    np.testing.assert_allclose(particles["x_cm"], [1 + 6000 * 5e-4, 1], atol=1e-9)
    assert counts["dropped"] == {"made behind the face": 1}
    assert counts["seen"] == 3


@pytest.mark.parametrize("momentum", ["GEV", "MEV"])
@pytest.mark.parametrize("length", ["MM", "CM"])
def test_units_of_the_file_are_respected(write_events, read, momentum, length):
    event = [(2112, (0.05, 0, -100), (10, 0, -40_000.0), 1)]
    path = write_events([event], momentum=momentum, length=length)
    particles, _ = read(path)
    assert particles["pz_gev"][0] == pytest.approx(-100)
    assert particles["x_cm"][0] == pytest.approx(4)


def test_charged_particles_are_bent_into_a_shifted_face(write_events, read):
    construction = "centre_cm = [20, 0]\ndipole = { z_cm = -6000, field_tm = 30.0 }"
    path = write_events(
        [
            [
                (2212, (0, 0, -2000), ORIGIN, 1),  # 8.99 GeV/c of 2000 over 40 m: 18 cm
                (2212, (0, 0, -7000), ORIGIN, 1),  # 5 cm
                (-211, (0, 0, -2000), ORIGIN, 1),
                (2112, (0, 0, -2000), ORIGIN, 1),
                (211, (0, 0, -5), ORIGIN, 1),
            ]
        ]
    )
    particles, counts = read(path, construction=construction)
    assert particles["pdg"].tolist() == [2212]
    kick = 0.299792458 * 30
    assert particles["px_gev"][0] == pytest.approx(kick)
    expected = 4000 * kick / np.sqrt(2000**2 - kick**2) - 20
    assert particles["x_cm"][0] == pytest.approx(expected, rel=1e-9)
    assert counts["dropped"] == {"misses the face": 3, "bent away": 1}


def test_n_takes_the_first_and_stops_reading(write_events, read):
    path = write_events([[STRAIGHT, STRAIGHT]] * 3)
    particles, counts = read(path, n=3)
    assert particles["event"].tolist() == [10, 10, 11]
    assert counts["events"] == 2
    whole, _ = read(path)
    assert (whole.select(slice(0, 3)).identity() == particles.identity()).all()


@pytest.mark.parametrize("name", ["events.hepmc.gz", "old.hepmc"])
def test_compressed_and_old_files_are_read(write_events, read, name):
    options = {"format": "HepMC2"} if name == "old.hepmc" else {}
    path = write_events([[STRAIGHT], [STRAIGHT]], name=name, **options)
    particles, counts = read(path)
    assert particles["event"].tolist() == [10, 11]
    assert counts["events"] == 2


@pytest.mark.parametrize("digits", [6, 16])
@pytest.mark.parametrize("pdg", [22, 11, 13, 211, 2112, 2212, 3122, 1000020040])
@pytest.mark.parametrize("p", [1e-3, 1.0, 40.0, 3000.0])
def test_rounded_numbers_are_consistent(pdg, p, digits):
    mass = species_of(pdg).mass_mev / 1000
    pz, energy = (float(f"{x:.{digits}g}") for x in (p, np.hypot(p, mass)))
    for given in (0.0, mass):
        row = (np.array([pdg]), np.array([[0, 0, pz]]), np.array([energy]), np.array([given]))
        check_particles(Written(*row), where="x", unit="GEV")


class TestBadFiles:
    def check(self, read, path, message, error=DataFormatError):
        with pytest.raises(error, match=message) as caught:
            read(path)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

    def test_cut_off_within_an_event(self, write_events, read, capfd):
        path = write_events([[STRAIGHT]] * 3)
        text = path.read_text()
        path.write_text(text[: text.rindex("P 3")])
        self.check(read, path, "event number 3 of 3 in the file is damaged, empty or cut off")
        assert capfd.readouterr() == ("", "")

    def test_broken_line_prints_nothing_and_leaves_the_outputs_open(
        self, write_events, read, capfd
    ):
        path = write_events([[STRAIGHT]] * 3)
        lines = path.read_text().splitlines(keepends=True)
        bad = [k for k, line in enumerate(lines) if line.startswith("P 3")][1]
        lines[bad] = "P 3 -1\n"
        path.write_text("".join(lines))
        self.check(read, path, "event number 2 of 3")
        assert capfd.readouterr() == ("", "")
        os.write(1, b"out")
        os.write(2, b"err")
        assert capfd.readouterr() == ("out", "err")

    @pytest.mark.parametrize(
        ("written", "claimed", "p"),
        [
            ("MEV", "GEV", 3),
            ("MEV", "GEV", 3000),
            ("GEV", "MEV", 100),
            ("GEV", "MEV", 6800),
        ],
    )
    @pytest.mark.parametrize("pdg", [2112, 2212])
    def test_other_units_than_the_file_says(self, write_events, read, written, claimed, p, pdg):
        path = write_events([[(pdg, (0, 0, -p), ORIGIN, 1)]], momentum=written)
        text = path.read_text()
        assert f"U {written} MM" in text
        path.write_text(text.replace(f"U {written} MM", f"U {claimed} MM"))
        self.check(read, path, f"event 10: the particle .* its unit is {claimed}: correct it")

    @pytest.mark.parametrize("p", [0.5, 100, 3000])
    def test_damaged_momentum(self, write_events, read, p):
        path = write_events([[STRAIGHT], [(2112, (0, 0, -p), ORIGIN, 1)]])
        head, tail = path.read_text().split("E 11 ")
        lines = tail.splitlines(keepends=True)
        k = next(k for k, line in enumerate(lines) if line.startswith("P 3"))
        words = lines[k].split(" ")
        words[6] = "abc"  # HepMC takes it for 0
        lines[k] = " ".join(words)
        path.write_text(head + "E 11 " + "".join(lines))
        self.check(read, path, r"event 11: the particle 'n' with p = \(0, 0, 0\) GeV has an en")

    def test_cut_off_between_events(self, write_events, read):
        path = write_events([[STRAIGHT]] * 3)
        text = path.read_text()
        path.write_text(text[: text.rindex("E 12")])
        self.check(read, path, "ends after 2 events without its last line, expected 'HepMC::As")

    def test_damaged_in_the_middle(self, write_events, read):
        path = write_events([[STRAIGHT]] * 3)
        path.write_text(path.read_text().replace("E 11 1 3", "E 11 1 9"))
        self.check(read, path, "event number 2 of 3")

    def test_compressed_and_cut_off(self, write_events, read):
        path = write_events([[STRAIGHT]] * 2000, name="events.hepmc.gz")
        path.write_bytes(path.read_bytes()[:-200])
        self.check(read, path, r"cannot be read after event \d+ .*; write it again")

    def test_momentum_that_is_no_number(self, write_events, read):
        path = write_events([[(2112, (0, 0, -np.nan), ORIGIN, 1)]])
        self.check(read, path, "event 10 has a momentum that is not a finite number")

    def test_nothing_hits(self, write_events, read):
        path = write_events([[(2112, (1, 0, -100), ORIGIN, 1)], [(22, (0, 0, 9), ORIGIN, 1)]])
        message = r"no particle that hits 'toy' in 2 events .*misses the face: 1"
        self.check(read, path, message)

    def test_no_event(self, write_events, read):
        path = write_events([[STRAIGHT]])
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*lines[:2], "HepMC::Asciiv3-END_EVENT_LISTING\n"]))
        self.check(read, path, "in 0 events .no final-state particle")

    def test_pyhepmc_is_missing(self, write_events, read, monkeypatch):
        path = write_events([[STRAIGHT]])
        monkeypatch.setitem(sys.modules, "pyhepmc", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'caloforge\[sim\]'"):
            read(path)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("x.hepmc", b"garbage\n", "found no line 'HepMC::Asciiv3-START_EVENT_LISTING'"),
            (
                "x.csv.gz",
                gzip.compress(b"pdg,energy_gev\n", mtime=0),
                "found no line 'HepMC::Asciiv3",
            ),
            ("x.hepmc.gz", b"\x1f\x8bnot gzip", "cannot be unpacked"),
            ("x.lhe", b"<LesHouchesEvents version='3'>", "found Les Houches events; run a gen"),
            ("x.root", b"root\x00\x00", "found a ROOT file; write HepMC3 text, or a CSV"),
        ],
    )
    def test_other_files(self, tmp_path, toy_detector, name, content, message):
        path = tmp_path / name
        path.write_bytes(content)
        detector = toy_detector()
        with pytest.raises(DataFormatError, match=message) as caught:
            incident_particles(detector, n=None, particles=path, seed=0)
        assert str(caught.value).startswith(str(path))
        assert "\n" not in str(caught.value)

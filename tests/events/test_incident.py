import json
import subprocess
import sys

import numpy as np
import pytest

from caloforge.data import (
    PARTICLE_COLUMNS,
    Particles,
    load_sample,
    read_particles,
    sample_path,
    write_particles,
)
from caloforge.errors import ConfigError, DataFormatError, GeometryError
from caloforge.events import incident_particles, load_gun, read_beamline


def rows(n=3, **changed):
    energy = np.linspace(10, 20, n)
    columns = {
        "pdg": np.full(n, 22),
        "energy_gev": energy,
        **{name: np.zeros(n) for name in ("x_cm", "y_cm", "px_gev", "py_gev")},
        "z_cm": np.full(n, -11261.2),
        "pz_gev": -energy,
        "mass_mev": np.zeros(n),
        "charge_e": np.zeros(n),
    }
    return columns | changed


class TestGun:
    def test_own_gun_of_a_detector(self):
        found = incident_particles("zn", n=50, seed=4)
        expected = load_gun("zn").fire(50, seed=4, face=read_beamline("zn").face)
        assert (found.particles.identity() == expected.identity()).all()
        assert found.origin["source"] == "gun"
        assert found.origin["gun"] == "zn"
        assert found.origin["seed"] == 4
        assert len(found.origin["table"]["kinds"]) == 8
        assert json.loads(json.dumps(found.origin)) == found.origin
        assert sum(found.kinds().values()) == len(found) == 50

    def test_gun_of_the_construction_by_name_or_beside_the_detector(self, toy_detector):
        path = toy_detector("gun = 'neutron-100'")
        assert incident_particles(path, n=2, seed=1).kinds() == {"n": 2}
        path = toy_detector("gun = 'mine.toml'")
        text = '[[kinds]]\nparticle = "mu-"\nenergy = 5\n'
        (path.parent / "mine.toml").write_text(text)
        assert incident_particles(path, n=2, seed=1).kinds() == {"mu-": 2}

    def test_particles_that_miss_are_kept_and_counted(self, tmp_path):
        text = '[[kinds]]\nparticle = "n"\nenergy = 50\n[[positions]]\nlaw = "rectangle"\n'
        (tmp_path / "wide.toml").write_text(text + "size_cm = 14.08\n")  # four times the ZN
        found = incident_particles("zn", n=400, gun=tmp_path / "wide.toml", seed=1)
        x, y = np.abs(found.particles["x_cm"]), np.abs(found.particles["y_cm"])
        assert (found.misses == (np.maximum(x, y) > 3.52)).all()
        assert found.n_misses == found.origin["misses"] == pytest.approx(300, abs=45)
        line = "400 incident particles (400 n); 50 to 50 GeV; {} miss the front face"
        assert found.describe() == line.format(found.n_misses)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n": None}, "found no number of incident particles, .*give -n 100"),
            ({"n": 0}, "number of incident particles: found 0, expected 1 or more"),
            ({"n": 10**20}, "found 100000000000000000000, expected at most 1000000000; make"),
            ({"n": 10**9 + 1, "particles": "p.csv"}, "found 1000000001, expected at most"),
            ({"n": 1, "seed": -1}, "seed: found -1"),
            ({"n": 1, "gun": "zn", "particles": "p.csv"}, r"both a gun \(zn\) and a file"),
            ({"n": 1, "gun": "nz"}, "gun: found no 'nz'"),
        ],
    )
    def test_bad_requests_are_refused(self, options, message):
        with pytest.raises(ConfigError, match=message):
            incident_particles("zn", **{"seed": 0, **options})

    def test_detectors_without_gun_and_unknown_ones_are_refused(self, toy_detector):
        with pytest.raises(ConfigError, match="'toy': found no gun 'toy', expected one of cyl"):
            incident_particles(toy_detector(), n=1, seed=0)
        with pytest.raises(GeometryError, match="found 'zm', expected one of"):
            incident_particles("zm", n=1, seed=0)


class TestTables:
    def test_shower_file_gives_its_different_particles_in_order(self):
        found = incident_particles("zn", n=None, particles=sample_path("zn-test"), seed=0)
        sample = load_sample("zn-test").particles
        _, first = np.unique(sample.incident, return_index=True)
        expected = sample.select(np.sort(first))
        assert len(found) == len(expected) < len(sample)
        for name in PARTICLE_COLUMNS:
            np.testing.assert_array_equal(found.particles[name], expected[name])
        assert found.particles.incident.tolist() == list(range(len(expected)))
        assert found.origin["rows"] == len(sample)
        assert found.origin["particles_in_file"] == len(expected)
        assert len(found.origin["sha256"]) == 64

    @pytest.mark.parametrize("name", ["p.csv", "p.parquet"])
    def test_table_n_and_further_columns(self, tmp_path, name):
        columns = rows(5, event=[1, 1, 2, 2, 3], photon_sum=[1, 2, 3, 4, 5])
        table = Particles(columns, [7, 9, 9, 3, 3])
        columns["energy_gev"][[2, 4]] = columns["energy_gev"][[1, 3]]
        columns["pz_gev"][:] = -columns["energy_gev"]
        columns["event"] = [1, 2, 2, 3, 3]
        table = Particles(columns, [7, 9, 9, 3, 3])
        write_particles(tmp_path / name, table, force=False)
        found = incident_particles("zn", n=2, particles=tmp_path / name, seed=0)
        assert found.particles["event"].tolist() == [1, 2]
        assert found.particles.names == (*PARTICLE_COLUMNS, "event")
        assert found.origin["columns_left_out"] == ["photon_sum"]
        assert found.particles.incident.tolist() == [0, 1]
        assert found.origin["particles_in_file"] == 3

    def test_what_a_gun_made_is_read_back_exactly(self, tmp_path):
        made = incident_particles("zp", n=20, seed=2).particles
        write_particles(tmp_path / "p.csv", made, force=False)
        again = incident_particles("zp", n=None, particles=tmp_path / "p.csv", seed=0)
        assert (again.particles.identity() == made.identity()).all()
        assert (read_particles(tmp_path / "p.csv").incident == made.incident).all()

    def test_single_precision_is_good_enough(self, tmp_path):
        made = incident_particles("zn", n=200, seed=2).particles
        rounded = {k: np.float32(v) if k != "pdg" else v for k, v in made.columns.items()}
        write_particles(tmp_path / "p.csv", Particles(rounded, made.incident), force=False)
        assert (
            len(incident_particles("zn", n=None, particles=tmp_path / "p.csv", seed=0)) == 200
        )

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            (
                {"z_cm": [-11261.2, 0, 0]},
                r"z_cm is 0 in row 1 \(and 1 more rows\), expected -11261.2, the front face of",
            ),
            ({"pz_gev": [-10, 15, -20]}, "pz_gev is 15 in row 1, expected below 0 to fly into"),
            (
                {"energy_gev": [10, 15, 30]},
                "energy_gev is 30 in row 2, expected 20 GeV from mo",
            ),
            (
                {"pdg": [22, 2112, 22], "mass_mev": [0, 0.94, 0]},
                r"mass_mev is 0.94 in row 1, expected 939.565 of 'n' \(pdg 2112\); correct",
            ),
            ({"charge_e": [0, 0, 1]}, "charge_e is 1 in row 2, expected 0 of 'gamma'"),
        ],
    )
    def test_rows_that_cannot_enter_are_refused(self, tmp_path, changed, message):
        path = tmp_path / "p.csv"
        write_particles(path, Particles(rows(**changed), [0, 1, 2]), force=False)
        with pytest.raises(DataFormatError, match=message) as caught:
            incident_particles("zn", n=None, particles=path, seed=0)
        assert str(caught.value).startswith(str(path))

    def test_unequal_rows_of_one_particle_are_refused(self, tmp_path):
        path = tmp_path / "p.csv"
        write_particles(path, Particles(rows(), [0, 1, 1]), force=False)
        message = "rows 1 and 2 have incident = 1 but energy_gev = 15 and 20, expected one part"
        with pytest.raises(DataFormatError, match=message):
            incident_particles("zn", n=None, particles=path, seed=0)

    def test_too_few_and_missing_files_are_refused(self, tmp_path):
        path = tmp_path / "p.csv"
        write_particles(path, Particles(rows(), [0, 1, 2]), force=False)
        with pytest.raises(ConfigError, match="found 3 incident particles, expected 4; leave"):
            incident_particles("zn", n=4, particles=path, seed=0)
        with pytest.raises(DataFormatError, match="found no such file, expected particles"):
            incident_particles("zn", n=4, particles=tmp_path / "none", seed=0)
        with pytest.raises(DataFormatError, match="found a folder, expected particles"):
            incident_particles("zn", n=4, particles=tmp_path, seed=0)


def test_events_of_a_generator(write_events, toy_detector):
    neutron = (2112, (0, 0, -100), (0, 0, 0), 1)
    path = write_events([[neutron, (22, (9, 0, -9), (0, 0, 0), 1)], [neutron]])
    detector = toy_detector("dipole = { z_cm = -6000, field_tm = 30.0 }")
    found = incident_particles(detector, n=None, particles=path, seed=0)
    assert found.origin["source"] == "HepMC"
    assert found.origin["dipole"] == {"z_cm": -6000, "field_tm": 30}
    assert found.dropped == {"misses the face": 1}
    assert found.describe().endswith("; left out of 2 events: misses the face 1")
    with pytest.raises(ConfigError, match="found 2 incident particles, expected 3"):
        incident_particles(detector, n=3, particles=path, seed=0)


def test_import_is_light():
    code = (
        "import sys, caloforge.events\nfound = {'torch', 'pyhepmc', 'dask', 'geant4_pybind', "
    )
    code += "'scipy', 'particle'} & set(sys.modules)\nsys.exit(str(found) if found else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, norm

from caloforge.errors import ConfigError
from caloforge.events import FrontFace, gun_from_table, gun_names, load_gun, read_beamline
from caloforge.events.draws import N_DRAWS, pick, uniforms
from caloforge.events.species import find_species

FACE = FrontFace(z_cm=-11261.2, beam=-1, half_width_cm=(3.52, 3.52))
ELECTRON = {"kinds": [{"particle": "e-", "energy": 10}]}


def fire(n=20_000, *, seed=3, face=FACE, **table):
    return gun_from_table(ELECTRON | table, name="t", source="t").fire(n, seed=seed, face=face)


class TestRandomNumbers:
    @settings(max_examples=30, deadline=None)
    @given(
        seed=st.integers(0, 2**64 - 1),
        n=st.integers(1, 40),
        more=st.integers(0, 40),
        data=st.data(),
    )
    def test_particle_depends_on_seed_and_number_alone(self, seed, n, more, data):
        gun = load_gun("zn")
        longer = gun.fire(n + more, seed=seed, face=FACE)
        shorter = gun.fire(n, seed=seed, face=FACE)
        assert (longer.select(slice(0, n)).identity() == shorter.identity()).all()
        k = data.draw(st.integers(0, n - 1))
        alone = gun.fire(1, seed=seed, face=FACE, first=k)
        assert alone.identity()[0] == shorter.identity()[k]
        assert alone.incident.tolist() == [k]

    def test_long_run_starts_with_the_same_particles(self):
        # Vectorised functions may take other paths in long arrays.
        gun = load_gun("zn")
        long, short = (gun.fire(n, seed=1, face=FACE) for n in (20_001, 37))
        assert (long.select(slice(0, 37)).identity() == short.identity()).all()

    def test_numbers_are_uniform_and_independent(self):
        u = uniforms(11, 50_000)
        assert u.shape == (50_000, N_DRAWS)
        assert all(kstest(column, "uniform").pvalue > 1e-3 for column in u.T)
        correlation = np.corrcoef(u.T) - np.eye(N_DRAWS)
        assert np.abs(correlation).max() < 5 / np.sqrt(50_000)
        assert not (uniforms(12, 10) == uniforms(11, 10)).any()
        assert 0 < u.min() < u.max() < 1

    def test_large_seeds_differ_in_the_last_digit(self):
        assert (uniforms(2**64 - 1, 3) != uniforms(2**64 - 2, 3)).all()

    def test_pick_never_takes_weight_zero(self):
        edge = np.array([2.0**-53, 0.25, 0.5, 0.75, 1 - 2.0**-53])
        assert pick([0, 1, 0, 3, 0], edge).tolist() == [1, 3, 3, 3, 3]
        assert pick([0.1] * 10, edge)[-1] == 9

    @pytest.mark.parametrize("seed", [-1, 2**64])
    def test_seed_out_of_range_is_refused(self, seed):
        with pytest.raises(ConfigError, match=f"seed: found {seed}, expected 0 to"):
            uniforms(seed, 1)


class TestLaws:
    def test_kinds_follow_their_weights_each_with_its_spectrum(self):
        table = fire(
            energy={"law": "uniform", "low_gev": 20, "high_gev": 30},
            kinds=[
                {"particle": "n", "weight": 3},
                {"particle": 22, "weight": 1, "energy": 5},
                {"particle": "K0L", "weight": 0},
            ],
        )
        photon = table["pdg"] == 22
        assert set(table.kinds()) == {"n", "gamma"}
        assert abs(photon.mean() - 0.25) < 5 * np.sqrt(0.25 * 0.75 / len(table))
        assert (table["energy_gev"][photon] == 5).all()
        assert kstest(table["energy_gev"][~photon], "uniform", (20, 10)).pvalue > 0.01

    def test_energy_is_total_energy(self):
        table = fire(kinds=[{"particle": "p", "energy": 0.9382721}], direction={})
        assert table["mass_mev"][0] == pytest.approx(938.27209, abs=1e-4)
        assert table["charge_e"][0] == 1
        gamma = 0.9382721 / (table["mass_mev"][0] / 1000)
        assert table["pz_gev"][0] == pytest.approx(
            -np.sqrt(gamma**2 - 1) * table["mass_mev"][0] / 1000, rel=1e-6
        )

    def test_spot(self):
        table = fire(positions=[{"law": "spot", "sigma_cm": [0.5, 2], "centre_cm": [1, -1]}])
        assert kstest(table["x_cm"], norm(1, 0.5).cdf).pvalue > 0.01
        assert kstest(table["y_cm"], norm(-1, 2).cdf).pvalue > 0.01

    def test_rectangle_and_point(self):
        table = fire(positions=[{"law": "rectangle", "size_cm": [2, 4], "centre_cm": [1, 0]}])
        assert kstest(table["x_cm"], "uniform", (0, 2)).pvalue > 0.01
        assert kstest(table["y_cm"], "uniform", (-2, 4)).pvalue > 0.01
        at = fire(9, positions=[{"law": "point", "centre_cm": [1.5, -2]}])
        assert (at["x_cm"] == 1.5).all()
        assert (at["y_cm"] == -2).all()

    def test_disc_is_uniform_in_area_and_angle(self):
        table = fire(positions=[{"law": "disc", "radius_cm": 3}])
        radius = np.hypot(table["x_cm"], table["y_cm"])
        angle = np.arctan2(table["y_cm"], table["x_cm"])
        assert kstest((radius / 3) ** 2, "uniform").pvalue > 0.01
        assert kstest(angle, "uniform", (-np.pi, 2 * np.pi)).pvalue > 0.01

    @pytest.mark.parametrize("is_round", [False, True])
    def test_whole_face_is_filled_and_not_left(self, is_round):
        face = FrontFace(0.0, 1, (5.0, 5.0 if is_round else 2.0), round=is_round)
        table = fire(positions=[{"law": "face"}], face=face)
        assert face.contains(table["x_cm"], table["y_cm"]).all()
        x = table["x_cm"] / 5
        share = (1 + x) / 2 + (x * np.sqrt(1 - x**2) / np.pi - x / 2 + np.arcsin(x) / np.pi)
        u = share if is_round else (1 + x) / 2
        assert kstest(u, "uniform").pvalue > 0.01

    def test_position_laws_follow_their_weights(self):
        laws = [{"law": "point", "weight": 1}, {"law": "face", "weight": 3}]
        table = fire(positions=laws)
        assert (table["x_cm"] == 0).mean() == pytest.approx(0.25, abs=0.015)

    def test_slopes_are_gaussian_about_their_mean(self):
        table = fire(direction={"mean_mrad": [1, -2], "divergence_mrad": [0.3, 0.1]})
        along = np.abs(table["pz_gev"])
        assert kstest(table["px_gev"] / along, norm(1e-3, 3e-4).cdf).pvalue > 0.01
        assert kstest(table["py_gev"] / along, norm(-2e-3, 1e-4).cdf).pvalue > 0.01
        assert (table["pz_gev"] < 0).all()
        momentum = table["px_gev"] ** 2 + table["py_gev"] ** 2 + table["pz_gev"] ** 2
        mass = table["mass_mev"] / 1000
        np.testing.assert_allclose(momentum + mass**2, table["energy_gev"] ** 2, rtol=1e-12)


class TestGunsOfCaloforge:
    def test_names(self):
        assert gun_names() == ("cylinder", "neutron-100", "zn", "zp")

    @pytest.mark.parametrize(
        ("name", "shares"),
        [
            ("zn", {"n": 50, "gamma": 20, "pi+": 6, "pi-": 6, "p": 6, "K(L)0": 5, "Lambda": 5}),
            ("zp", {"p": 60, "pi+": 14, "K+": 8, "n": 8, "gamma": 6, "Sigma+": 4}),
        ],
    )
    def test_zn_and_zp_have_the_composition_of_the_samples(self, name, shares):
        n = 50_000
        table = load_gun(name).fire(n, seed=1, face=read_beamline(name).face)
        kinds = table.kinds()
        for kind, percent in shares.items():
            error = np.sqrt(percent * (100 - percent) / n)
            assert abs(100 * (kinds == kind).mean() - percent) < 4 * error
        neutron = kinds == {"zn": "n", "zp": "p"}[name]
        energy = table["energy_gev"][neutron]
        assert kstest(np.log(energy / 20) / np.log(50), "uniform").pvalue > 0.01

    def test_cylinder_and_neutron_100_go_straight_into_the_middle(self):
        face = FrontFace(0.0, 1, (50.0, 50.0), round=True)
        electrons = load_gun("cylinder").fire(2000, seed=1, face=face)
        neutrons = load_gun("neutron-100").fire(20, seed=1, face=FACE)
        assert set(electrons["pdg"]) == {11}
        assert set(neutrons["energy_gev"]) == {100}
        energy = electrons["energy_gev"]
        assert kstest(np.log(energy) / np.log(50), "uniform").pvalue > 0.01
        for table, sign in ((electrons, 1), (neutrons, -1)):
            assert not any(table[name].any() for name in ("x_cm", "y_cm", "px_gev", "py_gev"))
            assert (np.sign(table["pz_gev"]) == sign).all()


class TestNames:
    @pytest.mark.parametrize(
        ("name", "pdg"),
        [
            ("n", 2112), ("neutron", 2112), ("p", 2212), ("p~", -2212), ("gamma", 22),
            ("photon", 22), ("pi+", 211), ("pi-", -211), ("pi0", 111), ("K+", 321),
            ("K0L", 130), ("KL0", 130), ("K(L)0", 130), ("kaon0L", 130), ("K(S)0", 310),
            ("Lambda", 3122), ("Sigma+", 3222), ("Xi0", 3322), ("e-", 11), ("e+", -11),
            ("mu-", 13), ("mu+", -13), ("tau-", 15), ("d", 1000010020), ("He4", 1000020040),
            ("alpha", 1000020040), ("2112", 2112), ("-211", -211), (1000822080, 1000822080),
        ],
    )  # fmt: skip
    def test_known(self, name, pdg):
        assert find_species(name, where="t").pdg == pdg

    def test_ion_has_mass_and_charge(self):
        alpha = find_species(1000020040, where="t")
        assert alpha.charge_e == 2
        assert alpha.mass_mev == pytest.approx(3727.4, abs=1.5)

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("neutrn", "t: unknown particle 'neutrn'; did you mean 'neutron'?"),
            ("GAMMA", "unknown particle 'GAMMA'; did you mean 'gamma'"),
            ("Lamda", "did you mean 'Lambda'"),
            ("%%", "unknown particle '%%'; give a PDG number"),
            (2113, "found PDG number 2113, expected one that the package"),
            (True, "found True, expected a name"),
        ],
    )
    def test_unknown(self, name, message):
        with pytest.raises(ConfigError, match=message):
            find_species(name, where="t")


ROW = '[[kinds]]\nparticle = "n"\nenergy = 100\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kinds = [", "g.toml: not valid TOML"),
        ("", r"g.toml: table 'kinds' is missing; write \[\[kinds\]\]"),
        ("kinds = []", r"g.toml kinds: found \[\], expected one table or more"),
        ("kinds = [3]", r"g.toml \[\[kinds\]\] 1: found 3, expected a table"),
        (ROW + "[beam]\n", "g.toml: unknown key 'beam'; known: title, energy"),
        (ROW + "[[position]]\n", "unknown key 'position'; did you mean 'positions'"),
        ("[[kinds]]\nenergy = 5", r"\[\[kinds\]\] 1: key 'particle' is missing"),
        ('[[kinds]]\nparticle = "n"', "1: key 'energy' is missing; give it here, or a table"),
        (ROW + "wieght = 3", "1: unknown key 'wieght'; did you mean 'weight'"),
        (ROW + "weight = -1", "1 weight: found -1, expected 0 or more"),
        (ROW + "weight = 0", "found no weight above 0"),
        (ROW + '[[kinds]]\nparticle = "neutrn"', "2 particle: unknown particle 'neutrn'"),
        (
            '[[kinds]]\nparticle = "n"\nenergy = 0.5',
            "energy: found 0.5 GeV for 'n', expected more than its mass, 0.939565 GeV",
        ),
        (ROW + '[[positions]]\nlaw = "sport"', "1: unknown law 'sport'; did you mean 'spot'"),
        (
            ROW + '[[positions]]\nlaw = "spot"',
            "key 'sigma_cm' is missing, expected a number, o",
        ),
        (ROW + '[[positions]]\nlaw = "spot"\nsigma_cm = -1', "sigma_cm: found .*expected 0 or"),
        (
            ROW + '[[positions]]\nlaw = "disc"\nradius_cm = 0',
            "radius_cm: found 0, expected mor",
        ),
        (ROW + '[[positions]]\nlaw = "rectangle"\nsize_cm = 0', "size_cm: found .*more than 0"),
        (ROW + '[[positions]]\nlaw = "point"\ncentre_cm = 0', r"found 0, expected \[x, y\]"),
        (ROW + '[[positions]]\nlaw = "face"\nweight = 0', "found no weight above 0"),
        (
            ROW + "[direction]\ndivergence_mrad = -1",
            "divergence_mrad: found .*expected 0 or mo",
        ),
        (ROW + "[direction]\nmean_mrad = [0]", r"mean_mrad: found \[0\], expected \[x, y\]"),
        (ROW + "[direction]\nspread = 1", r"\[direction\]: unknown key 'spread'"),
    ],
)
def test_bad_gun_files_are_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "g.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_gun(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_and_binary_gun_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"gun: found no 'neutron-10', .*mean 'neutron-100'"):
        load_gun("neutron-10")
    (tmp_path / "g.toml").write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(ConfigError, match=r"not a text file, .*--particles"):
        load_gun(tmp_path / "g.toml")

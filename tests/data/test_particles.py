import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caloforge.data import PARTICLE_COLUMNS, Particles, read_particles, write_particles
from caloforge.errors import DataFormatError, OutputError


def columns(n: int = 3, **changed: object) -> dict:
    table = {name: np.arange(1, n + 1) * 1.5 for name in PARTICLE_COLUMNS}
    return table | {"pdg": np.full(n, 2112)} | changed


@pytest.fixture
def table() -> Particles:
    return Particles(columns(extra=[1, 2, 3]), [7, 7, 9])


class TestTable:
    def test_types_and_order_are_fixed(self, table):
        assert table.names == (*PARTICLE_COLUMNS, "extra")
        assert table["pdg"].dtype == np.int32
        assert table["extra"].dtype == np.float64
        assert table.incident.dtype == np.int64
        assert len(table) == 3

    def test_unknown_column_is_suggested(self, table):
        with pytest.raises(
            DataFormatError, match="no column 'energy'; did you mean 'energy_ge"
        ):
            table["energy"]

    def test_select_takes_masks_indices_slices_and_nothing(self, table):
        assert table.select([True, False, True]).incident.tolist() == [7, 9]
        assert table.select([2, 0])["extra"].tolist() == [3, 1]
        assert table.select(slice(1, None))["extra"].tolist() == [2, 3]
        assert len(table.select([])) == 0

    def test_repeated_rows_are_adjacent(self, table):
        assert table.repeated(2)["extra"].tolist() == [1, 1, 2, 2, 3, 3]

    def test_concatenate_joins_equal_tables_only(self, table):
        assert len(Particles.concatenate([table, table.select([0])])) == 4
        with pytest.raises(DataFormatError, match="differ in column extra"):
            Particles.concatenate([table, Particles(columns(), [1, 2, 3])])
        with pytest.raises(DataFormatError, match="no table"):
            Particles.concatenate([])

    def test_kinds_have_names(self):
        pdg = [2112, 22, 211, 12345, 130]
        table = Particles(columns(5, pdg=pdg), np.arange(5))
        assert table.kinds().tolist() == ["n", "gamma", "pi+", "pdg 12345", "K(L)0"]

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"x_cm": [0.0, np.nan, 1.0]}, "'x_cm' has nan in row 1, expected a finite"),
            ({"x_cm": [0.0, 1.0]}, r"'x_cm' has shape \(2,\), expected \(3,\)"),
            ({"x_cm": ["a", "b", "c"]}, "'x_cm' does not hold numbers"),
            ({"pdg": [1, 2.5, 3]}, "'pdg' has 2.5 in row 1, expected an integer of 32 bits"),
            ({"pdg": [1, 2, 2**40]}, "'pdg' has 1099511627776 in row 2"),
            ({"energy_gev": [1.0, 0.0, 2.0]}, "'energy_gev' has 0.0 in row 1, expected more"),
            ({"showers": [1, 2, 3]}, "cannot be called 'showers'"),
            ({"enery_gev": [1, 2, 3]}, "unknown column 'enery_gev'; did you mean 'energy_gev'"),
            ({"Energy_GeV": [1, 2, 3]}, "did you mean 'energy_gev'"),
            ({"a/b": [1, 2, 3]}, "a column called 'a/b', which no file can hold"),
            ({".": [1, 2, 3]}, "called '.', which no file can hold, .* rename it"),
        ],
    )
    def test_bad_columns_are_refused(self, changed, message):
        with pytest.raises(DataFormatError, match=message):
            Particles(columns(**changed), [1, 2, 3])

    def test_missing_columns_are_named(self):
        table = columns()
        del table["mass_mev"], table["charge_e"]
        with pytest.raises(DataFormatError, match="found no column mass_mev, charge_e"):
            Particles(table, [1, 2, 3])


class TestIdentity:
    def test_tells_rows_apart_by_every_physical_column(self):
        for name in PARTICLE_COLUMNS:
            table = columns(2)
            for other in table:
                table[other] = np.ones(2)
            table[name] = np.array([1.0, 2.0])
            first, second = Particles(table, [0, 0]).identity()
            assert first != second, name

    def test_ignores_number_place_order_of_columns_and_sign_of_zero(self, table):
        turned = dict(reversed(list(table.columns.items())))
        assert (Particles(turned, [1, 2, 3]).identity() == table.identity()).all()
        assert (table.select([2, 1]).identity() == table.identity()[[2, 1]]).all()
        plus, minus = (
            Particles(columns(1, x_cm=[zero]), [0]).identity() for zero in (0.0, -0.0)
        )
        assert plus == minus


class TestFiles:
    @settings(max_examples=20, deadline=None)
    @given(
        values=st.lists(
            st.floats(1e-300, 1e300, allow_subnormal=False), min_size=1, max_size=5
        ),
        suffix=st.sampled_from([".csv", ".parquet"]),
    )
    def test_round_trip_is_exact(self, tmp_path_factory, values, suffix):
        n = len(values)
        before = Particles(columns(n, energy_gev=values), np.arange(n) + 5)
        path = tmp_path_factory.mktemp("table") / f"particles{suffix}"
        write_particles(path, before, force=False)
        after = read_particles(path)
        assert after.incident.tolist() == before.incident.tolist()
        assert (after.identity() == before.identity()).all()

    def test_rows_with_equal_properties_are_the_same_particle(self, tmp_path):
        lines = [",".join(PARTICLE_COLUMNS), *("2112,50" + ",0" * 8, "22,9" + ",0" * 8) * 2]
        (tmp_path / "p.csv").write_text("\n".join(lines))
        assert read_particles(tmp_path / "p.csv").incident.tolist() == [0, 1, 0, 1]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "p.csv: the file is empty"),
            (",".join(PARTICLE_COLUMNS) + "\n", "p.csv: found a header but no particle"),
            ("pdg,energy\n1,2\n", "p.csv: unknown column 'energy'; did you mean 'energy_gev'"),
            ("a,b\n1,2,3\n", "p.csv: not a readable CSV file"),
            ("a,a\n1,2\n", "p.csv: column 'a' is there twice"),
            ("pdg,note\n1,\n2,x\n,y\n", "p.csv: column 'pdg' has a gap in row 2"),
            (
                ",".join((*PARTICLE_COLUMNS, "note")) + "\n1,2" + ",0" * 8 + ",text\n",
                "p.csv: column 'note' does not hold numbers",
            ),
        ],
    )
    def test_bad_csv_is_refused(self, tmp_path, text, message):
        (tmp_path / "p.csv").write_text(text)
        with pytest.raises(DataFormatError, match=message):
            read_particles(tmp_path / "p.csv")

    def test_bad_parquet_and_missing_file_are_refused(self, tmp_path):
        (tmp_path / "p.parquet").write_bytes(b"PAR1 and no more")
        with pytest.raises(DataFormatError, match="not a readable Parquet file"):
            read_particles(tmp_path / "p.parquet")
        with pytest.raises(DataFormatError, match="found no such file"):
            read_particles(tmp_path / "none.csv")

    def test_existing_file_needs_force(self, tmp_path, table):
        write_particles(tmp_path / "p.csv", table, force=False)
        with pytest.raises(OutputError, match="exists already"):
            write_particles(tmp_path / "p.csv", table, force=False)
        write_particles(tmp_path / "p.csv", table, force=True)


def test_front_face_points_go_with_their_rows(table) -> None:
    face = -200.0
    points = table.front_face(face)
    assert points is table.front_face(face)
    with pytest.raises(ValueError, match="read-only"):
        points[0] = 0
    rows = [1, 0, 1]
    np.testing.assert_array_equal(table.select(rows).front_face(face), points[rows])
    moved = table.exchanged({"x_cm": table["x_cm"] + 1.0})
    np.testing.assert_allclose(moved.front_face(face)[:, 0], points[:, 0] + 1)
    np.testing.assert_array_equal(table.front_face(None)[:, 0], table["x_cm"])

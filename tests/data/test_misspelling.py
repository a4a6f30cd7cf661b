from caloforge.data.misspelling import likely_names


def test_case_and_slips_of_the_pen() -> None:
    found = ["X_CM", "y_cm", "energi_gev", "showers", "eta"]
    assert likely_names(["x_cm", "energy_gev", "pdg"], found) == {
        "x_cm": "X_CM",
        "energy_gev": "energi_gev",
    }


def test_one_name_stands_for_one_column() -> None:
    assert likely_names(["px_gev", "py_gev"], ["p_gev"]) == {"px_gev": "p_gev"}


def test_names_that_mean_something_else_are_not_offered() -> None:
    assert likely_names(["x_cm"], ["y_cm", "z_cm", "incident"]) == {}

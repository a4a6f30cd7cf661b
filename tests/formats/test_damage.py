import pytest

from caloforge.errors import DataFormatError, OutputError
from caloforge.formats.damage import damage


@pytest.mark.parametrize(
    "error", [RuntimeError("a\nb"), OSError("a b"), KeyError("a"), EOFError()]
)
def test_error_of_a_library_names_the_file(error):
    with pytest.raises(DataFormatError, match=r"^x.h5: damaged") as caught, damage("x.h5"):
        raise error
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_our_errors_and_those_of_programmers_pass():
    with pytest.raises(OutputError, match="disk is full"), damage("x.h5"):
        raise OutputError("disk is full")  # noqa: EM101, TRY003
    with pytest.raises(AttributeError), damage("x.h5"):
        raise AttributeError


def test_permission():
    with pytest.raises(DataFormatError, match=r"x.h5: may not be read"), damage("x.h5"):
        raise PermissionError

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from caloforge import __version__
from caloforge.cli import COMMANDS, main
from caloforge.cli.options import force_option, output_option, seed_option

AVAILABLE = main.list_commands(click.Context(main))
HEAVY = ("torch", "h5py", "matplotlib", "numpy", "lightning", "scipy", "pyarrow", "rich")


def run(*arguments):
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], *([n, "--help"] for n in AVAILABLE)]
)
def test_help_loads_nothing_heavy(arguments):
    script = f"""
import json, sys
from caloforge.cli import main
try:
    main({arguments!r})
except SystemExit as done:
    print(json.dumps([done.code, [name for name in {HEAVY!r} if name in sys.modules]]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []]


def test_commands_are_listed_in_the_order_of_the_data_flow():
    text = run("--help").stdout
    places = [text.index(f"  {name} ") for name in AVAILABLE]
    assert places == sorted(places)
    assert set(AVAILABLE) <= set(COMMANDS)
    assert all(COMMANDS[name] in " ".join(text.split()) for name in AVAILABLE)


@pytest.mark.parametrize("name", AVAILABLE)
def test_every_command_shows_an_example(name):
    for option in ("--help", "-h"):
        result = run(name, option)
        assert result.exit_code == 0
        assert f"Example:\n      caloforge {name}" in result.stdout
        assert "\\b" not in result.stdout


def test_version():
    assert run("--version").stdout == f"caloforge, version {__version__}\n"


def test_misspelt_command_is_suggested():
    result = run("inof")
    assert result.exit_code == 2
    assert "no command 'inof'; did you mean 'info'?" in result.stderr
    assert "known: " in run("xyz").stderr


def test_missing_argument_and_unknown_option_are_bad_usage():
    assert run("info").exit_code == 2
    assert run("info", "zn-test", "--sed").exit_code == 2


def test_shared_options_read_alike():
    @click.command()
    @output_option("Result.", required=False)
    @seed_option
    @force_option
    def command(**options):
        click.echo(f"{options['force']} {options['seed']} {options['output']}")

    runner = CliRunner()
    assert runner.invoke(command).stdout == "False 0 None\n"
    given = runner.invoke(command, ["--force", "--seed", "3", "-o", "out.h5"])
    assert given.stdout == "True 3 out.h5\n"
    assert runner.invoke(command, ["--seed", "-1"]).exit_code == 2

import json
import subprocess
import sys

import pytest

import caloforge


def test_every_public_name_is_there():
    for name in caloforge.__all__:
        assert getattr(caloforge, name) is not None
        assert name in dir(caloforge)
    with pytest.raises(AttributeError, match="module 'caloforge' has no attribute 'laod'"):
        caloforge.laod  # noqa: B018 - the look-up is the test


def test_import_waits_for_no_library():
    script = """
import json, sys
import caloforge
caloforge.__version__
heavy = ("torch", "numpy", "h5py", "matplotlib", "lightning")
print(json.dumps([n for n in heavy if n in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []

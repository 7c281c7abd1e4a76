"""The Makefile says clearly when there is no Python that it can use."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("python", ["PYTHON=/bin/false", "PYTHON=/no/such/python", "PYTHON="])
def test_unusable_python(tmp_path, python):
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    result = subprocess.run(["make", "demo", python], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "error: rocfuse needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=" in result.stderr
    assert not (tmp_path / ".venv").exists()

"""The README and the guides say what is true: their commands run, their links lead somewhere."""

import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/architecture.md",
    "docs/debugging.md",
    "docs/passes.md",
    "docs/tuning.md",
]


def blocks(document, language):
    """The code blocks of a document."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / document).read_text(), re.DOTALL | re.MULTILINE)


def commands(document):
    """The commands in the shell blocks of a document."""
    lines = "".join(blocks(document, "sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


@pytest.fixture
def checkout(tmp_path):
    """A folder that looks like a checkout to commands, without their outputs ending up in ours."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "build").mkdir()
    return tmp_path


@pytest.mark.parametrize("command", commands("README.md"), ids=" ".join)
def test_readme_commands_run(command, checkout):
    if command[0] == "make":
        subprocess.run(["make", "-n", *command[1:]], cwd=ROOT, check=True, capture_output=True)
        return
    assert command[0] == ".venv/bin/python"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, *command[1:]], cwd=checkout, env=environment, check=True, capture_output=True)
    for flag, name in itertools.pairwise(command):
        assert flag != "-o" or (checkout / name).stat().st_size > 0


def test_readme_python_runs(checkout):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for block in blocks("README.md", "python"):
        subprocess.run([sys.executable, "-c", block], cwd=checkout, env=environment, check=True, capture_output=True)


@pytest.mark.parametrize("command", commands("CONTRIBUTING.md"), ids=" ".join)
def test_guide_commands_exist(command):
    subprocess.run(["make", "-n", *command[1:]], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / document).parent / target).exists(), target


def test_generated_documents_are_up_to_date():
    subprocess.run([sys.executable, "docs/generate.py", "--check"], cwd=ROOT, check=True)


def test_examples_of_the_passes_are_in_code_blocks():
    prose = re.sub(r"^```mlir\n.*?^```\n", "", (ROOT / "docs/passes.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    assert "```" not in prose
    assert [line for line in prose.splitlines() if re.match(r'  |→|[%"]', line)] == []


def test_the_annotation_in_the_guide_is_part_of_a_message():
    (text,) = re.findall(r"\{\{(.*?)\}\}", (ROOT / "docs/debugging.md").read_text())
    assert any(text in file.read_text() for file in (ROOT / "rocfuse").rglob("*.py"))

"""The static figures of bench/isa_stats.py, on a checked-in loop whose figures can be counted by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import isa_stats
from rocfuse.targets import GFX942

ROOT = Path(__file__).parents[2]
SNIPPET = ROOT / "test" / "bench" / "loop_gfx942.s"


@pytest.fixture
def row():
    (one,) = isa_stats.from_text(SNIPPET.read_text(), mca=None)
    return one


def test_counts_are_those_of_the_loop_with_matrix_instructions(row):
    assert row.kernel == "snippet"
    assert row.instructions == 16
    assert row.classes == {
        "global_load": 2, "ds_read": 2, "wait": 2, "matrix": 3, "barrier": 1, "ds_write": 2, "valu": 1, "salu": 2,
        "branch": 1,
    }  # fmt: skip
    assert row.matrix_ops == {"v_mfma_f32_32x32x8_f16": 2, "v_mfma_f32_16x16x16_f16": 1}


def test_cycles_come_from_the_target_table(row):
    cycles = 2 * GFX942.matrix_instruction("32x32x8").cycles + GFX942.matrix_instruction("16x16x16").cycles
    assert row.matrix_cycles == cycles == 80
    assert row.u1 == pytest.approx(80 / (80 + 4 * 13))


def test_flop_per_global_byte(row):
    assert row.global_bytes == 64 * (16 + 8)
    assert row.flop == 2 * 2 * 32 * 32 * 8 + 2 * 16 * 16 * 16
    assert row.flop_per_global_byte == pytest.approx(40960 / 1536)


def test_without_llvm_mca_its_figure_is_not_available(row):
    assert row.mca == row.mca_cycles == "n/a"
    assert isa_stats.show(row.mca) == "n/a"


def test_a_matrix_instruction_outside_of_the_table_makes_no_figure():
    text = SNIPPET.read_text().replace("v_mfma_f32_16x16x16_f16", "v_mfma_f32_16x16x4_f32")
    (row,) = isa_stats.from_text(text, mca=None)
    assert row.u1 == row.flop == row.flop_per_global_byte == "n/a"


def test_a_kernel_without_a_matrix_loop_makes_no_figure():
    text = "\n".join(line for line in SNIPPET.read_text().splitlines() if "mfma" not in line)
    (row,) = isa_stats.from_text(text, mca=None)
    assert (row.instructions, row.u1, row.mca) == (0, "n/a", "n/a")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("buffer_load_dwordx4 v1, s[0:3], 0 offen lds", "load_to_lds"),
        ("global_load_lds_dwordx4 v[0:1], off", "load_to_lds"),
        ("global_load_dwordx4 v[0:3], v[4:5], off", "global_load"),
        ("v_accvgpr_read_b32 v0, a1", "accvgpr"),
        ("scratch_store_dword off, v39, off", "scratch"),
        ("s_waitcnt vmcnt(0)", "wait"),
        ("v_mfma_f32_32x32x8_f16 v[0:15], v[0:1], v[0:1], 0", "matrix"),
    ],
)
def test_classes(text, name):
    assert isa_stats.classify(text) == name


# llvm-mca is a system package; this takes its place: it knows the targets of KNOWN, but no byte permutation
STAND_IN = """#!{python}
import sys
*flags, source = sys.argv[1:]
triple, processor, iterations = flags
if (triple, iterations, source) != ("-mtriple=amdgcn-amd-amdhsa", "-iterations=50", "-"):
    sys.exit("for the command line argument: unknown")
if processor not in {known}:
    sys.exit("not a recognized processor")
lines = sys.stdin.read().splitlines()
bad = [at for at, line in enumerate(lines, 1) if line.startswith("v_perm_b32")]
for at in bad:
    print(f"<stdin>:{{at}}:1: error: instruction not supported on this GPU", file=sys.stderr)
print(f"Total Cycles:      {{50 * len(lines)}}")
sys.exit(bool(bad))
"""


@pytest.fixture
def mca(tmp_path, monkeypatch):
    """Puts a stand-in of a name on PATH, which has no other tool."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def install(name, *known):
        path = tmp_path / name
        path.write_text(STAND_IN.format(python=sys.executable, known=[f"-mcpu={one}" for one in known]))
        path.chmod(0o755)

    return install


def test_the_tool_is_the_first_that_knows_the_target(mca):
    assert isa_stats.mca_tool() is None
    mca("llvm-mca-19", "gfx90a")
    assert isa_stats.mca_tool() is None
    mca("llvm-mca", "gfx90a", "gfx942")
    assert isa_stats.mca_tool() == "llvm-mca"


def test_llvm_mca_figure(mca):
    mca("llvm-mca", "gfx942")
    (row,) = isa_stats.from_text(SNIPPET.read_text(), isa_stats.mca_tool())
    assert row.mca_cycles == 4 * 15  # issue slots of a trip, without the branch
    assert row.mca == pytest.approx(80 / 60)
    assert row.mca_note == ""


def test_what_llvm_mca_does_not_know_is_replaced_and_said(mca):
    mca("llvm-mca", "gfx942")
    text = SNIPPET.read_text().replace("v_add_u32_e32 v1, 0x80, v1", "v_perm_b32 v1, v2, v3, s5")
    (row,) = isa_stats.from_text(text, isa_stats.mca_tool())
    assert row.mca_cycles == 4 * 15
    assert row.mca_note == "1 instructions unknown to llvm-mca"


def test_the_command_says_what_is_wrong(tmp_path):
    path = tmp_path / "other.s"
    path.write_text('.amdgcn_target "amdgcn-amd-amdhsa--gfx1100"\n')
    run = subprocess.run(
        [sys.executable, ROOT / "bench" / "isa_stats.py", path], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "gfx1100" in run.stderr
    assert run.stdout == ""

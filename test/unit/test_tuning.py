"""The tuning db: the key of a kernel, the file, and what a compiler does with it."""

import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from fusing import FUSE, arguments, results
from hypothesis import given
from hypothesis import strategies as st
from mlir import ir
from test_pins import fused

import rocfuse
from rocfuse import gen
from rocfuse.analysis import perf_config
from rocfuse.compiler import lower
from rocfuse.diagnostics import UsageError
from rocfuse.dialect import MULTI_GEMM, create_context, walk
from rocfuse.fused_kernel import read_kernel
from rocfuse.passes import PassContext
from rocfuse.pipeline import parse_pipeline, run_pipeline
from rocfuse.targets import GFX942
from rocfuse.transforms.plan_kernels import PlanKernels
from rocfuse.tune import candidates
from rocfuse.tuning_db import HEADER, TuningDb, read, read_or_new
from rocfuse.tuning_key import combine_text, kernel_key

LINE = "v1:m64,n32,k32,wm2,wn1,op16x16x16,s2,prefetch,fused,sk1,g3"


def key_of(module):
    (op,) = walk(module, MULTI_GEMM)
    return kernel_key(read_kernel(op.parent), GFX942)


def key(**options):
    module = fused(**options)
    return key_of(module)


def parsed(source):
    return ir.Module.parse(source, context=create_context())


def test_a_key_says_what_it_knows():
    text, _, digest = key().rpartition("=")
    assert text == (
        "gfx942 m256 n128 k256 A*B0 A*B1 A=f16(256,0,1)x8 B0=f16(0,1,256)x8 B1=f16(0,1,256)x8 out0=f16(128,1,0) combine"
    )
    assert len(digest) == 16 and int(digest, 16)


def test_equal_programs_have_equal_keys():
    module = fused()
    (op,) = walk(module, MULTI_GEMM)
    op.parent.attributes["sym_name"] = ir.StringAttr.get("another", context=module.context)
    assert key_of(module) == key() == key()


CHANGES = [
    {"m": 128},
    {"n": 64},
    {"k": 128},
    {"batch": 2},
    {"dtype": "bf16"},
    {"layout": "nk"},
    {"pattern": "separate"},
    {"pattern": "separate", "gemms": 1, "combine": "bilinear"},
    {"combine": "geglu"},
    {"combine": "geglu-tanh"},
    {"bias": "row"},
    {"bias": "full"},
    {"residual": True},
]


def test_everything_that_matters_is_in_the_key():
    keys = [key(**options) for options in [{}, *CHANGES]]
    assert len(set(keys)) == len(keys)
    assert not any("\t" in one or "\n" in one for one in keys)


def test_shared_operands_are_in_the_key():
    assert "A*B0 A*B1" in key()
    module = parsed(TWO_A)
    assert "A0*B0 A1*B1" in key_of(module)
    module = parsed(TWO_A.replace("%y, %v)", "%x, %w)"))
    assert " A*B A*B A=" in key_of(module)


TWO_A = """
#a = affine_map<(d0, d1, d2) -> (d0, d2)>
#b = affine_map<(d0, d1, d2) -> (d1, d2)>
#id = affine_map<(d0, d1) -> (d0, d1)>
func.func @f(%x: tensor<64x64xf16>, %y: tensor<64x64xf16>, %w: tensor<64x64xf16>, %v: tensor<64x64xf16>)
    -> tensor<64x64xf32> {
  %g:2 = "rocfuse.multi_gemm"() ({
    %p = "rocfuse.gemm"(%x, %w) {indexing_maps = [#a, #b]} : (tensor<64x64xf16>, tensor<64x64xf16>) -> tensor<64x64xf32>
    %q = "rocfuse.gemm"(%y, %v) {indexing_maps = [#a, #b]} : (tensor<64x64xf16>, tensor<64x64xf16>) -> tensor<64x64xf32>
    vector.yield %p, %q : tensor<64x64xf32>, tensor<64x64xf32>
  }) {dims = ["m", "n", "k"]} : () -> (tensor<64x64xf32>, tensor<64x64xf32>)
  %e = tensor.empty() : tensor<64x64xf32>
  %c = arith.constant 2.0 : f32
  %o = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
    ins(%g#0, %g#1 : tensor<64x64xf32>, tensor<64x64xf32>) outs(%e : tensor<64x64xf32>) {
  ^bb0(%p: f32, %q: f32, %out: f32):
    %s = arith.mulf %p, %q fastmath<contract> : f32
    %t = arith.mulf %s, %c : f32
    linalg.yield %t : f32
  } -> tensor<64x64xf32>
  return %o : tensor<64x64xf32>
}
"""


def test_the_combine_is_told_by_its_ops_and_constants():
    def text(source):
        module = parsed(source)
        (op,) = walk(module, MULTI_GEMM)
        return combine_text(read_kernel(op.parent))

    same = TWO_A.replace("%s", "%product").replace("%q: f32", "%other: f32").replace("%p, %q fast", "%p, %other fast")
    assert text(TWO_A) == text("\n\n" + same)
    others = [("2.0 :", "3.0 :"), ("fastmath<contract>", ""), ("arith.mulf %p, %q", "arith.addf %p, %q"),
              ("arith.mulf %p, %q", "arith.mulf %q, %p"), ("ins(%g#0, %g#1", "ins(%g#1, %g#0")]  # fmt: skip
    texts = [text(TWO_A.replace(*one)) for one in others]
    assert len({text(TWO_A), *texts}) == 1 + len(others)


def test_a_db_is_a_text_file(tmp_path):
    path = tmp_path / "some.db"
    assert read_or_new(path).choices == {}
    TuningDb(str(path)).record({"b": "v1:m64", "a": LINE})
    assert path.read_text() == f"{HEADER}\na\t{LINE}\nb\tv1:m64\n"
    read(path).record({"b": "v1:m32"})
    assert path.read_text() == f"{HEADER}\na\t{LINE}\nb\tv1:m32\n"
    assert read(path).choices == {"a": LINE, "b": "v1:m32"}
    assert [one.name for one in tmp_path.iterdir()] == ["some.db"]


def test_two_tuners_of_one_file_keep_both_choices(tmp_path):
    path = tmp_path / "some.db"
    one, other = read_or_new(path), read_or_new(path)
    one.record({"a": "v1:m64"})
    other.record({"b": "v1:m32"})
    assert read(path).choices == {"a": "v1:m64", "b": "v1:m32"}


@given(st.binary() | st.text().map(lambda text: f"{HEADER}\n{text}".encode(errors="replace")))
def test_garbage_is_refused_with_a_line_number(data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "some.db")
        path.write_bytes(data)
        try:
            db = read(path)
        except UsageError as error:
            assert str(error).startswith(f"{path}:") and "\n" not in str(error)
            return
        assert db.choices == {} or data.startswith(HEADER.encode())


def test_a_large_db_is_read_in_little_time(tmp_path):
    path = tmp_path / "some.db"
    TuningDb(str(path)).record({f"kernel {number}": f"v1:m64,n64,k64,g{1 + number % 64}" for number in range(20000)})
    started = time.process_time()
    assert len(read(path).choices) == 20000
    assert time.process_time() - started < 0.5  # 0.03 s on the machine where this was written


def test_an_empty_file_has_no_choices(tmp_path):
    path = tmp_path / "some.db"
    path.touch()
    assert read(path).choices == {}


def test_line_ends_of_another_system_are_read(tmp_path):
    path = tmp_path / "some.db"
    path.write_bytes(f"{HEADER}\r\na\tv1:m64\r\n\r\n".encode())
    assert read(path).choices == {"a": "v1:m64"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\tv1:m64\n", f"F:1: need the line '{HEADER}' first, have 'a\\tv1:m64'"),
        (b"# rocfuse tuning db v2\n", f"F:1: need the line '{HEADER}' first, have '# rocfuse tuning db v2'"),
        (b"H\na\tv1:m64\nb v1:m64\n", "F:3: need a key, a tab and a perf config, have 'b v1:m64'"),
        (b"H\n\tv1:m64\n", "F:2: need a key, a tab and a perf config"),
        (b"H\na\t\n", "F:2: perf config '': need a version and a colon first"),
        (b"H\na\tv1:m64\n\nb\tv1:m6x\n", "F:4: perf config: m (tile-m): need a number"),
        (b"H\na\tv2:m64\n", "F:2: perf config 'v2:m64': need version v1, have 'v2'"),
        (b"H\na\tv1:m64\tmore\n", "F:2: perf config: m (tile-m): need a number"),
        (b"H\na\tv1:m64\nb\tv1:m64\na\tv1:m32\n", "F:4: the key of line 2 again; keep one of them"),
        (b"H\na\tv1:m64\n\xff\n", "F:3: not text in UTF-8"),
    ],
)
def test_a_broken_line_is_located(tmp_path, data, message):
    path = tmp_path / "some.db"
    path.write_bytes(data.replace(b"H\n", f"{HEADER}\n".encode(), 1) if data.startswith(b"H") else data)
    with pytest.raises(UsageError) as error:
        read(path)
    assert str(error.value).startswith(message.replace("F", str(path), 1))


def test_a_missing_db_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"cannot read the tuning db .*none\.db: No such file or directory"):
        read(tmp_path / "none.db")
    with pytest.raises(UsageError, match="Is a directory"):
        read_or_new(tmp_path)


def test_compile_takes_what_is_recorded(tmp_path):
    source = str(gen.build(gen.GenOptions(m=64, n=32, k=64)))
    module = parsed(source)
    run_pipeline(module, parse_pipeline(f"{FUSE},rocfuse-expand-math"), PassContext())
    path = tmp_path / "some.db"
    for choices, chosen in (({"other": "v1:m16"}, False), ({key_of(module): "v1:m16,n16,k32"}, True)):
        TuningDb(str(path)).record(choices)
        lowered = lower(source, tuning_db=path)
        assert ("tile = [16, 16, 32]" in str(lowered)) == chosen


@pytest.mark.parametrize("line", [LINE, "v1:m32,n32,k32,wm2,wn2,op16x16x16,s3,interleaved,sequential,sk1,g1"])
def test_a_recorded_kernel_computes_what_it_should(tmp_path, line):
    source = str(gen.build(gen.GenOptions(m=64, n=32, k=128)))
    module = parsed(source)
    run_pipeline(module, parse_pipeline(f"{FUSE},rocfuse-expand-math"), PassContext())
    path = tmp_path / "some.db"
    TuningDb(str(path)).record({key_of(module): line})
    code = rocfuse.compile(source, tuning_db=path)
    assert code.plan["perf_config"] == line
    arrays = [0.5 * one for one in arguments(source)]
    result = code.simulate(*arrays)
    assert not result.faults
    (wanted,), (have,) = results(source, arrays), result.outputs
    assert np.abs(wanted.astype(np.float64) - have).max() <= 2**-8 * np.abs(wanted).max()
    # and the line of a contract, given as an option, is the same kernel
    again = rocfuse.compile(source, options={"rocfuse-plan-kernels": {"perf-config": code.plan["perf_config"]}})
    assert again.hsaco == code.hsaco


def test_the_models_choice_is_the_first_candidate():
    module = fused()
    (op,) = walk(module, MULTI_GEMM)
    decision = PlanKernels().decide(read_kernel(op.parent), PassContext())
    first, *others = candidates(decision)
    assert first.line == perf_config.format(decision.chosen.tiling, decision.chosen.group_m)
    assert len({one.line for one in others} | {first.line}) == 1 + len(others) > 10
    assert [one.model for one in others] == sorted(one.model for one in others)


def test_compile_says_that_a_recorded_choice_does_not_fit(tmp_path):
    module = fused(m=64, n=32, k=64, combine="bilinear")  # nothing of it is expanded
    path = tmp_path / "some.db"
    TuningDb(str(path)).record({key_of(module): "v1:m256,n256,k64"})
    remarks = []
    lower(str(module), tuning_db=path, on_remark=lambda location, text: remarks.append(text))
    assert len(remarks) == 1 and f"{path} has a choice for this kernel that does not fit: " in remarks[0]

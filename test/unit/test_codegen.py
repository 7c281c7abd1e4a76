"""LLVM IR to machine code: what is refused before it, and what comes out."""

import pytest
from mlir import ir

import rocfuse
from rocfuse import gen
from rocfuse.codegen import llvm
from rocfuse.diagnostics import CompileError
from rocfuse.dialect import create_context
from rocfuse.targets import GFX942

KERNEL = """target triple = "amdgcn-amd-amdhsa"
define amdgpu_kernel void @k(ptr addrspace(1) %p) {
  store i32 1, ptr addrspace(1) %p
  ret void
}"""


def translate(body: str, declarations: str = "") -> str:
    text = f"""gpu.module @kernels {{
      {declarations}
      llvm.func @k(%x: f32, %p: !llvm.ptr<1>) attributes {{rocdl.kernel}} {{
        {body}
        llvm.return
      }}
    }}"""
    with create_context():
        return llvm.translate(ir.Module.parse(text))


def test_intrinsics_are_translated():
    text = translate(
        '%0 = llvm.call_intrinsic "llvm.amdgcn.rcp.f32"(%x) : (f32) -> f32\nllvm.store %0, %p : f32, !llvm.ptr<1>'
    )
    assert "define amdgpu_kernel void @k(" in text
    assert "@llvm.amdgcn.rcp.f32(" in text


@pytest.mark.parametrize("name", ["__ocml_exp_f32", "expf", "odd-name$1", "with space"])
def test_a_call_of_a_library_function_is_refused_by_name(name):
    symbol = f'@"{name}"'
    with pytest.raises(CompileError) as error:
        translate(
            f"%0 = llvm.call {symbol}(%x) : (f32) -> f32\nllvm.store %0, %p : f32, !llvm.ptr<1>",
            f"llvm.func {symbol}(f32) -> f32",
        )
    assert name in error.value.message and "there is no device library" in error.value.message


def test_the_module_must_hold_one_gpu_module():
    with (
        create_context(),
        pytest.raises(CompileError, match=r"need 1 gpu\.module, have 0; run the lowering passes first"),
    ):
        llvm.translate(ir.Module.parse("module {}"))
    with create_context(), pytest.raises(CompileError, match=r"need 1 gpu\.module, have 2"):
        llvm.translate(ir.Module.parse("gpu.module @a {}\ngpu.module @b {}"))


def test_text_that_llvm_does_not_read_is_an_error():
    with pytest.raises(CompileError, match="LLVM does not accept the translated kernel: "):
        llvm.generate("define nonsense", GFX942)


def test_object_and_assembly_are_of_the_same_kernel():
    code = llvm.generate(KERNEL, GFX942)
    assert code.obj[:4] == b"\x7fELF" and code.obj[16] == 1, "ET_REL"
    assert '.amdgcn_target "amdgcn-amd-amdhsa--gfx942"' in code.isa and "s_endpgm" in code.isa


def test_the_same_text_is_the_same_code():
    assert llvm.generate(KERNEL, GFX942) == llvm.generate(KERNEL, GFX942)


def test_a_budget_for_more_waves_than_lds_holds_is_no_warning(capfd):
    text = str(gen.build(gen.GenOptions(pattern="separate", m=128, n=1, gemms=3, combine="reglu")))
    plan = {"schedule": "prefetch", "max-registers": "96", "tile-m": "32", "waves-m": "2", "waves-n": "1"}
    code = rocfuse.compile(text, options={"rocfuse-plan-kernels": plan})
    assert code.plan["waves_per_simd"] < 512 // 96
    assert capfd.readouterr().err == ""


def test_a_declaration_that_nothing_calls_is_no_refusal():
    text = translate("llvm.store %x, %p : f32, !llvm.ptr<1>", "llvm.func @expf(f32) -> f32")
    assert "declare float @expf(float)" in text

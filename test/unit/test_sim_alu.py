"""The vector ALU against numpy: what LLVM emits for scalar types, with special values among the data."""

import numpy as np
import pytest
from simkernels import run_elementwise


def _floats(dtype, seed):
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    values = (rng.standard_normal(64) * np.exp2(rng.integers(-6, 7, 64))).astype(dtype)
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, info.max, info.tiny, info.smallest_subnormal, 0.5, 2.5]
    values[:12] = np.roll(np.array(special, np.float64), seed * 5).astype(dtype)
    return values


def _same(found, wanted):
    with np.errstate(all="ignore"):
        equal = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    assert equal.all(), [(int(i), found[i], wanted[i]) for i in np.nonzero(~equal)[0][:5]]


FLOATS = {"float": ("f32", np.float32, "f32"), "half": ("f16", np.float16, "f16"), "double": ("f64", np.float64, "f64")}


@pytest.mark.parametrize("kind", FLOATS)
def test_float_arithmetic(kind):
    short, dtype, name = FLOATS[kind]
    a, b, c = (_floats(dtype, seed) for seed in range(3))
    fn = {x: f"@llvm.{x}.{short}" for x in ("sqrt", "floor", "ceil", "trunc", "rint", "fabs", "minnum", "maxnum")}
    fn |= {x: f"@llvm.{x}.{short}" for x in ("copysign", "fma", "canonicalize")}
    rows = [
        f"%r = fadd {kind} %a, %b",
        f"%r = fsub {kind} %a, %b",
        f"%r = fmul {kind} %a, %b",
        f"%r = fdiv {kind} %a, %b",
        f"%r = fneg {kind} %a",
        *(f"%r = call {kind} {fn[x]}({kind} %a)" for x in ("sqrt", "floor", "ceil", "trunc", "rint", "fabs")),
        *(f"%r = call {kind} {fn[x]}({kind} %a, {kind} %b)" for x in ("minnum", "maxnum", "copysign")),
        f"%r = call {kind} {fn['fma']}({kind} %a, {kind} %b, {kind} %c)",
    ]
    more = "\n".join(
        f"declare {kind} {f}({', '.join([kind] * (3 if 'fma' in f else 2 if 'num' in f or 'copy' in f else 1))})"
        for f in fn.values()
    )
    found = run_elementwise(kind, rows, kind, name, [a, b, c], more)
    with np.errstate(all="ignore"):
        wanted = [a + b, a - b, a * b, a / b, -a, np.sqrt(a), np.floor(a), np.ceil(a), np.trunc(a), np.rint(a)]
        wanted += [np.abs(a), np.fmin(a, b), np.fmax(a, b), np.copysign(a, b)]
        for row, value in zip(found, wanted, strict=False):
            _same(row, value)
        wide = np.longdouble
        _same(found[14], (a.astype(wide) * b.astype(wide) + c.astype(wide)).astype(dtype))


@pytest.mark.parametrize("name", ["exp2", "log2", "exp", "log", "sin", "cos"])
def test_transcendental_functions_are_close(name):
    rng = np.random.default_rng(3)
    a = (rng.random(64) * 8 + 0.01).astype(np.float32)
    text = f"%r = call float @llvm.{name}.f32(float %a)"
    found = run_elementwise("float", [text], "float", "f32", [a, a, a], f"declare float @llvm.{name}.f32(float)")
    np.testing.assert_allclose(found[0], getattr(np, name)(a.astype(np.float64)), rtol=3e-6, atol=2e-6)


def test_float_comparisons():
    a, b = _floats(np.float32, 0), _floats(np.float32, 1)
    b[20:40] = a[20:40]
    kinds = ["oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult", "ule", "une", "uno"]
    rows = [f"%r = call i32 @{kind}(float %a, float %b)" for kind in kinds]
    more = "".join(
        f"define internal i32 @{k}(float %a, float %b) alwaysinline {{ %c = fcmp {k} float %a, %b\n"
        f" %z = zext i1 %c to i32\n ret i32 %z }}\n"
        for k in kinds
    )
    found = run_elementwise("float", rows, "i32", "i32", [a, b, a], more)
    ordered = ~(np.isnan(a) | np.isnan(b))
    base = {"eq": a == b, "gt": a > b, "ge": a >= b, "lt": a < b, "le": a <= b, "ne": a != b}
    for row, kind in zip(found, kinds, strict=True):
        if kind in ("ord", "uno"):
            wanted = ordered if kind == "ord" else ~ordered
        else:
            wanted = (base[kind[1:]] & ordered) if kind[0] == "o" else (base[kind[1:]] | ~ordered)
        assert (row == wanted).all(), kind


INTEGERS = {"i16": np.int16, "i32": np.int32, "i64": np.int64}


@pytest.mark.parametrize("kind", INTEGERS)
def test_integer_arithmetic(kind):
    dtype, width = INTEGERS[kind], int(kind[1:])
    unsigned = np.dtype(f"u{width // 8}").type
    rng = np.random.default_rng(width)
    a, b, c = (rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, 64, dtype, endpoint=True) for _ in range(3))
    a[:4], b[:4] = [0, -1, 1, np.iinfo(dtype).min], [1, 1, -1, 2]
    b[b == 0] = 1
    b[8:20] = rng.integers(1, 100, 12)
    two = ["add", "sub", "mul", "and", "or", "xor", "udiv", "urem", "sdiv", "srem"]
    calls = ["smin", "smax", "umin", "umax"]
    rows = [f"%r = {op} {kind} %a, %b" for op in two]
    rows += [f"%r = call {kind} @llvm.{op}.{kind}({kind} %a, {kind} %b)" for op in calls]
    rows += [f"%r = call {kind} @{op}_of({kind} %a, {kind} %c)" for op in ("shl", "lshr", "ashr")]
    rows += [f"%r = call {kind} @llvm.{op}.{kind}({kind} %a)" for op in ("ctpop", "bitreverse")]
    rows += [f"%r = call {kind} @llvm.{op}.{kind}({kind} %c, i1 false)" for op in ("ctlz", "cttz")]
    more = "\n".join(f"declare {kind} @llvm.{op}.{kind}({kind}, {kind})" for op in calls)
    more += "".join(f"\ndeclare {kind} @llvm.{op}.{kind}({kind})" for op in ("ctpop", "bitreverse"))
    more += "".join(f"\ndeclare {kind} @llvm.{op}.{kind}({kind}, i1)" for op in ("ctlz", "cttz"))
    for op in ("shl", "lshr", "ashr"):
        more += (
            f"\ndefine internal {kind} @{op}_of({kind} %a, {kind} %c) alwaysinline {{ %m = and {kind} %c, {width - 1}"
        )
        more += f"\n %r = {op} {kind} %a, %m\n ret {kind} %r }}"
    found = run_elementwise(kind, rows, kind, kind, [a, b, c], more).view(unsigned)
    ua, ub, uc = a.view(unsigned), b.view(unsigned), c.view(unsigned)
    amount = uc & unsigned(width - 1)
    exact = [(int(x), int(y)) for x, y in zip(a, b, strict=True)]
    quotient = [abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1) for x, y in exact]
    with np.errstate(all="ignore"):
        wanted = [ua + ub, ua - ub, ua * ub, ua & ub, ua | ub, ua ^ ub, ua // ub, ua % ub]
        wanted += [
            [q % 2**width for q in quotient],
            [(x - q * y) % 2**width for q, (x, y) in zip(quotient, exact, strict=True)],
        ]
        wanted += [np.minimum(a, b), np.maximum(a, b), np.minimum(ua, ub), np.maximum(ua, ub)]
        wanted += [ua << amount, ua >> amount, a >> amount.view(dtype)]
    text = [np.binary_repr(int(x), width) for x in ua]
    other = [np.binary_repr(int(x), width) for x in uc]
    wanted += [[x.count("1") for x in text], [int(x[::-1], 2) for x in text]]
    wanted += [[len(x) - len(x.lstrip("0")) for x in other], [len(x) - len(x.rstrip("0")) for x in other]]
    for at, (row, value) in enumerate(zip(found, wanted, strict=True)):
        if not isinstance(value, np.ndarray):
            value = np.array([x % 2**width for x in value], object).astype(unsigned)
        value = value.view(unsigned)
        assert (row == value).all(), (rows[at], row[:4], value[:4])


def test_conversions_saturate_and_round():
    a = _floats(np.float32, 1)
    a[20:30] = [3e9, -3e9, 2.5, 3.5, -2.5, 65504.0, 65519.9, 65520.0, 1e-8, 6e-8]
    rows = [
        "%r = call i32 @llvm.fptosi.sat.i32.f32(float %a)",
        "%r = call i32 @llvm.fptoui.sat.i32.f32(float %a)",
        "%r = call i32 @half_of(float %a)",
        "%r = call i32 @bf16_of(float %a)",
    ]
    more = """
declare i32 @llvm.fptosi.sat.i32.f32(float)
declare i32 @llvm.fptoui.sat.i32.f32(float)
define internal i32 @half_of(float %a) alwaysinline { %h = fptrunc float %a to half
 %f = fpext half %h to float
 %i = bitcast float %f to i32
 ret i32 %i }
define internal i32 @bf16_of(float %a) alwaysinline { %h = fptrunc float %a to bfloat
 %f = fpext bfloat %h to float
 %i = bitcast float %f to i32
 ret i32 %i }"""
    found = run_elementwise("float", rows, "i32", "i32", [a, a, a], more)
    import ml_dtypes

    wide = np.nan_to_num(np.trunc(a.astype(np.float64)), nan=0.0)
    assert (found[0] == np.clip(wide, -(2**31), 2**31 - 1).astype(np.int64)).all()
    assert (found[1].view(np.uint32) == np.clip(wide, 0, 2**32 - 1).astype(np.int64)).all()
    with np.errstate(all="ignore"):
        _same(found[2].view(np.float32), a.astype(np.float16).astype(np.float32))
        _same(found[3].view(np.float32), a.astype(ml_dtypes.bfloat16).astype(np.float32))


def test_integer_to_float_conversions():
    a = np.random.default_rng(5).integers(-(2**31), 2**31, 64, np.int32)
    a[:4] = [0, -1, 2**24 + 1, -(2**31)]
    rows = ["%r = sitofp i32 %a to float", "%r = uitofp i32 %a to float"]
    found = run_elementwise("i32", rows, "float", "f32", [a, a, a])
    assert (found[0] == a.astype(np.float32)).all()
    assert (found[1] == a.view(np.uint32).astype(np.float32)).all()
    wide = a.astype(np.int64) * 123456789
    rows = ["%r = sitofp i64 %a to double", "%r = uitofp i64 %a to double"]
    found = run_elementwise("i64", rows, "double", "f64", [wide, wide, wide])
    assert (found[0] == wide.astype(np.float64)).all()
    assert (found[1] == wide.view(np.uint64).astype(np.float64)).all()


def test_packed_halves():
    rng = np.random.default_rng(7)
    a, b, c = (rng.standard_normal(128).astype(np.float16) for _ in range(3))
    rows = [
        "%r = fadd <2 x half> %a, %b",
        "%r = fmul <2 x half> %a, %b",
        "%r = call <2 x half> @llvm.fma.v2f16(<2 x half> %a, <2 x half> %b, <2 x half> %c)",
        "%r = call <2 x half> @llvm.maxnum.v2f16(<2 x half> %a, <2 x half> %b)",
        "%r = shufflevector <2 x half> %a, <2 x half> %b, <2 x i32> <i32 1, i32 2>",
        "%r = fsub <2 x half> <half 1.0, half 2.0>, %a",
    ]
    more = """declare <2 x half> @llvm.fma.v2f16(<2 x half>, <2 x half>, <2 x half>)
declare <2 x half> @llvm.maxnum.v2f16(<2 x half>, <2 x half>)"""
    found = run_elementwise("<2 x half>", rows, "<2 x half>", "i32", [x.view(np.int32) for x in (a, b, c)], more)
    found = found.view(np.float16)
    wanted = [a + b, a * b, (a.astype(np.float64) * b + c).astype(np.float16), np.maximum(a, b)]
    mixed = np.empty_like(a)
    mixed[0::2], mixed[1::2] = a[1::2], b[0::2]
    constants = np.tile(np.array([1, 2], np.float16), 64)
    for row, value in zip(found, [*wanted, mixed, constants - a], strict=True):
        assert (row == value).all()


def test_packed_floats():
    rng = np.random.default_rng(8)
    a, b, c = (rng.standard_normal(128).astype(np.float32) for _ in range(3))
    rows = [
        "%r = fadd <2 x float> %a, %b",
        "%r = fmul <2 x float> %a, %b",
        "%r = call <2 x float> @llvm.fma.v2f32(<2 x float> %a, <2 x float> %b, <2 x float> %c)",
    ]
    more = "declare <2 x float> @llvm.fma.v2f32(<2 x float>, <2 x float>, <2 x float>)"
    found = run_elementwise("<2 x float>", rows, "<2 x float>", "i64", [x.view(np.int64) for x in (a, b, c)], more)
    wanted = [a + b, a * b, (a.astype(np.float64) * b + c).astype(np.float32)]
    for row, value in zip(found.view(np.float32), wanted, strict=True):
        assert (row == value).all()


def test_amdgcn_intrinsics():
    rng = np.random.default_rng(9)
    a, b, c = (rng.integers(0, 2**32, 64, np.uint32).view(np.int32) for _ in range(3))
    names = ["perm", "alignbyte", "sad.u8", "ubfe.i32", "sbfe.i32"]
    rows = [f"%r = call i32 @llvm.amdgcn.{name}(i32 %a, i32 %b, i32 %c)" for name in names[:3]]
    rows += [f"%r = call i32 @llvm.amdgcn.{name}(i32 %a, i32 7, i32 11)" for name in names[3:]]
    rows += [
        "%r = call i32 @llvm.amdgcn.mul.u24.i32(i32 %a, i32 %b)",
        "%r = call i32 @llvm.amdgcn.readfirstlane.i32(i32 %a)",
    ]
    rows += [
        "%r = call i32 @llvm.amdgcn.readlane.i32(i32 %a, i32 17)",
        "%r = call i32 @llvm.fshr.i32(i32 %a, i32 %b, i32 %c)",
    ]
    rows += ["%r = call i32 @lane()"]
    more = "".join(f"declare i32 @llvm.amdgcn.{name}(i32, i32, i32)\n" for name in names)
    more += """declare i32 @llvm.amdgcn.mul.u24.i32(i32, i32)
declare i32 @llvm.amdgcn.readfirstlane.i32(i32)
declare i32 @llvm.amdgcn.readlane.i32(i32, i32)
declare i32 @llvm.fshr.i32(i32, i32, i32)
declare i32 @llvm.amdgcn.mbcnt.lo(i32, i32)
declare i32 @llvm.amdgcn.mbcnt.hi(i32, i32)
define internal i32 @lane() alwaysinline { %l = call i32 @llvm.amdgcn.mbcnt.lo(i32 -1, i32 0)
 %h = call i32 @llvm.amdgcn.mbcnt.hi(i32 -1, i32 %l)
 ret i32 %h }"""
    found = run_elementwise("i32", rows, "i32", "u32", [a, b, c], more)
    ua, ub, uc = (x.view(np.uint32).astype(np.uint64) for x in (a, b, c))
    wide = ub | ua << np.uint64(32)

    def perm(data, selector):
        result = 0
        for at in range(4):
            pick = selector >> 8 * at & 255
            byte = data >> 8 * pick & 255 if pick < 8 else 0
            if 8 <= pick <= 11:
                byte = 255 * (data >> (15 + 16 * (pick - 8)) & 1)
            byte = 255 if pick >= 13 else byte
            result |= byte << 8 * at
        return result

    sad = uc + sum(
        np.abs(
            (ua >> np.uint64(s) & np.uint64(255)).astype(np.int64)
            - (ub >> np.uint64(s) & np.uint64(255)).astype(np.int64)
        )
        for s in (0, 8, 16, 24)
    ).astype(np.uint64)
    field = ua >> np.uint64(7) & np.uint64(0x7FF)
    wanted = [
        np.array([perm(int(w), int(s)) for w, s in zip(wide, uc, strict=True)]),
        wide >> (np.uint64(8) * (uc & np.uint64(3))),
        sad,
        field,
        np.where(field >= 1024, field.astype(np.int64) - 2048, field.astype(np.int64)),
        (ua & np.uint64(0xFFFFFF)) * (ub & np.uint64(0xFFFFFF)),
        np.full(64, ua[0]),
        np.full(64, ua[17]),
        wide >> (uc & np.uint64(31)),
        np.arange(64),
    ]
    for at, (row, value) in enumerate(zip(found, wanted, strict=True)):
        assert (row == np.asarray(value).astype(np.uint64).astype(np.uint32)).all(), rows[at]


@pytest.mark.parametrize(("kind", "width"), [("i32", 32), ("i16", 16)])
def test_saturating_arithmetic(kind, width):
    dtype = np.dtype(f"i{width // 8}").type
    rng = np.random.default_rng(1)
    a, b = (rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, 64, dtype, endpoint=True) for _ in range(2))
    names = ["sadd", "ssub", "uadd", "usub"]
    rows = [f"%r = call {kind} @llvm.{name}.sat.{kind}({kind} %a, {kind} %b)" for name in names]
    more = "\n".join(f"declare {kind} @llvm.{name}.sat.{kind}({kind}, {kind})" for name in names)
    found = run_elementwise(kind, rows, kind, kind, [a, b, a], more)
    wide, other = a.astype(np.int64), b.astype(np.int64)
    uwide, uother = wide % 2**width, other % 2**width
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    assert (found[0] == np.clip(wide + other, low, high)).all()
    assert (found[1] == np.clip(wide - other, low, high)).all()
    assert (found[2].astype(np.int64) % 2**width == np.minimum(uwide + uother, 2**width - 1)).all()
    assert (found[3].astype(np.int64) % 2**width == np.maximum(uwide - uother, 0)).all()

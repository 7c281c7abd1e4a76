"""What is known of a kernel in LLVM form, told to LLVM: its own passes would find it out again in every compilation.

Sources: LLVM's AMDGPUUsage ("LLVM IR Attributes"), and what its AMDGPU attributor and IndVarSimplify make of a kernel.
"""

from __future__ import annotations

from mlir import ir

from rocfuse.dialect import walk

_NE = 1  # LLVM's icmp predicates, as MLIR numbers them
_SLT = 2
_KERNEL = "rocdl.kernel"
_ANNOTATION = "llvm.loop_annotation"
# Kernels call nothing and read neither the runtime's arguments nor its queue, so it need not pass them; and no code
# of theirs names an AGPR, so that the matrix instructions may keep their sums where the rest reads them.
_UNUSED = (
    "amdgpu-no-cluster-id-x",
    "amdgpu-no-cluster-id-y",
    "amdgpu-no-cluster-id-z",
    "amdgpu-no-completion-action",
    "amdgpu-no-default-queue",
    "amdgpu-no-dispatch-id",
    "amdgpu-no-dispatch-ptr",
    "amdgpu-no-flat-scratch-init",
    "amdgpu-no-heap-ptr",
    "amdgpu-no-hostcall-ptr",
    "amdgpu-no-implicitarg-ptr",
    "amdgpu-no-lds-kernel-id",
    "amdgpu-no-multigrid-sync-arg",
    "amdgpu-no-queue-ptr",
)
_NO_AGPRS = ("amdgpu-agpr-alloc", "0")
# op that reads an id → attribute of a kernel without one
_IDS = {
    f"rocdl.{what}.id.{dim}": f"amdgpu-no-{what}-id-{dim}"
    for what, dim in (("workgroup", "y"), ("workgroup", "z"), ("workitem", "y"), ("workitem", "z"))
}


def state_facts(module: ir.Module) -> None:
    """Give every kernel the attributes of what it does not use, and its loops the ends that LLVM would find."""
    for function in walk(module, "llvm.func"):
        if _KERNEL not in function.attributes:
            continue
        used: set[str] = set()
        branches: list[ir.Operation] = []

        def visit(op: ir.Operation, used: set[str] = used, branches: list[ir.Operation] = branches) -> ir.WalkResult:
            used.add(name := op.name)
            if name == "llvm.br" and _ANNOTATION in op.attributes:
                branches.append(op)
            return ir.WalkResult.ADVANCE

        function.walk(visit)
        _state_unused(function, used)
        for branch in branches:
            _finish_loop(branch)


def _state_unused(kernel: ir.Operation, used: set[str]) -> None:
    known = list(ir.ArrayAttr(kernel.attributes["passthrough"])) if "passthrough" in kernel.attributes else []
    names = (*_UNUSED, *(attribute for op, attribute in _IDS.items() if op not in used))
    facts: list[ir.Attribute] = [ir.StringAttr.get(name) for name in names]
    facts.append(ir.ArrayAttr.get([ir.StringAttr.get(text) for text in _NO_AGPRS]))
    kernel.attributes["passthrough"] = ir.ArrayAttr.get([*known, *facts])


def _finish_loop(back: ir.Operation) -> None:
    """Give the branch at a loop's end its annotation, and let a loop of known turns end at equality.

    Upstream carries the annotation to the branch by name only; it becomes the attribute that is translated. A counter
    that is compared for equality can be left out for an address that the loop has anyway.
    """
    back.attributes["loop_annotation"] = back.attributes[_ANNOTATION]
    del back.attributes[_ANNOTATION]
    _end_at_equality(back)


def _end_at_equality(back: ir.Operation) -> None:
    header = back.successors[0]
    test = header.operations[0].operation
    if test.name != "llvm.icmp" or ir.IntegerAttr(test.attributes["predicate"]).value != _SLT:
        return
    counter, end = test.operands[0], _constant(test.operands[1])
    if end is None or not isinstance(counter.owner, ir.Block) or counter.owner != header:
        return
    number = ir.BlockArgument(counter).arg_number
    entries = [block.operations[len(block.operations) - 1].operation for block in header.predecessors]
    starts = [_constant(entry.operands[number]) for entry in entries if entry != back]
    step = _step(back.operands[number], counter)
    if step and len(starts) == 1 and starts[0] is not None and starts[0] < end and (end - starts[0]) % step == 0:
        test.attributes["predicate"] = ir.IntegerAttr.get(ir.IntegerType.get_signless(64), _NE)


def _step(following: ir.Value, counter: ir.Value) -> int | None:
    """What a turn adds to the counter, if it is a constant."""
    owner = following.owner
    if isinstance(owner, ir.Block) or owner.name != "llvm.add" or owner.operands[0] != counter:
        return None
    return _constant(owner.operands[1])


def _constant(value: ir.Value) -> int | None:
    owner = value.owner
    if isinstance(owner, ir.Block) or owner.name != "llvm.mlir.constant":
        return None
    attribute = owner.attributes["value"]
    return int(ir.IntegerAttr(attribute).value) if isinstance(attribute, ir.IntegerAttr) else None

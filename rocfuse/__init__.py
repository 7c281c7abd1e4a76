"""rocfuse: several GEMMs and their elementwise combine as one AMD GPU kernel."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rocfuse.compiler import CodeObject

__all__ = ["__version__", "compile"]


# sys.argv[0] is -m while Python looks for the command of `python -m rocfuse.…`, and a path from then on
if sys.argv[:1] == ["-m"] and importlib.util.find_spec("mlir") is None:
    text = f"error: the module mlir is not installed for {sys.executable}"
    print(f"{text}; use the environment that has it (.venv/bin/python)", file=sys.stderr)
    sys.exit(2)


def compile(text_or_module: Any, target: str = "gfx942", **options: Any) -> CodeObject:
    """Compile MLIR text or a module to a code object; see `rocfuse.compiler.compile` for the options.

    The compiler is imported at the first call: `import rocfuse` alone loads neither MLIR nor LLVM.
    """
    from rocfuse.compiler import compile as run

    return run(text_or_module, target, **options)

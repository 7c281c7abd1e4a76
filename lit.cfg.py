"""lit configuration: run `.venv/bin/lit test`, or `make test`."""

import os
import sys
import sysconfig
from pathlib import Path

import lit.formats

root = Path(__file__).parent
packages = Path(sysconfig.get_paths()["purelib"])
tools = [packages / "llvm" / "bin", packages / "mlir" / "bin"]
for folder, tool in ((tools[0], "FileCheck"), (tools[0], "not"), (tools[0], "split-file"), (tools[1], "mlir-opt")):
    if not (folder / tool).is_file():
        lit_config.fatal(f"{tool} is missing from {folder}: install the packages with `make install`")  # noqa: F821

config = globals()["config"]
config.name = "rocfuse"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["inputs", "unit", "build", "examples", "dialects", "docs", "bench", ".venv"]
config.test_source_root = str(root)
config.test_exec_root = str(root / "build" / "lit")
config.environment["PATH"] = os.pathsep.join([*map(str, tools), str(Path(sys.executable).parent), os.environ["PATH"]])
config.environment["PYTHONPATH"] = str(root)
config.environment["FILECHECK_OPTS"] = "--enable-var-scope --allow-unused-prefixes=false"
for name in ("HOME", "TMPDIR", "ROCM_PATH", "ROCFUSE_LLD", "NUMBA_CACHE_DIR"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

for command in ("opt", "gen", "plan", "tune", "sim"):
    config.substitutions.append((f"%rocfuse-{command}", f"{sys.executable} -m rocfuse.{command}"))
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%inputs", str(root / "test" / "inputs")))
config.substitutions.append(("%dialect", str(root / "dialects" / "rocfuse.irdl.mlir")))

if lit_config.params.get("full"):  # noqa: F821
    config.available_features.add("full")

"""Run a command and check its exit code and that it printed at most one line: exit_code.py CODE COMMAND…"""

import subprocess
import sys

expected, command = int(sys.argv[1]), sys.argv[2:]
result = subprocess.run(command, capture_output=True, text=True, check=False)
sys.stdout.write(result.stdout)
sys.stderr.write(result.stderr)
lines = (result.stdout + result.stderr).splitlines()
if len(lines) > 1 or any("Traceback" in line for line in lines):
    sys.exit(f"printed {len(lines)} lines, expected one")
if result.returncode != expected:
    sys.exit(f"exit code {result.returncode}, expected {expected}")

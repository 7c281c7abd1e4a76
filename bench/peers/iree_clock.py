"""Compile one program with IREE several times in one process; runs in IREE's own environment.

    build/peers/iree/bin/python bench/peers/iree_clock.py PROGRAM.mlir COUNT FLAG…

Prints [wall seconds, processor seconds] of each compilation as JSON. A session is a context of its own, as for rocfuse.
"""

import json
import sys
import time
from pathlib import Path

from iree.compiler.api import Invocation, Output, Session, Source, _initializeGlobalCL


def compilation(text):
    with Session() as session:
        source = Source.wrap_buffer(session, text)
        with Invocation(session) as invocation:
            invocation.enable_console_diagnostics()
            if not invocation.parse_source(source) or not invocation.execute():
                sys.exit("error: IREE does not compile the program")
            with Output.open_membuffer() as output:
                invocation.output_vm_bytecode(output)


def main():
    text = Path(sys.argv[1]).read_bytes() + b"\0"
    _initializeGlobalCL("iree_clock", *sys.argv[3:])  # a session does not know every flag
    times = []
    for _ in range(int(sys.argv[2])):
        wall, busy = time.perf_counter(), time.process_time()
        compilation(text)
        times.append([time.perf_counter() - wall, time.process_time() - busy])
    print(json.dumps(times))


if __name__ == "__main__":
    main()

# rocfuse: `make demo` shows it, `make test` tests it. Both install what they need into .venv first.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.rocfuse-installed
JOBS ?= 2
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# the first Python that can be used, unless PYTHON=... says which
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c '$(SUPPORTED)' 2>/dev/null && echo $$python && break; done)

.PHONY: demo test test-full lit unit check check-format check-lint check-types check-docs docs format install bench-peers clean

demo: $(STAMP)  ## compile examples/01-geglu.mlir, show the account, run it in the simulator
	$(BIN)/python examples/demo.py

test: check lit unit  ## everything that CI runs

test-full: check  ## also the tests that take minutes
	$(BIN)/lit -j$(JOBS) --param full=1 test
	$(BIN)/pytest -n $(JOBS) -m ''

lit: $(STAMP)
	@echo '== lit'
	$(BIN)/lit -j$(JOBS) test

unit: $(STAMP)
	@echo '== unit tests'
	$(BIN)/pytest -n $(JOBS)

check: check-format check-lint check-types check-docs  ## `make -k check` goes on after a failure

check-format: $(STAMP)
	@echo '== format'
	$(BIN)/ruff format --check .

check-lint: $(STAMP)
	@echo '== lint'
	$(BIN)/ruff check .

check-types: $(STAMP)
	@echo '== types'
	$(BIN)/mypy

check-docs: $(STAMP)
	@echo '== generated documents'
	$(BIN)/python docs/generate.py --check

docs: $(STAMP)  ## rewrite docs/passes.md from the docstrings
	$(BIN)/python docs/generate.py

format: $(STAMP)
	$(BIN)/ruff format .

install: $(STAMP)

$(STAMP): pyproject.toml
	@$(or $(PYTHON),false) -c '$(SUPPORTED)' 2>/dev/null || { \
		echo "error: rocfuse needs Python 3.11, 3.12 or 3.13; name one with: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "== installing into $(VENV) with $(PYTHON): about 1.8 GB"
	@$(PYTHON) -m venv $(VENV) || { \
		echo "error: this Python cannot make a virtual environment (on Debian: the package python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -e '.[dev]'
	@$(BIN)/python -m compileall -q rocfuse  # as pip does for every package but an editable one
	@touch $@

bench-peers: build/peers/triton/.installed build/peers/iree/.installed  ## what bench/kernels.py compares with: about 1.7 GB

build/peers/triton/.installed: PACKAGE := triton==3.9.0
build/peers/iree/.installed: PACKAGE := iree-base-compiler==3.13.0
build/peers/%/.installed: $(STAMP)
	@echo "== installing $(PACKAGE) into $(@D)"
	@$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install --disable-pip-version-check --progress-bar off $(PACKAGE)
	@touch $@

clean:  ## remove what was built, keep .venv
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find rocfuse test bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

# Every target sets up what it needs in .venv and installs nothing twice.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := constraints/full.txt
KERNELS := src/counterspin/simulation/kernels
# pip learned dependency groups in 25.1.
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Calibrations of real devices ship in these; nothing in them is imported, so nothing they depend on is needed.
SNAPSHOTS := qiskit-ibm-runtime cirq-google

.PHONY: audit test test-long check check-types check-tests bench docs examples clean

audit: $(VENV)/.runtime
	$(BIN)/counterspin audit digits-amplitude --quick

test: $(VENV)/.development
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

test-long: $(VENV)/.development
	$(BIN)/python -m pytest -m long

# Types take one core about as long as the fast tests take the other, so they run side by side.
check: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory --jobs 2 --output-sync=target check-types check-tests

check-types:
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/deptry .

# Shapes and types are checked at run time by `make test`: that costs a third of the fast tests. The tests yield to
# pyright, which has only one thread.
check-tests:
	COUNTERSPIN_TYPE_CHECKS=off nice -n 5 $(BIN)/python -m pytest -n 2 --dist loadfile \
	    -m "not slow and not long and not browser"

bench: $(VENV)/.development
	$(BIN)/python -m benchmarks $(BENCH)

EXAMPLES := pennylane_model.py:qnode qiskit_model.py:qnn qsvc.py:clf hybrid_torch.py:model
EXAMPLE_THREAT := --norm linf --eps 0.02,0.05

# Every route a user's model can take; the circuit alone needs its samples beside it.
examples: $(VENV)/.development
	rm -rf build/examples
	$(BIN)/python examples/data.py build/examples
	for example in $(EXAMPLES) "model.qasm --data build/examples/cancer.npz"; do \
	    $(BIN)/counterspin inspect examples/$$example || exit; \
	    $(BIN)/counterspin audit examples/$$example --quick --samples 10 $(EXAMPLE_THREAT) \
	        --out build/examples/$${example%%.*} || exit; \
	done

docs: $(VENV)/.development
	$(BIN)/sphinx-build -W -b html docs build/docs

clean:
	rm -rf $(VENV) build dist docs/_build src/*.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -f $(KERNELS)/_native*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.pip: $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade --constraint $(CONSTRAINTS) pip setuptools
	touch $@

# The installation builds the compiled engine where there is a C compiler; changed sources build it again.
$(VENV)/.runtime: $(VENV)/.pip pyproject.toml setup.py $(wildcard $(KERNELS)/c/*)
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --editable '.[data]'
	touch $@

$(VENV)/.development: $(VENV)/.runtime
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --editable '.[data,crosscheck,sdp,pennylane,qiskit,jax]' --group dev
	$(PIP) install --quiet --constraint $(CONSTRAINTS) --no-deps $(SNAPSHOTS)
	touch $@

# Two commands from a bare machine (Python 3.10 or later, gcc, make):
#   make demo   set up, then train every order on a planted corpus and check the winners
#   make test   set up, then lint, types and tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Many small tensors: threads of one process would only get in the way of the other.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-slow lint format bench constraints clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed; try make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[report,tensorboard,search,japanese,dev]"
	@touch $@

demo: $(READY)
	$(BIN)/trichord demo --out demo

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(READY)
	$(BIN)/python -m pytest -n 2 -m slow

bench: $(READY)
	$(BIN)/python -m benchmarks

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Pin what is installed now.
constraints: $(READY)
	$(BIN)/python tools/pin.py > constraints.txt

clean:
	rm -rf $(VENV) demo build .mypy_cache .ruff_cache .pytest_cache

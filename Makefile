# From a clean clone, with nothing but Python (3.11 to 3.13) and make:
#
#   make demo    a script is loaded, mirrored, queried; its primary dies; the standby takes over
#   make test    everything that CI checks
#
# Both work in a virtual environment in this folder, .venv, made once and again when pyproject.toml changes.
# PYTHON=/path/to/python3.12 names the interpreter to make it with.

.DELETE_ON_ERROR:
.PHONY: help demo test lint sqlalchemy-2.0 bench clean

VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/installed
	@$(BIN)/tandemdb demo

test: lint sqlalchemy-2.0
	$(BIN)/python -m pytest -n $(WORKERS) --slt-full $(PYTEST_ARGS)

# The environment has the newest SQLAlchemy; the dialect's tests run on the series before it as well.
sqlalchemy-2.0: $(VENV)/sqlalchemy-2.0
	PYTHONPATH=$(VENV)/sqlalchemy-2.0 $(BIN)/python -m pytest -q -n $(WORKERS) tests/dialect

$(VENV)/sqlalchemy-2.0: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --target $@ 'sqlalchemy<2.1'

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/installed
	@$(BIN)/python -m benchmarks.run

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

# A name on PATH proves little: a version manager's shim may stand for an interpreter that is not there, and some
# systems split venv off. So each candidate has to run, say its version and have what a virtual environment needs.
$(VENV)/installed: pyproject.toml
	@set -e; python=; \
	for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	    if "$$candidate" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
	        python=$$candidate; break; \
	    fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "make: no Python 3.11, 3.12 or 3.13 with venv and ensurepip found; name one with PYTHON=/path/to/python" >&2; exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version) (once; takes a minute) ..."; \
	"$$python" -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'; \
	touch $@

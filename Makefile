# One door: `make demo` shows it, `make test` proves it. Both set up all that they need.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo test check fix pytest bench fuzz soak sim clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bdgw needs Python 3.11 or later; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[dev]'
	@touch $@

demo: install
	$(BIN)/bdgw demo

test: check pytest

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Whole files side by side: most of their time is waiting for real brokers, ports and kills.
pytest: install
	$(BIN)/python -m pytest -n 3 --dist loadfile

fix: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: install
	$(BIN)/python -m bench

fuzz: install
	$(BIN)/python -m bench.fuzz --count $(or $(COUNT),20000) --seed $(or $(SEED),0)

soak: install
	$(BIN)/python -m bench.soak $(if $(SECONDS),--seconds $(SECONDS))

sim: install
	$(BIN)/bdgw sim $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

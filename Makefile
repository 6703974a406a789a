# Two commands for a new clone: `make demo` and `make test`. Everything is installed into .venv, nothing elsewhere.
#   make demo PYTHON=python3.13     another Python (3.11 or newer)
#   make test JOBS=4                as many processes as you have cores
#   make demo CONSTRAINTS=          whatever versions pip finds, instead of those that were tested

PYTHON ?= python3
JOBS ?= 2
CONSTRAINTS ?= constraints.txt
BIN := .venv/bin
PIP_INSTALL = $(BIN)/python .ci/pip_install.py $(if $(CONSTRAINTS),-c $(CONSTRAINTS))
PLUGINS := plugins/anystore-doe-s3 plugins/anystore-doe-gcs plugins/anystore-doe-azure
PROJECTS := pyproject.toml $(PLUGINS:=/pyproject.toml) $(CONSTRAINTS)

.PHONY: demo test check docs bench fix

demo: .venv/.demo
	$(BIN)/anystore-doe demo

# Files of tests are shared out over JOBS processes; each starts servers of its own, on ports that the system chooses.
test: check docs
	$(BIN)/pytest -n $(JOBS) --dist loadfile

check: .venv/.test
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check

docs: .venv/.test
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html

bench: .venv/.test
	set -e; for name in startup overhead pipeline memory; do $(BIN)/python benchmarks/$$name.py; done

fix: .venv/.test
	-$(BIN)/ruff check --fix
	$(BIN)/ruff format

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "anystore-doe needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "$(PYTHON) can not make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

# One command for all projects: nothing of ours is on an index, so a part alone would not find the others.
.venv/.demo: .venv/.made $(PROJECTS)
	$(PIP_INSTALL) -e '.[demo]' -e plugins/anystore-doe-s3
	@touch $@

.venv/.test: .venv/.made $(PROJECTS)
	$(PIP_INSTALL) -e '.[test,docs]' $(PLUGINS:%=-e %)
	@touch $@ .venv/.demo

# Everything here runs in a virtual environment of its own; nothing else on the machine is touched.
# Needs Python 3.11 or newer, pip and make:  make validate
#
#   make validate   is an example reward safe to train on? (core only, no torch)
#   make test       all tests, with the extra `llm`
#   make quick      tests without the slow ones
#   make lint       ruff and the import contracts
#   make types      basedpyright
#   make check      lint, types and quick tests
#   make docs       the documentation site, into site/
#   make torture    ten thousand odd inputs of each kind, with counts (ten minutes; CASES=500)
#   make peers      the tables of trainers' conventions against the trainers that are installed, or
#                   in a checkout: make peers PEERS="verl=~/src/verl openrlhf=~/src/OpenRLHF"
#
# Choices:  make validate REWARD=my_rewards.py:brevity     make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv
REWARD ?= examples/rewards/correct_minus_length.py:reward
REPORT ?= toyrl-report.html
WORKERS ?= 2
# Another package index, a CUDA build of torch, ...:  make test PIP_FLAGS="--extra-index-url URL"
PIP_FLAGS ?=
PEERS ?=
CASES ?= 10000
SEED ?= 0
CONSTRAINTS ?= constraints.txt

BIN := $(VENV)/bin
# Tests that share what is dear (one module, one experiment) stay on one worker.
# Workers share the cores, so a worker's linear algebra keeps to one thread. Bytecode is kept,
# outside the tree, whatever the environment says: else every worker compiles everything anew.
PYTEST := PYTHONDONTWRITEBYTECODE= PYTHONPYCACHEPREFIX='$(abspath $(VENV))/bytecode' \
  OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) \
  --dist loadgroup --no-loadscope-reorder
comma := ,
# pip's chatter goes to a log that is shown when something fails.
define install
	@$(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -c $(CONSTRAINTS) \
	  --editable '$(1)' >$(VENV)/setup.log 2>&1 || { cat $(VENV)/setup.log >&2; \
	  echo "Setting up $(VENV) failed; pip's answer is above." >&2; exit 2; }
endef

.DEFAULT_GOAL := help
.PHONY: help validate setup test quick lint types check docs torture peers clean

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

validate: $(VENV)/.stamp-core
	@# Exit code 1 is the answer UNSAFE, and an answer is no error here; 2 and 3 are.
	@$(BIN)/toyrl validate $(REWARD) --report $(REPORT) || [ $$? -eq 1 ]

test: $(VENV)/.stamp-llm
	$(PYTEST)

quick: $(VENV)/.stamp-llm
	HYPOTHESIS_PROFILE=quick $(PYTEST) -m "not slow"

# All that the other targets need.
setup: $(VENV)/.stamp-llm $(VENV)/.stamp-docs

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

# Types of llm_bridge can be judged only where torch and trl are installed.
types: $(VENV)/.stamp-llm
	$(BIN)/basedpyright

check: lint types quick

# Warnings are errors. The pages of papers and of the API are made from the code of this checkout.
docs: $(VENV)/.stamp-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict
	@echo "open site/index.html"

# Every night, or by hand: the same seeds each time, SEED=1 for others.
torture: $(VENV)/.stamp-llm
	@OMP_NUM_THREADS=1 $(BIN)/python -W ignore -m tests.faults.torture --cases $(CASES) --seed $(SEED)

# By hand: continuous integration installs no vLLM, so it has TRL alone.
peers: $(VENV)/.stamp-llm
	@$(BIN)/python benchmarks/trainer_peers.py $(PEERS)

# The profiles build on each other: core, then the developer's tools, then torch and trl.
# A stamp is older than pyproject.toml or the constraints only when the set-up has to run again.
$(VENV)/.stamp-venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "toyrl needs Python 3.11 or newer, but PYTHON=$(PYTHON) is" \
	    "$$($(PYTHON) --version 2>&1 || true);" \
	    "name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 2; }
	@# Some systems ship Python without ensurepip; there the machine's own pip fills the environment.
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { $(PYTHON) -m venv --clear --without-pip $(VENV) \
	  && $(PYTHON) -m pip --python $(BIN)/python install --quiet $(PIP_FLAGS) pip; }
	@touch $@

$(VENV)/.stamp-core: $(VENV)/.stamp-venv pyproject.toml $(CONSTRAINTS)
	@echo "Setting up $(VENV) (core packages, about a minute the first time) ..."
	$(call install,.)
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-core
	@echo "Adding the developer's tools ..."
	$(call install,.[dev])
	@touch $@

$(VENV)/.stamp-llm: $(VENV)/.stamp-dev
	@echo "Adding torch, transformers, trl, Ray and other extras (a few minutes the first time) ..."
	$(call install,.[llm$(comma)sweep$(comma)tasks$(comma)search$(comma)dev])
	@touch $@

$(VENV)/.stamp-docs: $(VENV)/.stamp-core
	@echo "Adding the tools of the documentation site ..."
	$(call install,.[docs])
	@touch $@

clean:
	rm -rf $(VENV) site build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Every way to set up, run and check the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# where Debian keeps Orthanc, and not everybody looks
export PATH := $(PATH):/usr/sbin:/sbin

VENV := .venv
BIN := $(VENV)/bin
# the first Python that is new enough
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt
CONFIG ?= conf/node.toml
CXR ?=
FUZZ ?=
SIEGE ?=
PYTEST_ARGS ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

$(BIN)/uv:
	@test -n "$(PYTHON)" || { echo "make: Python 3.11 or newer is needed; install it, or say PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "make: python venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.node: $(BIN)/uv pyproject.toml constraints.txt
	@echo "setting up $(VENV) (the node)"
	@$(INSTALL) --editable '.[cpu]'
	@touch $@

$(VENV)/.full: $(VENV)/.node
	@echo "setting up $(VENV) (training, tests and tools)"
	@$(INSTALL) --editable '.[cpu,postgres,training,test,dev]'
	@touch $@

.PHONY: demo
demo: $(VENV)/.node ## send a radiograph through the node and show what a radiologist gets; CXR=file.dcm for your own
	@$(BIN)/cxr-node demo --output demo-output $(if $(CXR),--image '$(CXR)')

.PHONY: serve
serve: $(VENV)/.node ## run the node; CONFIG=node.toml
	@$(BIN)/cxr-node serve --config $(CONFIG)

.PHONY: peers
peers: ## install the foreign toolkits that the tests talk to, where that is possible
	@scripts/install-test-peers

# one process for each core; the tests of a file stay together
PARALLEL ?= -n auto --dist loadfile

.PHONY: check
check: lint ## lint and the unit tests
	@$(BIN)/python -m pytest tests/unit $(PARALLEL) -q $(PYTEST_ARGS)

.PHONY: test
test: $(VENV)/.full peers ## all tests but the big ones, against real peers
	@$(BIN)/python -m pytest -m 'not big' $(PARALLEL) $(PYTEST_ARGS)

.PHONY: test-slow
test-slow: $(VENV)/.full peers big-peers ## the big tests: big servers, built images, minutes on end
	@$(BIN)/python -m pytest -m big $(PYTEST_ARGS)

.PHONY: big-peers
big-peers: $(VENV)/.full
	@scripts/install-test-engine
	@scripts/install-test-helm
	@scripts/install-test-ceph

MINUTES ?= 10
.PHONY: fuzz
fuzz: $(VENV)/.full ## hostile bytes for every part that meets them; MINUTES=60, FUZZ="--seed 1 --only acceptor"
	@$(BIN)/python -W ignore -m tests.fuzz --minutes $(MINUTES) $(FUZZ)

KILLS ?= 1000
.PHONY: siege
siege: $(VENV)/.full ## kill a node again and again; KILLS=1000, SIEGE="--roles --postgresql" or "--power"
	@$(BIN)/python -W ignore -m tests.siege --kills $(KILLS) $(SIEGE)

.PHONY: lint
lint: $(VENV)/.full ## style, types and import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.full ## let the formatter have its way
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only .

.PHONY: bench
bench: $(VENV)/.full peers ## benchmarks against peers, in one run
	@$(BIN)/python -m benchmarks

.PHONY: clean
clean: ## remove what these commands made, except data
	rm -rf $(VENV) demo-output build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

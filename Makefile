# Every target except clean first sets up what it needs; nothing else is required.
PYTHON_VENV := .venv/bin/python
RUFF := .venv/bin/ruff
SOURCES := local_runner.py kubeflow_runner.py benchmarks components pipeline schemas tests trainer_modules
# Test files are distributed over the cores; four processes fit in 16 GiB.
PARALLEL := -n logical --maxprocesses=4 --dist=loadfile
# `make lock UPGRADE=--upgrade` moves to the newest versions that requirements*.in allow.
UPGRADE ?=
IMAGE ?= remedis-tfx
ACCELERATOR ?= cpu
# `make mutate AREA=losses` tries one area of tests/mutation/areas.py, SAMPLE=0 all of its mutants.
# MINUTES=30 stops after that time; the next run continues from there.
AREA ?=
SAMPLE ?= 25
MINUTES ?=
COMPILE := .setup/tools/bin/uv pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-header $(UPGRADE)

.DEFAULT_GOAL := help
.PHONY: help setup gate demo test test-fast coverage mutate lint format settings bench image lock clean

help: ## Show what each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: ## Create .venv (the other targets do this themselves)
	@./setup.sh

gate: ## Create .venv-gate, a small environment that judges tables of predictions, without TensorFlow
	@./setup.sh gate
	@echo "Next: .venv-gate/bin/python -m components.model_gate --predictions predictions.csv"

demo: setup ## Run the whole pipeline on built-in synthetic images
	@$(PYTHON_VENV) local_runner.py --preset demo --output runs/demo

test: setup ## Run all tests, the slow ones last
	@$(PYTHON_VENV) -m pytest $(PARALLEL) --durations=15

test-fast: setup ## Run only the tests that take seconds
	@$(PYTHON_VENV) -m pytest $(PARALLEL) -m "not slow" --durations=5

coverage: setup ## Measure which lines the fast tests reach
	@$(PYTHON_VENV) -m pytest $(PARALLEL) -m "not slow" --cov --cov-report=term --cov-report=html:build/coverage

mutate: setup ## Mutation testing: whether the fast tests notice small changes of the code
	@$(PYTHON_VENV) -m tests.mutation $(AREA) --sample $(SAMPLE) $(if $(MINUTES),--minutes $(MINUTES))

lint: setup ## Check style and types without changing anything
	@$(RUFF) check $(SOURCES)
	@$(RUFF) format --check $(SOURCES)
	@$(PYTHON_VENV) -m mypy

format: setup ## Format the sources
	@$(RUFF) check --fix $(SOURCES)
	@$(RUFF) format $(SOURCES)

settings: setup ## Write docs/settings.md, the reference of all settings
	@$(PYTHON_VENV) -m pipeline.config.reference > docs/settings.md.part
	@mv docs/settings.md.part docs/settings.md

bench: setup ## Measure speed and memory, compared with alternatives
	@$(PYTHON_VENV) -m benchmarks

image: ## Build the container image (ACCELERATOR=cuda: with NVIDIA's libraries)
	@docker build --build-arg ACCELERATOR=$(ACCELERATOR) --tag $(IMAGE) .

lock: setup ## Resolve requirements*.in into lock files with hashes
	@$(COMPILE) requirements.in --output-file requirements.lock
	@$(COMPILE) requirements-cuda.in --constraint requirements.lock --output-file requirements-cuda.lock
	@$(COMPILE) requirements-dev.in --constraint requirements.lock --output-file requirements-dev.lock
	@$(COMPILE) requirements-gate.in --constraint requirements.lock --output-file requirements-gate.lock

clean: ## Remove caches and the demo's run (keeps .venv, .venv-gate and .setup)
	@rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage build runs/demo
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

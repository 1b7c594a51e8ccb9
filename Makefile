# Everything is set up on first use; a second call starts at once.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
APT := apt-get install -y --no-install-recommends
AS_ROOT := [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null

.PHONY: demo test lab lint bench setup browser clean-venv help

help:
	@echo "make demo   set up, then the main job on made data"
	@echo "make test   set up, then all checks and tests"
	@echo "make lab    JupyterLab on notebooks/"
	@echo "make lint   ruff, mypy, stripped notebooks"
	@echo "make bench  speed against peers and floors"

demo: setup
	$(BIN)/rcg demo

test: setup browser lint
	$(BIN)/python -m pytest

lab: setup
	$(BIN)/jupyter lab --ip 127.0.0.1 $$([ "$$(id -u)" = 0 ] && echo --allow-root) notebooks/

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --verify notebooks/*.ipynb

bench: setup
	for each in benchmarks/bench_*.py; do $(BIN)/python $$each || exit 1; done

setup: $(VENV)/.ready

# torch and torchvision first and together, so that no other package draws in another build of them.
$(VENV)/.ready: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing; name another: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	@$(AS_ROOT) && ! ldconfig -p | grep -q libGL.so.1 && { apt-get update -q && $(APT) libgl1 libglib2.0-0; } || true
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip setuptools
	$(BIN)/python -m pip install -q torch==2.14.1 torchvision==0.29.1
	$(BIN)/python -m pip install -q -e '.[dev]'
	$(BIN)/rcg info --fix
	@touch $@

browser:
	@command -v chromium >/dev/null || { $(AS_ROOT) && apt-get update -q && $(APT) chromium; } \
		|| echo "no chromium: the journeys in the browser will be skipped"

clean-venv:
	rm -rf $(VENV)

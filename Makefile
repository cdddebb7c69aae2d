# Every command is one line of `python -m …`; the virtual environment comes by itself.
PYTHON ?= python3
BUILDS ?= data/builds
SOURCE ?= simulated
SAMPLE_INCIDENTS ?=
RAW ?=
FIRST ?=
LAST ?=
CITY ?=
BOUNDARIES ?=
FULL ?=
FORCE ?=
BUILD ?=
A ?=
B ?=
HOST ?= 127.0.0.1
PORT ?= 5000
OUT ?= dist
BACKTEST_OUT ?= backtest
ORIGINS ?= 6

REFRESH_OPTIONS = --source $(SOURCE) --builds "$(BUILDS)" $(if $(RAW),--raw $(RAW)) \
	$(if $(SAMPLE_INCIDENTS),--sample-incidents $(SAMPLE_INCIDENTS)) \
	$(if $(FIRST),--first $(FIRST)) $(if $(LAST),--last $(LAST)) $(if $(NO_BACKTEST),--no-backtest) \
	$(if $(CITY),--city $(CITY)) $(if $(BOUNDARIES),--boundaries "$(BOUNDARIES)") \
	$(if $(FULL),--full) $(if $(FORCE),--force)

RUN := .venv/bin/python -m

.PHONY: refresh fetch profile serve test check bench backtest card export rollback shell docs lock clean

refresh: .venv/runtime
	$(RUN) refresh $(strip $(REFRESH_OPTIONS))

fetch: .venv/runtime
	$(RUN) etl fetch $(if $(FULL),--full) $(if $(CITY),--city $(CITY)) $(if $(HISTORY),--history)

profile: .venv/runtime
	$(RUN) etl profile --builds "$(BUILDS)"

serve: .venv/runtime
	$(RUN) serve --builds "$(BUILDS)" --host $(HOST) --port $(PORT)

test: .venv/dev
	$(RUN) pytest -n auto

check: .venv/dev
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) warehouse docs --check

bench: .venv/dev
	$(RUN) tests.benchmark $(if $(LARGE),--large)

backtest: .venv/dev
	$(RUN) models backtest --builds "$(BUILDS)" --origins $(ORIGINS) --out "$(BACKTEST_OUT)"

card: .venv/runtime
	@$(RUN) models card --builds "$(BUILDS)"

export: .venv/runtime
	$(RUN) warehouse --builds "$(BUILDS)" export --out "$(OUT)"

.PHONY: list status verify diff

list status verify: .venv/runtime
	$(RUN) warehouse --builds "$(BUILDS)" $@

rollback: .venv/runtime
	$(RUN) warehouse --builds "$(BUILDS)" rollback $(BUILD)

diff: .venv/runtime
	$(RUN) warehouse --builds "$(BUILDS)" diff $(A) $(B)

shell: .venv/runtime
	$(RUN) warehouse --builds "$(BUILDS)" shell

docs: .venv/runtime
	$(RUN) warehouse docs

# The stamps say what is installed; they are written last, so that a broken-off install is redone.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"ATLShield needs Python 3.11 or later, found {v.major}.{v.minor}")'
	$(PYTHON) -m venv .venv

.venv/runtime: requirements.lock | .venv/bin/python
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

.venv/dev: requirements-dev.lock .venv/runtime
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

# New versions: resolve pyproject.toml in an empty environment and write down what came.
lock:
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade-strategy eager . && .venv-lock/bin/python -m pip freeze --exclude atlshield > requirements.lock
	.venv-lock/bin/python -m pip install --quiet '.[dev]' && .venv-lock/bin/python -m pip freeze --exclude atlshield > requirements-dev.lock
	rm -rf .venv-lock build *.egg-info

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

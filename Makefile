# Every command is one line of `python -m …`; the virtual environment comes by itself.
# What can be given on the make command line (`make serve PORT=5001`), and only there: the loop hides
# variables of the environment. What is not given is left to the default of the Python command.
VALUES := PYTHON BUILDS SOURCE SAMPLE_INCIDENTS RAW FIRST LAST CITY CLEANING BOUNDARIES DEMOGRAPHICS BUILD A B HOST PORT OUT TABPY API \
	FORMAT BACKTEST_OUT ORIGINS TO FROM VERSION REQUEST CITIES UNION SCHEDULER WORKERS
SWITCHES := FULL FORCE HOT_SPOTS HISTORY NO_BACKTEST LARGE LINEAGE RESUME FLEET
ON := 1 yes true on
OFF := 0 no false off
unexport $(VALUES) $(SWITCHES)
$(foreach name,$(VALUES) $(SWITCHES),$(eval $(name) :=))
PYTHON := python3
OUT := dist

define NEWLINE


endef

# Values are read as they were typed (`value`): neither make nor the shell runs or expands what they hold.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name)))
check_name = $(if $(filter $(VALUES) $(SWITCHES),$1),,$(error unknown variable $1: expected one of $(VALUES) $(SWITCHES)))
check_line = $(if $(findstring $(NEWLINE),$(value $1)),$(error $1 holds a line break))
check_value = $(if $(strip $(value $1)),,$(error $1 is empty: give it a value or leave it out))
check_switch = $(if $(filter-out $(ON) $(OFF),$(value $1))$(word 2,$(value $1)),$(error $1=$(value $1): expected one of $(ON), or one of $(OFF) or nothing))
$(foreach name,$(GIVEN),$(call check_name,$(name))$(call check_line,$(name)))
$(foreach name,$(filter $(VALUES),$(GIVEN)),$(call check_value,$(name)))
$(foreach name,$(filter $(SWITCHES),$(GIVEN)),$(call check_switch,$(name)))
$(if $(filter -%,$(value RAW)),$(error RAW=$(value RAW): expected files; ./ goes before a name that begins with -))

# What is set is set elsewhere: a word that would change nothing of what these print is refused.
refuse = $(if $(filter $1,$(MAKECMDGOALS)),$(foreach name,$(filter-out PYTHON $2,$(GIVEN)),$(error make $1 does not take $(name): $3)))
ELSEWHERE := a setting is changed in atlshield.toml, or by ATLSHIELD_<KEY>
$(call refuse,settings,,$(ELSEWHERE))
$(call refuse,status,BUILDS LINEAGE,$(ELSEWHERE))
$(call refuse,fleet,CITIES BUILDS UNION SCHEDULER WORKERS RESUME,the file CITIES says what each city is asked for)

quote = '$(subst ','\'',$1)'
value_of = $(call quote,$(value $1))
option = $(if $(value $2),--$1=$(call value_of,$2))
switch = $(if $(filter $(ON),$(value $2)),--$1)

RUN := .venv/bin/python -m
FROM_BUILDS = $(call option,builds,BUILDS)
# Files are separated by spaces and may be patterns: `python -m refresh --raw "a b.csv"` takes any name.
RAW_FILES = $(foreach file,$(value RAW),$(foreach found,$(or $(wildcard $(file)),$(file)),$(call quote,$(found))))
REFRESH_OPTIONS = $(call option,source,SOURCE) $(FROM_BUILDS) $(if $(RAW_FILES),--raw $(RAW_FILES)) \
	$(call option,sample-incidents,SAMPLE_INCIDENTS) $(call option,first,FIRST) $(call option,last,LAST) \
	$(call switch,no-backtest,NO_BACKTEST) $(call option,city,CITY) \
	$(call option,cleaning,CLEANING) $(call option,boundaries,BOUNDARIES) $(call option,demographics,DEMOGRAPHICS) $(call switch,full,FULL) $(call switch,force,FORCE) $(call switch,hot-spots,HOT_SPOTS)

.PHONY: install uninstall upgrade backup restore follow refresh fetch profile serve test test-all check bench backtest card track plan export rollback shell docs lock clean

refresh: .venv/runtime
	$(RUN) refresh $(REFRESH_OPTIONS)

fetch: .venv/runtime
	$(RUN) etl fetch $(call option,city,CITY) $(call switch,full,FULL) $(call switch,history,HISTORY)

profile: .venv/runtime
	$(RUN) etl profile $(FROM_BUILDS)

serve: .venv/runtime
	$(RUN) serve $(FROM_BUILDS) $(call switch,serve-fleet,FLEET) $(call option,host,HOST) $(call option,port,PORT)

.PHONY: tabpy deploy-tabpy

# -P: the folder of the script is none to import from.
tabpy: .venv-tabpy/ready
	.venv-tabpy/bin/python -P serve/start_tabpy.py $(call option,port,PORT)

deploy-tabpy: .venv/runtime
	$(RUN) serve.deploy_tabpy $(call option,tabpy,TABPY) $(call option,api,API)

test: .venv/dev
	$(RUN) pytest -n auto

test-all: .venv/dev
	$(RUN) pytest -n auto -m 'slow or not slow'

check: .venv/dev
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) warehouse docs --check

bench: .venv/dev
	$(RUN) tests.benchmark $(call switch,large,LARGE)

backtest: .venv/dev
	$(RUN) models backtest $(FROM_BUILDS) $(call option,origins,ORIGINS) $(call option,out,BACKTEST_OUT)

card: .venv/runtime
	@$(RUN) models card $(FROM_BUILDS)

audit: .venv/runtime
	$(RUN) models audit $(FROM_BUILDS)

feedback: .venv/runtime
	$(RUN) models feedback $(FROM_BUILDS)

hot-spots: .venv/runtime
	$(RUN) models hot-spots $(FROM_BUILDS)

track: .venv/runtime
	$(RUN) models track $(FROM_BUILDS)

# Without OUT the settings say where plans lie.
plan: .venv/runtime
	$(RUN) planner plan $(call value_of,REQUEST) $(FROM_BUILDS) $(if $(filter OUT,$(GIVEN)),$(call option,out,OUT))

.PHONY: fleet

fleet: .venv/fleet
	$(RUN) fleet $(call value_of,CITIES) $(FROM_BUILDS) $(call option,union,UNION) $(call option,scheduler,SCHEDULER) $(call option,workers,WORKERS) $(call switch,resume,RESUME)

export: .venv/runtime $(if $(filter tableau,$(value FORMAT)),.venv/tableau)
	$(RUN) warehouse $(FROM_BUILDS) export $(call option,format,FORMAT) $(call option,out,OUT)

# Not echoed: the URL may hold a password.
mirror: .venv/runtime .venv/postgres
	@$(RUN) warehouse $(FROM_BUILDS) mirror $(call value_of,TO)

.PHONY: audit feedback hot-spots list status verify settings diff mirror

list verify: .venv/runtime
	$(RUN) warehouse $(FROM_BUILDS) $@

status: .venv/runtime
	@$(RUN) warehouse $(FROM_BUILDS) status $(call switch,lineage,LINEAGE)

# As root: units, user and folders of this machine.
install:
	./deploy/bootstrap.sh

uninstall:
	./deploy/bootstrap.sh uninstall

# One that was broken off has left the script that goes back.
upgrade:
	@$(firstword $(wildcard .upgrade/upgrade.sh) deploy/upgrade.sh) $(call switch,force,FORCE) $(if $(value VERSION),$(call value_of,VERSION))

settings: .venv/runtime
	@$(RUN) warehouse settings

backup: .venv/runtime
	$(RUN) warehouse $(FROM_BUILDS) backup $(call value_of,TO)

restore: .venv/runtime
	$(RUN) warehouse $(FROM_BUILDS) restore $(call value_of,FROM)

follow: .venv/runtime
	$(RUN) warehouse $(FROM_BUILDS) follow $(call value_of,FROM)

rollback: .venv/runtime
	$(RUN) warehouse $(FROM_BUILDS) rollback $(if $(value BUILD),$(call value_of,BUILD))

diff: .venv/runtime
	$(RUN) warehouse $(FROM_BUILDS) diff $(call value_of,A) $(call value_of,B)

shell: .venv/runtime
	$(RUN) warehouse $(FROM_BUILDS) shell

docs: .venv/runtime
	$(RUN) warehouse docs

# The stamps say what is installed; they are written last, so that a broken-off install is redone. That of
# the runtime holds it, for deploy/upgrade.sh to compare.
.venv/bin/python:
	@$(call value_of,PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and f"ATLShield needs Python 3.11 or later, found {v.major}.{v.minor}")'
	$(call value_of,PYTHON) -m venv .venv

.venv/runtime: requirements.lock | .venv/bin/python
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements.lock
	@cp $< $@

.venv/tableau: requirements-tableau.lock .venv/runtime
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements-tableau.lock
	@touch $@

.venv/fleet: requirements-fleet.lock .venv/runtime
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements-fleet.lock
	@touch $@

.venv/postgres: requirements-postgres.lock .venv/runtime
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements-postgres.lock
	@touch $@

.venv/dev: requirements-dev.lock .venv/runtime
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

# TabPy names far more than it imports, a test framework among it: only what it needs is installed.
.venv-tabpy/ready: requirements-tabpy.lock
	$(call value_of,PYTHON) -m venv .venv-tabpy
	.venv-tabpy/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-tabpy.lock
	@touch $@

# New versions: resolve pyproject.toml in an empty environment and write down what came.
lock:
	rm -rf .venv-lock && $(call value_of,PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --upgrade-strategy eager . && .venv-lock/bin/python -m pip freeze --exclude atlshield > requirements.lock
	.venv-lock/bin/python -m pip install --quiet '.[tableau]' && .venv-lock/bin/python -m pip freeze --exclude atlshield | grep -vxFf requirements.lock > requirements-tableau.lock
	.venv-lock/bin/python -m pip install --quiet '.[fleet]' && .venv-lock/bin/python -m pip freeze --exclude atlshield | grep -vxFf requirements.lock -e "$$(cat requirements-tableau.lock)" > requirements-fleet.lock
	.venv-lock/bin/python -m pip install --quiet '.[postgres]' && .venv-lock/bin/python -m pip freeze --exclude atlshield | grep -vxFf requirements.lock -e "$$(cat requirements-tableau.lock requirements-fleet.lock)" > requirements-postgres.lock
	.venv-lock/bin/python -m pip install --quiet '.[dev,tableau,fleet,postgres]' && .venv-lock/bin/python -m pip freeze --exclude atlshield > requirements-dev.lock
	rm -rf .venv-lock build *.egg-info

clean:
	rm -rf .venv .venv-tabpy .pytest_cache .mypy_cache .ruff_cache

# The two commands that matter: `make run` and `make test`.
PYTHON ?= python3.11
BIN := .venv/bin
KB ?=

.PHONY: run test quick lint fmt messages openapi setup setup-test reset lock

run: setup  ## serve Citedesk with the demo help centre, or with KB=PATH
	$(BIN)/python manage.py serve $(if $(KB),--kb "$(KB)")

setup: .venv/.ready

# torch first, from its CPU build: asked for by another package it would bring the GPU's libraries.
.venv/.ready: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	touch $@

setup-test: setup
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu >/dev/null; }
	command -v redis-server >/dev/null || { apt-get update -qq && apt-get install -y -qq redis-server >/dev/null; }

test: setup-test lint  ## everything: what CI runs
	$(BIN)/python -m pytest

quick: setup  ## the inner loop, under a minute
	$(BIN)/python -m pytest -m "not browser and not slow" -x

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy accounts gateway knowledge assistant tickets config
	$(BIN)/djlint templates --check --lint --quiet
	$(BIN)/codespell

fmt: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/djlint templates --reformat --quiet

# The compiled catalogue is committed, so that neither set-up nor the image needs gettext; a test
# compares it with its source. Finding new strings does need it (Debian's package gettext).
messages: setup  ## after a change of a string that people read: finds new ones, compiles the German ones
	$(BIN)/python manage.py makemessages --locale de --no-wrap --no-location --no-obsolete \
		--ignore .venv --ignore tests --ignore bench
	$(BIN)/pybabel compile --domain django --directory templates/locale --statistics

openapi: setup  ## writes tests/data/openapi.json anew, after a change of the API that is meant
	$(BIN)/python manage.py export_openapi_schema --api config.api.api --sorted --indent 2 --output tests/data/openapi.json

lock:  ## pins what is installed; run after a change of pyproject.toml
	$(BIN)/pip freeze --exclude torch | sort > requirements.lock

reset:  ## deletes the embedded database and all that is in it
	rm -rf .data

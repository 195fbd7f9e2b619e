# Every target is one line; `make` alone lists them.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PYTEST := $(RUN) -m pytest
RUNS := build/tests
# Of each part; what it adds is a tenth of the time.
COVERED = $(RUN) -m slipcover --source audit,compliance,metrics,obsplatform,tracing --omit "*/migrations/*" --json --out $(RUNS)/$$$$1.coverage.json -m pytest
# Folders of tests, one part each; the rest is another. All take about as long, so none ends alone.
PARTS := audit compliance+faults metrics obsplatform+tracing
COMPILE := $(VENV)/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
export OBS_DATA ?= $(CURDIR)/var
# Where compiled modules are not kept, each of the many processes compiles ours anew when it starts.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo run test check bench bench-large soak shots controls metrics alerts boards schema lock

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

$(VENV)/made: requirements.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("obsplatform needs Python 3.11 or newer, this is %d.%d; say which one to use: make PYTHON=python3.12 ..." % sys.version_info[:2])' && echo "Making the environment in $(VENV) (once, about a minute) ..." && $(PYTHON) -m venv $(VENV) && $(VENV)/bin/pip install --disable-pip-version-check -qq --no-deps --require-hashes -r requirements.lock && touch $@

demo: $(VENV)/made ## start everything with demo data and print address, user, password, key
	@OBS_LOG_LEVEL=$${OBS_LOG_LEVEL:-WARNING} $(RUN) manage.py up --demo

run: $(VENV)/made ## the same without demo data
	@$(RUN) manage.py up

test: $(VENV)/made ## run the tests, in five parts side by side
	@rm -rf $(RUNS) && mkdir -p $(RUNS)
	@part() { $(PYTEST) --junitxml=$(RUNS)/$$1.xml $$2; }; pids=; for each in $(PARTS); do part $$each "$$(echo tests/$$each | sed 's|+| tests/|g')" & pids="$$pids $$!"; done; part rest "$(foreach each,$(subst +, ,$(PARTS)),--ignore=tests/$(each))"; failed=$$?; for pid in $$pids; do wait $$pid || failed=1; done; $(RUN) -m tests.summary $(RUNS); exit $$failed

check: $(VENV)/made ## all that CI checks: style, types, imports, tests, lines that ran
	@$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy . && $(VENV)/bin/lint-imports && $(MAKE) --no-print-directory test PYTEST='$(COVERED)' && $(RUN) -m tests.covered $(RUNS)

bench: $(VENV)/made ## run the benchmarks (15 min); figures go to benchmarks/README.md by hand
	@$(RUN) -m benchmarks.all

bench-large: $(VENV)/made ## the same with ten million entries (an hour)
	@$(RUN) -m benchmarks.all --large

soak: $(VENV)/made ## the fault tests with hundreds of kills, and long forms of others (hours)
	@OBS_LONG=1 OBS_FAULT_ROUNDS=200 OBS_FAULT_SECONDS=120 $(RUN) -m pytest tests/faults tests/sdk $$(grep -rl "tests.sizes" tests --include="test_*.py" | grep -v "tests/sdk\|tests/faults") --timeout=0

shots: $(VENV)/made ## photograph every page of the running installation into shots/
	@$(RUN) -m tests.browser.shots

controls: $(VENV)/made ## write docs/controls.md from the catalogue
	@$(RUN) manage.py controls --out docs/controls.md

metrics: $(VENV)/made ## write docs/metrics.md from the list of families
	@$(RUN) manage.py metricsreference --out docs/metrics.md

alerts: $(VENV)/made ## write the alert rules for Prometheus, and promtool's tests of them
	@$(RUN) manage.py alertrules --out docker/prometheus/alerts.rules.yml && $(RUN) manage.py alertrules --kubernetes --out docker/k8s/monitoring/rules.yml && $(RUN) -m tests.metrics.promtool_tests

boards: $(VENV)/made ## write the dashboards and docs/dashboards.md from metrics/boards
	@$(RUN) manage.py boards --out docker/grafana/dashboards --page docs/dashboards.md

schema: $(VENV)/made ## write docs/report-schema.json from the code
	@$(RUN) manage.py reportschema --out docs/report-schema.json

lock: $(VENV)/made ## resolve the dependencies again: of everything, of the image, of its build
	@$(COMPILE) --python-version 3.11 --extra anomalies --extra local --extra dev pyproject.toml -o requirements.lock && $(COMPILE) --python-version 3.11 --constraint requirements.lock pyproject.toml -o requirements-runtime.lock && $(COMPILE) --python-version 3.12 --group image -o docker/requirements-build.lock

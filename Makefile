VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed
GA := .venv-ga
DATABASE_TESTS := tests/unit/test_mariadb_errors.py $(addprefix tests/integration/test_,database.py \
  mariadb_conditions.py mariadb_connection.py mariadb_sink.py provision.py)

.PHONY: help setup demo test test-mariadb-ga faults bench bench-quick lint format lock clean

help: ## show this
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1	\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  make %-15s %s\n' "$$name" "$$text"; done

setup: $(INSTALLED) ## install everything into .venv (Python 3.11 or 3.12)

demo: setup ## servers, dataflow, load generator and leaderboard on this machine; DEMO_SECONDS=30 ends by itself
	@$(PYTHON) -m ops demo $(if $(DEMO_SECONDS),--seconds $(DEMO_SECONDS))

test: setup ## all tests, on real servers that they start themselves, and their coverage; ARGS="-k name" for some
	$(PYTHON) -m pytest --numprocesses 3 --dist loadfile --cov $(ARGS)

faults: setup ## every fault of the table on real servers, into docs/reliability.md; an hour; ARGS="--only NAME --seed 7"
	@$(PYTHON) -m tests.faults.table $(ARGS)

test-mariadb-ga: setup ## the database tests on the final release of MariaDB's connector, built from source
	@if [ -z "$$CI" ] && ! command -v mariadb_config >/dev/null; then \
	  echo "skipped: mariadb_config is missing; install MariaDB's C library and a compiler (Debian: apt install libmariadb-dev gcc)"; \
	else \
	  $(MAKE) --no-print-directory $(GA)/.installed && \
	  $(GA)/bin/python -m pytest --numprocesses 2 --dist loadfile $(DATABASE_TESTS) $(ARGS); \
	fi

bench: setup ## every benchmark in three rounds, into bench/RESULTS.md; half an hour; ARGS="--only CASE... --rounds 1"
	@$(PYTHON) -m bench suite $(ARGS); code=$$?; $(PYTHON) -m bench report && exit $$code

bench-quick: setup ## the benchmarks in small, one round, without Java: at most 3 minutes; its figures prove nothing
	@$(PYTHON) -m bench suite --quick

lint: setup ## style, types, and which package may import which
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo --no-cache

format: setup ## bring the code into its style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: setup ## renew the lock files after a change of pyproject.toml; UPGRADE=1 takes newer versions too
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	$(PYTHON) -m venv "$$folder" && "$$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv && \
	compile() { "$$folder/bin/uv" pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	  --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade) "$$@"; } && \
	compile -o requirements.lock && \
	compile --extra dev -c requirements.lock -o requirements-dev.lock

clean: ## stop the local servers; remove .venv, .local and caches
	@[ ! -x $(PYTHON) ] || $(PYTHON) -m ops down --delete
	rm -rf $(VENV) $(GA) .local .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A command of the right name may be there and not run (a shim of a version that is not installed), or lack venv.
# A new lock gets a new .venv: pip would leave in place what is no longer named.
$(INSTALLED): requirements-dev.lock
	@fits='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))'; \
	for python in python3.12 python3.11 python3 python none; do \
	  "$$python" -c "$$fits" 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then \
	  echo "no Python 3.11 or 3.12 with venv: install one (Debian: apt install python3 python3-venv) and run make again" >&2; \
	  exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@echo "installing what requirements-dev.lock names"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements-dev.lock
	@touch $@

# The lock, with the connector's final release in place of the release candidate.
$(GA)/.installed: requirements-dev.lock requirements-ga.txt
	@echo "making $(GA): building MariaDB's connector from source"
	@$(PYTHON) -m venv --clear $(GA)
	@awk '/^[^ ]/ { ours = /^mariadb==/ } !ours' requirements-dev.lock >$(GA)/requirements-dev.lock
	@install() { $(GA)/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes "$$@"; } && \
	install -r $(GA)/requirements-dev.lock && install --no-deps --no-binary mariadb -r requirements-ga.txt
	@touch $@

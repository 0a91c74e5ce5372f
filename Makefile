# What a newcomer types. Needs make and python3 (3.11 or newer) with venv, and the package index for the install.

PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check
# Made up for "check --deploy": the values of a production start, none of them in use anywhere.
PRODUCTION = DEBUG=0 SECRET_KEY=lint-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLM \
	TOKEN_ENCRYPTION_KEY=bGludC1vbmx5LWtleS1vZi10aGlydHktdHdvLWJ5dGU= \
	PUBLIC_URL=https://hub.example.com ALLOWED_HOSTS=hub.example.com EMAIL_URL=smtp://mail.example.com:25

.PHONY: help demo demo-check test lint lock

help:
	@echo "make demo        install, fill a demo company, start everything, and say where to look (Ctrl-C stops it)"
	@echo "make demo-check  the same without a person: drives the product over HTTP and prints one line of JSON"
	@echo "make test        all tests, on SQLite and, where its server is installed, on PostgreSQL"
	@echo "make lint        ruff, mypy, missing migrations, production settings"
	@echo "make lock        pin requirements*.txt again from requirements*.in"

demo: $(VENV)/product.stamp
	@DEBUG=1 $(BIN)/python manage.py demo

demo-check: $(VENV)/product.stamp
	@DEBUG=1 $(BIN)/python manage.py demo_check

test: $(VENV)/tools.stamp
	@$(BIN)/python tests/run.py $(ARGS)

lint: $(VENV)/tools.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	DEBUG=1 $(BIN)/mypy .
	DEBUG=1 $(BIN)/python manage.py makemigrations --check --dry-run
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

# pip-tools lives in a throw-away environment: it is no part of the product.
lock:
	rm -rf var/lock
	$(PYTHON) -m venv var/lock
	var/lock/bin/pip install --quiet pip-tools
	for name in requirements requirements-dev; do \
		CUSTOM_COMPILE_COMMAND="make lock" var/lock/bin/pip-compile --quiet --generate-hashes --strip-extras \
			--allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
			--output-file $$name.txt $$name.in || exit 1; \
	done
	rm -rf var/lock

$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is missing or older than 3.11. Name a newer one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "$(PYTHON) has no venv. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/python || { echo "Making the environment $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@touch $@

$(VENV)/product.stamp: $(VENV)/made.stamp requirements.txt
	@echo "Installing what the product runs on (requirements.txt, checked by hash)"
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@

$(VENV)/tools.stamp: $(VENV)/product.stamp requirements-dev.txt
	@echo "Installing what tests and linters need (requirements-dev.txt, checked by hash)"
	@$(PIP) install --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

# zerogap's commands for those who work on it. They need make, Python 3.11, 3.12 or 3.13 with its venv module, and PyPI;
# `make PYTHON=/path/to/python ...` chooses the interpreter, and `make VENV=folder ...` where the environment lies.

VENV ?= .venv
UV ?= uv
LOCKS := requirements/py311.txt requirements/py312.txt requirements/py313.txt

# The first interpreter that is of a locked version, preferably with venv, told by running it: a command may be a shim with nothing
# behind it. What is kept is the interpreter behind a virtual environment, so that an activated $(VENV) can be rebuilt.
ifndef PYTHON
PYTHON := $(shell for needs in "sys, ensurepip" sys; do for python in python3.12 python3.11 python3.13 python3; do \
  found=$$("$$python" -c "import $$needs; print(sys._base_executable); sys.exit(not (3, 11) <= sys.version_info < (3, 14))" 2>/dev/null) \
  && echo "$$found" && exit; done; done)
endif
TAG := $(if $(PYTHON),$(shell "$(PYTHON)" -c 'import sys; print("py%d%d" % sys.version_info[:2])' 2>/dev/null))
LOCK := $(filter requirements/$(TAG).txt,$(LOCKS))
READY := $(VENV)/.ready-$(TAG)

.PHONY: help demo close-gap test lint format lock clean
.DELETE_ON_ERROR:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## train a Go2 to walk and film it, into runs/demo
	$(VENV)/bin/zerogap demo --out runs/demo

close-gap: $(READY) ## adapt that policy to a robot that differs from its simulation, in an hour, into runs/close-gap
	$(VENV)/bin/zerogap close-gap go2-velocity-flat --gap benchmarks/gaps/go2.toml --out runs/close-gap \
	  $(if $(wildcard runs/demo/evaluation.json),--run runs/demo)

test: $(READY) ## run the tests; PYTEST_ARGS="-k name" adds arguments
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(READY) ## check style, format and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

format: $(READY) ## mend style and format where that can be done automatically
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

lock: ## resolve pyproject.toml into requirements/ anew (needs uv); LOCK_ARGS=--upgrade moves to the newest versions
	@command -v $(UV) >/dev/null || { echo "make lock needs uv: install it with 'pip install uv', or name it with UV=/path/to/uv" >&2; exit 1; }
	for version in 3.11 3.12 3.13; do \
	  UV_CUSTOM_COMPILE_COMMAND="make lock  (uv pip compile pyproject.toml --extra dev --python-version $$version --generate-hashes)" \
	  $(UV) pip compile pyproject.toml --extra dev --python-version $$version --generate-hashes --quiet --no-config \
	    --default-index https://pypi.org/simple --no-emit-index-url --no-emit-find-links $(LOCK_ARGS) \
	    --output-file requirements/py$$(echo $$version | tr -d .).txt || exit 1; \
	done

clean: ## remove the environment, builds and caches; runs/ stays
	rm -rf $(VENV) .cache build dist *.egg-info .hypothesis .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

ifeq ($(LOCK),)
.PHONY: $(READY)
$(READY):
	@echo "zerogap needs Python 3.11, 3.12 or 3.13, and $(if $(PYTHON),$(PYTHON) is none of them,none was found)." >&2
	@echo "Install one (on Debian and Ubuntu: sudo apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3.12 ..." >&2
	@exit 1
else
$(VENV)/.locked-$(TAG): $(LOCK)
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { version=$$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: sudo apt install python$$version-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --require-hashes -r $(LOCK)
	touch $@

$(READY): $(VENV)/.locked-$(TAG) pyproject.toml
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	$(VENV)/bin/python -m pip check --disable-pip-version-check
	touch $@
endif

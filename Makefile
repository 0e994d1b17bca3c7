# make demo · test · lab · docs · bench · clean       (PYTHON=python3.12 make demo  to choose another interpreter)
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
BIN = .venv/bin

.PHONY: help demo test lab docs bench outputs clean
help:
	@echo 'make demo    simulate, pack, train, evaluate on unseen signers, predict: out/report.html'
	@echo 'make test    every check that CI runs'
	@echo 'make lab     open the course in JupyterLab'
	@echo 'make docs    the notebooks as a site: _docs/index.html'
	@echo 'make bench   measure, write bench/results.md'
	@echo 'make outputs run every notebook and store its outputs, write README.md'
	@echo 'make clean   remove what runs leave behind (not .venv, not your data)'

# the environment: built anew when what the package needs changes; only a finished one counts
$(BIN)/.ready: settings.ini setup.py constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
	  { echo "asl_nb is tested on Python 3.11 and 3.12, and $(PYTHON) is $$("$(PYTHON)" --version 2>&1). Install one of them, or name it: PYTHON=/path/to/python3.11 make demo"; exit 1; }
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar on -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(BIN)/.ready
	$(BIN)/python tools/demo.py

test: $(BIN)/.ready
	$(BIN)/python tools/check.py

lab: $(BIN)/.ready
	$(BIN)/jupyter lab nbs/index.ipynb

docs: $(BIN)/.ready
	$(BIN)/python tools/docs.py

bench: $(BIN)/.ready
	$(BIN)/python bench/run.py

outputs: $(BIN)/.ready
	$(BIN)/python tools/examples.py
	$(BIN)/python tools/run_notebooks.py --flags slow
	$(BIN)/python tools/readme.py

clean:
	rm -rf out build dist _proc _docs *.egg-info .pytest_cache .hypothesis nbs/.hypothesis tests/.hypothesis nbs/.ipynb_checkpoints lightning_logs nbs/lightning_logs
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# Every target sets up what it needs in .venv; nothing has to be installed beforehand but Python >= 3.11.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN = .venv/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock

# Pictures appear in the notebook, whatever the environment says.
INLINE = module://matplotlib_inline.backend_inline
ONE_THREAD = OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1
QUICK = not slow and # with `QUICK=`, `make test` runs what `make slow` does, too: one start for both
PYTEST = $(ONE_THREAD) PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo lab test slow execute check lint types chapters book site test-site pyodide pyodide-ready slides bench
.PHONY: results clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 11

demo: .venv/user  ## train the dense and the sparse first-spike net on real digits and compare them
	$(BIN)/minisnn demo

lab: .venv/notebooks  ## open the chapters in JupyterLab, as notebooks and as exercises
	MPLBACKEND=$(INLINE) $(BIN)/python -m jupyterlab --ServerApp.root_dir=. \
		--ContentsManager.hide_globs='["__pycache__", "*.py[co]", "teacher"]' \
		--LabApp.default_url=/lab/tree/chapters/start.ipynb $(JUPYTER_ARGS)

test: .venv/dev  ## run the tests, on all cores, all but those of `slow`, `execute` and `types`
	$(PYTEST) -n auto --dist worksteal -m "$(QUICK)not chapters and not types and not book and not site"

slow: .venv/dev  ## run the tests that are a second line of defence
	$(PYTEST) -n auto --dist worksteal -m "slow and not chapters and not types and not book and not site"

execute: .venv/dev  ## run every chapter, cell by cell
	$(PYTEST) -n auto --dist worksteal -m chapters tests/test_chapters.py

check: lint types execute slow test  ## what CI runs: format, lint, types, chapters, all tests

lint: .venv/dev  ## check format and style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/dev  ## check the types of the library, and of what imports it
	$(BIN)/mypy
	$(PYTEST) -m types tests/test_surface.py

chapters: .venv/dev  ## build notebooks and exercises from chapters/*.md
	$(BIN)/python chapters/build.py

book: .venv/book  ## build the book in build/book, open index.html there, and look at every page in Chromium
	$(ONE_THREAD) $(BIN)/python scripts/book.py
	$(PYTEST) -n auto --dist worksteal -m book tests/test_book.py

site: .venv/site  ## build the site in build/site: book, playground, notebooks that run in a browser (PYODIDE=folder)
	$(ONE_THREAD) $(BIN)/python scripts/site.py $(if $(PYODIDE),--pyodide "$(PYODIDE)")

test-site: .venv/site  ## open the site in Chromium: every notebook, the playground (some minutes; PYODIDE=folder)
	$(if $(PYODIDE),$(MAKE) --no-print-directory site)
	$(PYTEST) -n auto --dist worksteal -m site tests/test_site.py

slides: .venv/dev  ## write the chapters as slides into build/slides
	$(BIN)/python chapters/slides.py

bench: .venv/peers  ## measure networks and reading beside PyTorch, SpikingJelly, snnTorch and tonic
	env -u OPENBLAS_CORETYPE $(ONE_THREAD) $(BIN)/python benchmarks/first_spike.py
	$(BIN)/python benchmarks/lif.py
	env -u OPENBLAS_CORETYPE $(ONE_THREAD) $(BIN)/python benchmarks/reading.py formats

pyodide: pyodide-ready .venv/dev  ## run chapters and tests as in a browser, in Node: PYODIDE=folder WHEELS=folder
	$(BIN)/python scripts/browser_results.py chapters $(PYODIDE) $(WHEELS)
	$(BIN)/python scripts/browser_results.py tests $(PYODIDE) $(WHEELS)
	$(BIN)/python scripts/browser_results.py tables

pyodide-ready:
	@command -v node >/dev/null || { echo "make pyodide needs Node 18 or newer: none was found."; exit 1; }
	@test -f "$(PYODIDE)/pyodide.mjs" || { echo "make pyodide needs a whole Pyodide: PYODIDE=folder, with pyodide.mjs in it"; exit 1; }
	@ls "$(WHEELS)"/tqdm-*.whl >/dev/null 2>&1 || { echo "make pyodide needs wheels of tqdm, pytest and hypothesis: WHEELS=folder"; exit 1; }

clean:
	rm -rf .venv build dist

.venv/python:
	@test -n "$(PYTHON)" || { echo "minisnn needs Python 3.11 or newer, with venv: none was found."; exit 1; }
	@echo "Setting up .venv, once: this takes a minute or two"
	$(PYTHON) -m venv .venv
	touch $@

.venv/user: .venv/python pyproject.toml requirements.lock
	$(INSTALL) -e .
	touch $@

.venv/notebooks: .venv/python pyproject.toml requirements.lock
	$(INSTALL) -e '.[notebooks]'
	touch $@ .venv/user

.venv/dev: .venv/python pyproject.toml requirements.lock
	$(INSTALL) -e '.[dev]'
	touch $@ .venv/user .venv/notebooks

.venv/book: .venv/dev  # without Chromium the book is built, but no page is opened
	$(INSTALL) -e '.[book]'
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
		$(BIN)/playwright install --only-shell chromium || echo "No Chromium: its tests will be skipped"
	touch $@

.venv/site: .venv/book
	$(INSTALL) -e '.[site]'
	touch $@

.venv/torch: .venv/dev  # CI's oracle. PyPI's build for Linux is large; PIP_EXTRA_INDEX_URL can name one for CPUs
	$(INSTALL) 'torch==2.13.0'
	touch $@

.venv/peers: .venv/torch
	$(INSTALL) -e '.[peers]' 'torch==2.13.0'
	touch $@

.PHONY: run test lint types imports tests bench bench-smoke clean

PY = .venv/bin/python

run:  ## Open the window on a sample model; without a display, do the same job headless.
	@.ci/setup run
	@.ci/show

test: setup-dev lint types imports tests  ## Everything that continuous integration checks.

.PHONY: setup-dev
setup-dev:
	@.ci/setup dev

lint:
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

types:
	$(PY) -m mypy

imports:
	.venv/bin/lint-imports

tests:
	QT_QPA_PLATFORM=offscreen $(PY) -m pytest -q -n logical --dist loadfile

bench: setup-dev  ## Measure against onnxruntime's quantizer, side by side (some minutes).
	$(PY) tests/benchmarks/run.py

bench-smoke: setup-dev  ## The same harness on one small model, to show that it works.
	$(PY) tests/benchmarks/run.py --smoke

clean:
	rm -rf .venv build dist output .mypy_cache .ruff_cache .import_linter_cache .hypothesis

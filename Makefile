# Needs python3 and make; everything else goes into .venv, nothing outside this folder.

PYTHON ?= python3
BIN := .venv/bin
PACKAGES := protocol services launcher

# Where an image sets it, each process of a group would compile all modules anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test chaos check format bench bench-quick clean

demo:  ## the whole group on a synthetic camera; SOURCE=file-or-rtsp-address for another, ONCE=1 to stop at once,
       ## PROCESSOR=file.py for code of your own on each frame
	@$(PYTHON) tools/bootstrap.py all
	@FRAMEBUS_DEMO_SOURCE="$$SOURCE" $(BIN)/framebus demo $(if $(ONCE),--once) $(if $(PROCESSOR),--processor "$$PROCESSOR")

test:  ## all tests
	@$(PYTHON) tools/bootstrap.py test
	@$(BIN)/python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder $(TESTS)

chaos:  ## thousands of kills, for a night; SEED=number repeats one
	@$(PYTHON) tools/bootstrap.py test
	@FRAMEBUS_NIGHT=1 FRAMEBUS_SEED="$(SEED)" $(BIN)/python -m pytest -q -s tests/system/test_chaos_*.py

check:  ## format, lint, types, import rules
	@$(PYTHON) tools/bootstrap.py dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format:  ## put the code in form
	@$(PYTHON) tools/bootstrap.py dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench:  ## speed beside what a user would take instead: writes benchmarks/RESULTS.md; about 20 minutes; ONLY="NAME ..."
        ## prints some of it
	@$(PYTHON) tools/bootstrap.py bench
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

bench-quick:  ## the same in 3 minutes, to see that all of it works; prints the report
	@$(PYTHON) tools/bootstrap.py bench
	@$(BIN)/python -m benchmarks --quick $(if $(ONLY),--only $(ONLY))

clean:  ## remove what was made
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache demo-clips

# make benchmark: from a bare machine to a table. make help: everything else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BENCHMARK ?= mini-organs
DOCKER ?= docker
IMAGE  ?= clbench

.PHONY: benchmark setup test test-container test-slurm test-portability test-portability-short test-faults image check bench bench-methods bench-report bench-nnunet bench-account bench-scale torture torture-kills torture-faults torture-long torture-short fuzz gallery report clean help
.DEFAULT_GOAL := help

benchmark: setup  ## environment, run BENCHMARK (mini-organs), print its report
	$(BIN)/clbench run $(BENCHMARK)

setup: $(READY)  ## the environment in .venv, exact versions from constraints.txt

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	touch $@

test: setup  ## all tests, file by file on all cores
	$(BIN)/python -m pytest -n logical --dist loadfile

check: setup  ## style, types, import contracts, definitions
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/clbench validate

TIMED := --benchmark-only --benchmark-timer=time.process_time --benchmark-columns=min,median,iqr,rounds

image:  ## the container image IMAGE (clbench), on BASE_IMAGE if that is set
	DOCKER_BUILDKIT=1 $(DOCKER) build --tag $(IMAGE) --build-arg REVISION="$$(git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)" \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) .

test-container: setup  ## build the image under an engine of its own and run it (root, apt; minutes)
	$(BIN)/hadolint Dockerfile
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[kubernetes]'
	$(BIN)/python -m pytest -rs --durations=8 tests/container/test_*.py

test-slurm: setup  ## start a Slurm of the tests' own on this machine and run a benchmark on it (root, apt; minutes)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[slurm]'
	$(BIN)/python -m pytest -rs --durations=8 tests/slurm/test_*.py

PORTABILITY := $(BIN)/python -m pytest -rs
test-portability: setup  ## all methods on two emulated processors: the bits of this one (qemu-user; half an hour)
	$(PORTABILITY) tests/portability/test_*.py

test-portability-short: setup  ## eight sizes of caches; fine-tuning and EWC on an emulated processor (qemu-user; minutes)
	$(PORTABILITY) tests/portability/test_digests.py tests/portability/test_caches.py tests/portability/test_short.py

test-faults: setup  ## plant faults and see that `clbench reproduce ci` finds each (half an hour)
	$(BIN)/python -m pytest -rs tests/faults/test_*.py

bench: setup  ## CPU time of a training step, side by side with bare PyTorch
	$(BIN)/python -m pytest tests/bench/test_training_step.py $(TIMED) --benchmark-group-by=param

bench-methods: setup  ## CPU time of a training step under every method, as the table of docs/performance.md
	$(BIN)/python -m pytest tests/bench/test_method_step.py $(TIMED) --benchmark-json=.bench.json
	$(BIN)/python docs/cost_table.py .bench.json

bench-report: setup  ## CPU time of the summary and the report of a large run
	$(BIN)/python -m pytest tests/bench/test_summary.py $(TIMED)

bench-nnunet: setup  ## wall time of stages, preparation and evaluation beside nnU-Net's own commands (minutes)
	$(BIN)/python -m pytest tests/bench/test_against_nnunet.py --benchmark-only --benchmark-columns=min,median,max,rounds \
		--benchmark-json=.bench-nnunet.json

bench-account: setup  ## where every CPU second of a run of BENCHMARK goes, and what a second core brings (minutes)
	BENCHMARK=$(BENCHMARK) $(BIN)/python -m pytest tests/bench/test_account.py --benchmark-only --benchmark-json=.bench-account.json
	$(BIN)/python docs/account_table.py .bench-account.json

bench-scale: setup  ## CPU time and memory of large plans, long sequences and many jobs (minutes)
	$(BIN)/python -m pytest tests/bench/test_scale.py --benchmark-only --benchmark-json=.bench-scale.json
	$(BIN)/python docs/scale_table.py .bench-scale.json

KILLS ?= 100
MINUTES ?= 30
TORTURE := $(BIN)/python -m pytest -s --durations=0
torture: setup  ## torture-kills, torture-faults and torture-long side by side (half an hour or more; root for disks)
	$(MAKE) --jobs=3 --keep-going torture-kills torture-faults torture-long

torture-kills: setup  ## kill a run of ci KILLS (100) times
	$(TORTURE) tests/torture/test_kills.py --kills $(KILLS)

torture-faults: setup  ## fill disks, withdraw permissions and memory, kill jobs, set clocks, start crowds
	$(TORTURE) $(filter-out %/test_kills.py %/test_long.py,$(wildcard tests/torture/test_*.py))

torture-long: setup  ## repeat ci for MINUTES (30)
	$(TORTURE) tests/torture/test_long.py --minutes $(MINUTES)

SHORT := test_kills.py \
	test_disk.py::test_a_disk_that_fills_up_while_jobs_write_is_said_and_with_more_room_the_run_goes_on[training] \
	test_crowd.py::test_runs_that_share_a_store_train_nothing_twice_and_come_to_the_same_rows[two]
torture-short: setup  ## 12 kills of a smaller run, a disk that fills up, two runs at once (minutes; root for disks)
	$(TORTURE) $(SHORT:%=tests/torture/%) --on few --kills 12

RUNS ?= 50000
fuzz: setup  ## RUNS (50000) inputs for every reader of a file, guided by coverage; findings in .fuzz
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	for file in tests/fuzz/readers/[a-z]*.py; do \
		nice $(BIN)/python tests/fuzz/drive.py "$$(basename $$file .py)" --runs $(RUNS) --seconds 600 --out .fuzz; \
	done
	$(BIN)/python tests/fuzz/found.py .fuzz

gallery: setup  ## copy the page of the last run of BENCHMARK to reports/gallery
	mkdir -p reports/gallery
	cp reports/$(BENCHMARK)/report.html reports/gallery/$(BENCHMARK).html

report: setup  ## print the report of the last run of BENCHMARK again
	$(BIN)/clbench report reports/$(BENCHMARK)

clean:  ## delete runs and their artifacts, keep the environment
	rm -rf .clbench reports/*/plan.json
	find reports -mindepth 1 -maxdepth 1 -type d ! -name reference ! -name gallery -exec rm -rf {} +

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# Everything a newcomer needs: `make demo` shows what rhodiff does, `make test` proves it. Both set themselves up.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo-run
FIDELITY ?= fidelity-run
PEERS ?= .venv-peers
# the tests look here for environments of programs that they compare with
ORACLES := .venv-oracles
# oneCCL with Intel MPI, over $(VENV): mpich, which other tests use, does not go into one environment with it
ONECCL := .venv-oneccl
# torch is pinned where a machine without accelerator would otherwise fetch gigabytes of GPU libraries
TORCH ?= torch==2.13.0

.PHONY: demo test test-containers check bench bench-fidelity soak cluster-up cluster-down docs clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# One stamp for each set of extras: reinstalled when the requirements change.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/pip install --quiet "$(TORCH)"
	$(BIN)/pip install --quiet --editable ".[$*]"
	touch $@

demo: $(VENV)/.installed-demo
	mkdir -p $(DEMO)
	test -f $(DEMO)/rhodiff.yaml || $(BIN)/rhodiff-hpc init demo -o $(DEMO)/rhodiff.yaml
	$(BIN)/rhodiff-hpc run pipeline -c $(DEMO)/rhodiff.yaml

test: $(VENV)/.installed-test
	tests/system_packages.sh
	tests/oracles/setup_quantimpy.sh $(ORACLES)/quantimpy >/dev/null || true  # its test says why not
	tests/oneccl/setup_environment.sh $(ONECCL) $(BIN)/python >/dev/null || true  # its tests say why not
	tests/run.sh $(BIN)/python

# of the tests: stages inside an Apptainer image on the Slurm cluster; RHODIFF_TEST_IMAGE=FILE takes one that is there
test-containers: $(VENV)/.installed-test
	tests/system_packages.sh
	$(BIN)/python -m pytest tests/slurm/test_containers_on_slurm.py

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	tests/bench/setup_peers.sh $(PEERS)
	$(BIN)/python tests/bench/bench_training_step.py --peers $(PEERS)
	$(BIN)/python tests/bench/bench_reader.py
	$(BIN)/python tests/bench/bench_power_spectrum.py --peers $(PEERS)
	$(BIN)/python tests/bench/bench_minkowski.py --quantimpy "$$(tests/oracles/setup_quantimpy.sh $(ORACLES)/quantimpy)"
	$(BIN)/python tests/bench/bench_evaluation.py
	$(BIN)/python tests/bench/bench_simulation.py
	$(BIN)/python tests/bench/bench_sampler_mixtures.py
	$(BIN)/python tests/bench/bench_help.py

# an hour and more of two cores; started again, it goes on
bench-fidelity: $(VENV)/.installed-test
	tests/bench/setup_peers.sh $(PEERS)
	$(BIN)/python tests/bench/bench_fidelity.py $(FIDELITY) --peers $(PEERS)

soak: $(VENV)/.installed-test
	tests/system_packages.sh
	$(BIN)/python tests/slurm/soak.py

# A four-node Slurm cluster on this machine (root, Debian) to try things on: eval "$$(make -s cluster-up)"
cluster-up:
	@tests/slurm/cluster/up.sh

cluster-down:
	tests/slurm/cluster/down.sh

docs: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) $(PEERS) $(ORACLES) $(ONECCL) $(ONECCL).lock build dist site $(DEMO) $(FIDELITY)

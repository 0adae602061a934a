# Every target sets up what it needs by itself, in $(VENV); a set-up that is complete costs nothing,
# one that was interrupted begins anew.
#
#   make test PYTHON=python3.12      the Python that makes the environment; if it has PyTorch, that
#                                    one is used
#   make test VENV=/path/to/env      an environment that you have: what is in it stays, what is
#                                    missing is added
#   make test ARGS="tests/graph -x"  further arguments for pytest

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

# The runs use this checkout, whichever copy of agn_d2 the environment holds.
PY := PYTHONPATH="$(CURDIR)$${PYTHONPATH:+:$$PYTHONPATH}" "$(VENV)/bin/python"

# make demo: which trained model it shows, where it writes, and how its training is configured.
DEMO_MODEL ?= cross_view_EffLite2_FPN_cbis_ddsm
DEMO_OUTPUT ?= output/demo
DEMO_DATASETS ?= $(DEMO_OUTPUT)/datasets
DEMO_CONFIG ?= configs/agrcnn_phantom_demo.yaml
DEMO_PHANTOM := $(DEMO_DATASETS)/phantom
DEMO_RESULTS := $(DEMO_OUTPUT)/inference/phantom_test
DEMO := DETECTRON2_DATASETS="$(DEMO_DATASETS)" MPLBACKEND=Agg PYTHONWARNINGS=ignore $(PY)

.DEFAULT_GOAL := help
.PHONY: help env demo test lint format clean distclean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env:  ## set up the environment, Detectron2 included, and nothing else
	@PYTHON="$(PYTHON)" sh tools/setup_env.sh "$(VENV)"

demo: env  ## run a trained model on real films; train one on a phantom, evaluate, draw figures
	@echo "[1/6] Two examinations of CBIS-DDSM by the trained model $(DEMO_MODEL): less than a minute"
	@$(DEMO) tools/demo.py --model $(DEMO_MODEL) --examples --output "$(DEMO_OUTPUT)/examples" \
		|| if [ $$? -eq 2 ]; then echo "left out, see above; the demo goes on"; else exit 1; fi
	@echo "[2/6] Phantom mammograms: 90 women, 360 images"
	@$(DEMO) datasets/make_phantom.py --demo --out "$(DEMO_PHANTOM)"
	@echo "[3/6] Prior of BGN: which nodes of CC and MLO see the same masses"
	@$(DEMO) tools/build_prior.py --dataset phantom_train \
		--output "$(DEMO_PHANTOM)/annotations/prior_22_26.json"
	@echo "[4/6] Training of $(DEMO_CONFIG), and its test: minutes"
	@$(DEMO) tools/train_net.py --config-file $(DEMO_CONFIG) OUTPUT_DIR "$(DEMO_OUTPUT)"
	@echo "[5/6] Pictures of six test cases"
	@$(DEMO) tools/demo.py --config-file $(DEMO_CONFIG) --dataset phantom_test \
		--output "$(DEMO_OUTPUT)/pictures" MODEL.WEIGHTS "$(DEMO_OUTPUT)/model_final.pth"
	@echo "[6/6] FROC of the test set"
	@$(DEMO) tools/evaluate_froc.py --gt "$(DEMO_PHANTOM)/annotations/test.json" \
		--predictions "$(DEMO_RESULTS)/coco_instances_results.json" \
		--figure "$(DEMO_OUTPUT)/froc.png" --json "$(DEMO_OUTPUT)/froc.json"
	@echo "FROC figure: $(DEMO_OUTPUT)/froc.png    pictures: $(DEMO_OUTPUT)/examples $(DEMO_OUTPUT)/pictures"

test: env  ## run the tests
	$(PY) -m pytest -q $(ARGS)

lint: env  ## check style and format, change nothing
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

format: env  ## bring style and format in order
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

clean:  ## remove caches, build files and what the demo wrote
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache "$(DEMO_OUTPUT)"
	find agn_d2 configs datasets projects tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## and the environment .venv
	rm -rf .venv

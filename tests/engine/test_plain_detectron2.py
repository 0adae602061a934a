"""The same config runs in Detectron2's own trainer, with the loader and the optimizer of agn_d2.

The loader hands over cases. The optimizer knows the CLIP_TYPE "full_model", which Detectron2 itself
leaves to the trainers of its projects.
"""

import numpy as np
import pytest
import torch
from detectron2.engine import DefaultPredictor, DefaultTrainer

from agn_d2.data.build import build_test_loader, build_train_loader
from agn_d2.engine.setup import load_cfg
from agn_d2.engine.solver import build_optimizer


class PlainTrainer(DefaultTrainer):
    @classmethod
    def build_train_loader(cls, cfg):
        return build_train_loader(cfg)

    @classmethod
    def build_optimizer(cls, cfg, model):
        return build_optimizer(cfg, model)


def test_default_trainer_trains_and_predicts(toy_datasets, tmp_path):
    cfg = load_cfg(
        "configs/agrcnn_phantom_demo.yaml",
        [
            *("INPUT.SIZE", "(96, 64)", "MODEL.DEVICE", "cpu", "OUTPUT_DIR", str(tmp_path)),
            *("MODEL.TIMM.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", "", "SOLVER.AMP.ENABLED", "False"),
            *("DATALOADER.NUM_WORKERS", "0", "DATASETS.TEST", "()", "SOLVER.MAX_ITER", "2"),
        ],
    )
    trainer = PlainTrainer(cfg)
    before = trainer.model.backbone.agn.layers[0].fusion.weight_auxiliary.detach().clone()
    trainer.train()
    assert not torch.equal(trainer.model.backbone.agn.layers[0].fusion.weight_auxiliary, before)
    model = trainer.model.eval()
    with torch.no_grad():
        for inputs in build_test_loader(cfg, "phantom_test"):
            outputs = model(inputs)
            assert len(outputs) == len(inputs)
            assert outputs[0]["instances"].image_size == (96, 64)


@pytest.mark.parametrize("graph", [True, False])
def test_default_predictor_is_refused_and_ours_is_named(toy_datasets, tmp_path, graph):
    """It resizes to MIN_SIZE_TEST and hands over gray values of [0, 255]."""
    cfg = load_cfg(
        "configs/agrcnn_phantom_demo.yaml",
        [
            *("MODEL.DEVICE", "cpu", "MODEL.TIMM.WEIGHTS", "", "MODEL.AGN.BGN.PRIOR", ""),
            *("DATASETS.TEST", "()", "MODEL.AGN.ENABLED", str(graph)),
        ],
    )
    with pytest.raises(ValueError, match="agn_d2.Predictor: Detectron2's DefaultPredictor"):
        DefaultPredictor(cfg)(np.zeros((96, 64, 1), np.uint8))

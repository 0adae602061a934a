"""The same config runs in Detectron2's own trainer; only the loader must hand over cases."""

import torch
from detectron2.engine import DefaultTrainer

from agn_d2.data.build import build_test_loader, build_train_loader
from agn_d2.engine.setup import load_cfg


class PlainTrainer(DefaultTrainer):
    @classmethod
    def build_train_loader(cls, cfg):
        return build_train_loader(cfg)


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

"""What stops a training is said in one message that names the place and the way out."""

import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.engine import HookBase
from torch import nn

from agn_d2.data.build import build_train_loader
from agn_d2.engine import AGNTrainer
from agn_d2.engine.checkpoint import AGNCheckpointer

from .test_stages import small_cfg


class Poison(HookBase):
    """Puts a NaN into a weight before the second step."""

    def __init__(self, name):
        self.name = name

    def before_step(self):
        if self.trainer.iter == 1:
            self.trainer.net.get_parameter(self.name).data.fill_(float("nan"))


@pytest.mark.parametrize(
    ("weight", "detail"),
    [
        # The loss itself, and proposals before there is a loss.
        ("roi_heads.box_predictor.cls_score.bias", "loss_cls': nan"),
        ("proposal_generator.rpn_head.objectness_logits.weight", "Training has diverged. Lower"),
    ],
)
def test_a_nan_names_the_step_and_the_stage(toy_datasets, tmp_path, weight, detail):
    trainer = AGNTrainer(small_cfg(tmp_path))
    trainer.register_hooks([Poison(weight)])
    with pytest.raises(FloatingPointError) as caught:
        trainer.train()
    message = str(caught.value)
    # 3 steps an epoch: step 1 is at 0.3.
    assert "NaN or infinite at iteration 1 (epoch 0.3, stage heads)" in message
    assert detail in message
    assert "--resume goes on from the last checkpoint" in message
    assert "\n" not in message


def test_no_image_after_filtering_names_the_data_set_and_the_key(toy_datasets, tmp_path):
    dicts = DatasetCatalog.get("phantom_train")
    for image in dicts:
        image["annotations"] = [a | {"iscrowd": 1} for a in image["annotations"]]
    DatasetCatalog.remove("phantom_train")
    DatasetCatalog.register("phantom_train", lambda: dicts)
    message = r"phantom_train: none of 9 images has a lesion.*FILTER_EMPTY_ANNOTATIONS False"
    with pytest.raises(ValueError, match=message):
        build_train_loader(small_cfg(tmp_path))
    loader = build_train_loader(small_cfg(tmp_path, "DATALOADER.FILTER_EMPTY_ANNOTATIONS", "False"))
    assert loader.batch_sampler.images_per_pass == 9


class Net(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(1, channels, 1), nn.Conv2d(channels, channels, 1))
        self.head = nn.Linear(3, classes)


def test_a_backbone_of_other_channels_is_refused_and_other_classes_are_not(tmp_path):
    torch.save({"model": Net(4, 2).state_dict()}, tmp_path / "a.pth")
    message = r"backbone\.0\.weight has the shape \(4, 1, 1, 1\).*model's \(6, 1, 1, 1\)"
    with pytest.raises(ValueError, match=message + r" \(4 weights.*MODEL.FPN.OUT_CHANNELS"):
        AGNCheckpointer(Net(6, 2)).load(str(tmp_path / "a.pth"))
    model = Net(4, 5)
    AGNCheckpointer(model).load(str(tmp_path / "a.pth"))
    assert model.head.out_features == 5

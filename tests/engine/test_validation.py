"""Best checkpoint, early stopping, and a validation loss that teaches nothing."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from detectron2.config import CfgNode
from detectron2.utils.events import EventStorage
from torch import nn

from agn_d2.engine.validation import ValidationHook, validation_losses

from ..modeling.tiny_model import RETINA, losses, make_case, make_model, randomize_graph


class Trainer(SimpleNamespace):
    def stop_early(self):
        self.max_iter = self.iter + 1

    def evaluated_weights(self):
        return nullcontext()


def watched(tmp_path, values, *, metric="val_loss", patience=0, stages=()):
    """The iteration after which training ends, and that of the best weights."""
    figures = iter(values)
    trainer = Trainer(
        iter=0,
        max_iter=2 * len(values),
        stages=stages,
        stage=stages[0] if stages else None,
        net=nn.Linear(1, 1),
        cfg=CfgNode({"OUTPUT_DIR": str(tmp_path)}),
    )
    hook = ValidationHook(2, lambda: {metric: next(figures)}, metric, patience)
    hook.trainer = trainer
    with EventStorage() as trainer.storage:
        while trainer.iter < trainer.max_iter:
            hook.after_step()
            trainer.iter += 1
        # Beside those of the test set.
        shown = metric if metric == "val_loss" else f"val/{metric}"
        assert list(trainer.storage.latest()) == [shown]
    return trainer.iter, torch.load(tmp_path / "model_best.pth")["iteration"]


def test_the_best_weights_are_kept_by_the_sign_of_the_metric(tmp_path):
    # Measured after iterations 1, 3, 5 and 7.
    assert watched(tmp_path, [3.0, 1.0, float("nan"), 2.0]) == (8, 3)
    assert watched(tmp_path, [3.0, 1.0, 4.0, 2.0], metric="froc/recall@1") == (8, 5)


def test_it_stops_when_nothing_gets_better(tmp_path):
    assert watched(tmp_path, [3.0, 2.0, 2.0, 2.5, 1.0], patience=2) == (8, 3)
    assert watched(tmp_path, [3.0, 2.0, 2.0, 1.5, 1.0], patience=2) == (10, 9)


def test_patience_waits_for_the_last_stage(tmp_path):
    assert watched(tmp_path, [3.0, 4.0, 5.0], patience=1, stages=("a", "b")) == (6, 1)


def test_an_unknown_metric_is_named(tmp_path):
    hook = ValidationHook(1, dict, "val_lost", 0)
    with pytest.raises(ValueError, match="METRIC must be one of .*, got 'val_lost'"):
        hook._judge({"val_loss": 1.0})


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(1)

    def forward(self, inputs):
        assert self.training
        values = self.norm(torch.tensor(inputs)[:, None])
        return {"loss_a": values.mean() + 0 * torch.rand(1), "loss_b": torch.tensor(1.0)}


def test_validation_losses_are_means_over_images_and_change_nothing():
    model = Detector().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    losses = validation_losses(model, [[1.0, 2.0], [6.0]])
    # Statistics are those at the start, mean 0 and variance 1: the losses of the batches are 1.5
    # and 6; by image (1.5 * 2 + 6) / 3 = 3.
    assert losses["val_loss_a"] == pytest.approx(3.0, rel=1e-4)
    assert losses["val_loss"] == pytest.approx(4.0, rel=1e-4)
    assert not model.training
    assert all(torch.equal(before[n], v) for n, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_no_view_is_hidden_from_a_validation():
    model = randomize_graph(make_model("MODEL.AGN.VIEW_DROP", "1.0"))
    hiding = validation_losses(model, [make_case()])["val_loss"]
    assert model.backbone.training
    model.backbone.agn.view_drop = 0.0
    assert hiding == validation_losses(model, [make_case()])["val_loss"]
    in_training = sum(losses(model, make_case(), seed=0).values())
    assert hiding == pytest.approx(in_training.item())


def test_a_validation_leaves_the_running_number_of_positives_alone():
    model = make_model(kind=RETINA)
    losses(model, make_case())
    before = model.loss_normalizer
    validation_losses(model, [make_case()])
    assert model.loss_normalizer == before


def test_a_validation_draws_no_pictures(monkeypatch):
    drawn = []
    monkeypatch.setattr(EventStorage, "put_image", lambda storage, name, image: drawn.append(name))
    model = make_model("VIS_PERIOD", "1")
    losses(model, make_case())
    assert drawn
    drawn.clear()
    validation_losses(model, [make_case(), make_case()])
    assert drawn == []
    losses(model, make_case())
    assert drawn

"""The average of the weights: its values, who sees it, and that a resume does not disturb it."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from agn_d2.engine.ema import ModelEMA, average_beside


def make_hook(decay=0.9, max_iter=100):
    """A hook over a model of one weight (2, here 1 and 1) and a batch normalization."""
    model = nn.Sequential(nn.Linear(2, 1, bias=False), nn.BatchNorm1d(1))
    nn.init.ones_(model[0].weight)
    hook = ModelEMA(model, decay)
    hook.trainer = SimpleNamespace(iter=0, max_iter=max_iter)
    hook.before_train()
    return model, hook


def step(model, hook, value):
    with torch.no_grad():
        model[0].weight.fill_(value)
        model[1].running_mean.fill_(value)
        model[1].num_batches_tracked.add_(1)
    hook.after_step()
    hook.trainer.iter += 1


def test_the_average_follows_its_definition():
    model, hook = make_hook(decay=0.2)
    # Decay of the steps: min(0.2, 1/10), min(0.2, 2/11), min(0.2, 3/12).
    expected = 1.0
    for decay, value in ((1 / 10, 3.0), (2 / 11, 5.0), (0.2, -1.0)):
        step(model, hook, value)
        expected = decay * expected + (1 - decay) * value
    assert hook.average["0.weight"].flatten().tolist() == pytest.approx([expected] * 2)
    assert hook.average["1.running_mean"].item() == pytest.approx(
        # Starts at 0, not at 1.
        expected - (1 / 10) * (2 / 11) * 0.2
    )


def test_evaluation_sees_the_average_and_training_goes_on_with_the_raw_weights():
    model, hook = make_hook()
    step(model, hook, 4.0)
    with hook.applied():
        assert model[0].weight.flatten().tolist() == pytest.approx([0.1 + 0.9 * 4.0] * 2)
        assert model[1].num_batches_tracked == 1
    assert model[0].weight.flatten().tolist() == [4.0, 4.0]


def test_the_weights_come_back_after_an_evaluation_that_failed():
    model, hook = make_hook()
    step(model, hook, 4.0)
    with pytest.raises(RuntimeError, match="disk"), hook.applied():
        raise RuntimeError("disk")
    assert model[0].weight.flatten().tolist() == [4.0, 4.0]


def test_after_the_last_step_the_model_is_its_average():
    model, hook = make_hook(max_iter=2)
    step(model, hook, 4.0)
    assert model[0].weight[0, 0] == 4.0
    step(model, hook, 4.0)
    torch.testing.assert_close(model[0].weight, hook.average["0.weight"])
    assert model[0].weight[0, 0] < 4.0


def test_an_evaluation_that_ends_the_training_leaves_the_average():
    model, hook = make_hook()
    step(model, hook, 4.0)
    with hook.applied():
        hook.finish()
    assert model[0].weight.flatten().tolist() == pytest.approx([0.1 + 0.9 * 4.0] * 2)


def test_the_last_evaluation_has_the_statistics_that_were_saved():
    model, hook = make_hook(max_iter=1)
    step(model, hook, 4.0)
    # As Detectron2's PreciseBN does after the last step, before the checkpoint is written.
    model[1].running_mean.fill_(7.0)
    with hook.applied():
        assert model[1].running_mean.tolist() == [7.0]
    assert model[1].running_mean.tolist() == [7.0]


def test_a_resumed_average_goes_on_as_if_undisturbed():
    model, whole = make_hook()
    for value in (2.0, 3.0, 4.0):
        step(model, whole, value)
    model, first = make_hook()
    for value in (2.0, 3.0):
        step(model, first, value)
    state = first.state_dict()
    model, second = make_hook()
    second.load_state_dict(state)
    second.before_train()
    step(model, second, 4.0)
    assert second.average["0.weight"].tolist() == whole.average["0.weight"].tolist()


def test_a_finished_training_that_is_resumed_is_evaluated_as_it_was_saved():
    model, hook = make_hook(max_iter=1)
    step(model, hook, 4.0)
    model[1].running_mean.fill_(7.0)  # as PreciseBN does after the last step
    weights, state = model.state_dict(), hook.state_dict()
    model, resumed = make_hook(max_iter=1)
    model.load_state_dict(weights)
    resumed.load_state_dict(state)
    with resumed.applied():
        assert model[1].running_mean.tolist() == [7.0]
    # With more steps it goes on: the raw weights are trained, the average is evaluated.
    resumed.trainer = SimpleNamespace(iter=1, max_iter=3)
    step(model, resumed, 9.0)
    with resumed.applied():
        assert model[0].weight[0, 0].item() == pytest.approx(2 / 11 * 3.7 + 9 / 11 * 9.0)
    assert model[0].weight[0, 0].item() == 9.0
    assert not resumed.state_dict()["finished"]


def test_a_decay_that_is_no_share_is_refused():
    with pytest.raises(ValueError, match="SOLVER.EMA.DECAY .* got 1"):
        ModelEMA(nn.Linear(1, 1), 1)


def test_a_file_of_a_training_keeps_the_average_until_its_weights_are_that():
    model, hook = make_hook()
    step(model, hook, 4.0)
    beside = average_beside({"trainer": {"hooks": {"ModelEMA": hook.state_dict()}}})
    assert beside["0.weight"].tolist() == hook.average["0.weight"].tolist()
    hook.finish()
    assert average_beside({"trainer": {"hooks": {"ModelEMA": hook.state_dict()}}}) is None


@pytest.mark.parametrize(
    "content",
    [{}, {"trainer": torch.zeros(1)}, {"trainer": {"hooks": []}}, {"trainer": {"hooks": {}}}],
)
def test_other_files_keep_no_average(content):
    assert average_beside(content) is None

"""Two processes (gloo) compute what one process computes, whatever views a batch lacks."""

import os
import socket
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from agn_d2.engine import AGNTrainer
from agn_d2.engine.ema import ModelEMA

from ..modeling.test_agn import LINKS, STRIDES, C, make_batch, make_layer, make_network
from ..modeling.tiny_model import losses, make_case, make_model, randomize_graph, without

WORLD = 2


class Objective(torch.nn.Module):
    """A network and a loss that is the mean over examined images, with all views' features."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.stem = torch.nn.Conv2d(1, C, 1)
        self.agn = make_network(make_layer())

    def forward(self, images, batch, target):
        features = {
            level: torch.nn.functional.avg_pool2d(self.stem(images), stride)
            for level, stride in STRIDES.items()
        }
        fused = self.agn(features, batch)
        return (fused["p2"] - target).square().mean() + fused["p3"].square().mean()


def part(rank, links):
    """Images, batch and target of one process."""
    torch.manual_seed(10 + rank)
    batch, _ = make_batch(links=links)
    images = torch.rand(len(batch.nodes), 1, 32, 40)
    return images, batch, torch.rand(len(links), C, 8, 10)


def gradients(module):
    return {name.removeprefix("module."): p.grad for name, p in module.named_parameters()}


ALONE = [(e, -1, -1) for e, _, _ in LINKS]
NO_AUXILIARY = [(e, -1, c) for e, _, c in LINKS]
NO_CONTRALATERAL = [(e, a, -1) for e, a, _ in LINKS]
# The views that the images of each process have.
CASES = {
    "all views": (LINKS, LINKS),
    "one process without any": (ALONE, LINKS),
    "each lacks another": (NO_AUXILIARY, NO_CONTRALATERAL),
}
ROLES = ("auxiliary_view", "contralateral_view")


def graph_gradients(rank, links):
    module = DistributedDataParallel(Objective())
    # Two steps: a parameter without a gradient is only noticed at the start of the next one.
    for _ in range(2):
        module.zero_grad()
        module(*part(rank, links[rank])).backward()
    return gradients(module)


def detector_gradients(rank):
    """Of steps in which process 0 lacks one kind of view after the other, process 1 all of them."""
    module = DistributedDataParallel(randomize_graph(make_model()))
    for missing in (ROLES[:1], ROLES[1:], ()):
        roles = missing if rank == 0 else ROLES
        module.zero_grad()
        sum(losses(module, without(make_case(rank)[:2], *roles)).values()).backward()
    return {n: g for n, g in gradients(module).items() if g is not None}


def evaluated_buffers(rank, decay=None):
    """Statistics of batch normalization before, during and after an evaluation."""
    net = torch.nn.BatchNorm2d(2, momentum=1.0)
    ema = None
    if decay is not None:
        ema = ModelEMA(net, decay)
        ema.before_train()
    net(torch.full((1, 2, 1, 2), 1.0 + rank))
    if ema is not None:
        ema.trainer = SimpleNamespace(iter=0, max_iter=9)
        ema.after_step()
    means = [net.running_mean.clone()]
    with AGNTrainer.evaluated_weights(SimpleNamespace(net=net, ema=ema)):
        means.append(net.running_mean.clone())
    return [*means, net.running_mean.clone(), net.num_batches_tracked.clone()]


def work(rank, port, folder):
    """One of the two processes; starting them takes longer than what they do."""
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=WORLD)
    try:
        found = {name: graph_gradients(rank, links) for name, links in CASES.items()}
        found["detector"] = detector_gradients(rank)
        found["buffers"] = evaluated_buffers(rank)
        found["average"] = evaluated_buffers(rank, decay=0.5)
        torch.save(found, folder / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What both processes found."""
    folder = tmp_path_factory.mktemp("distributed")
    mp.spawn(work, (free_port(), folder), nprocs=WORLD)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORLD)]


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_gradients_of_the_joint_batch(found, case):
    # The joint loss: the mean over the two halves, which have the same number of images.
    module = Objective()
    sum(module(*part(rank, CASES[case][rank])) / WORLD for rank in range(WORLD)).backward()
    expected = gradients(module)
    assert found[0][case].keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.any(), name
        for rank in range(WORLD):
            torch.testing.assert_close(
                found[rank][case][name], gradient, rtol=1e-4, atol=1e-6, msg=name
            )


def test_a_detector_trains_when_batches_lack_auxiliary_or_contralateral_views(found):
    first, second = (of_rank["detector"] for of_rank in found)
    assert any(name.startswith("backbone.agn.") for name in first)
    for name, gradient in first.items():
        torch.testing.assert_close(gradient, second[name], msg=name)
        if name.startswith("backbone.agn."):
            assert gradient.any(), name


def test_all_processes_evaluate_the_model_that_is_saved(found):
    """Its batch normalization has the statistics of the first process, not of each its own."""
    for rank in range(WORLD):
        before, during, _, steps = found[rank]["buffers"]
        assert (before.tolist(), during.tolist()) == ([1.0 + rank] * 2, [1.0, 1.0])
        assert steps == 1
        # Of the average: a tenth of the start, 0, is left after the first step.
        before, during, after, _ = found[rank]["average"]
        torch.testing.assert_close(during, torch.full((2,), 0.9))
        assert before.tolist() == after.tolist() == [1.0 + rank] * 2

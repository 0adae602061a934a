"""One model in several processes."""

from __future__ import annotations

import torch.distributed as dist
from detectron2.utils import comm
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def parallel(model: nn.Module) -> nn.Module:
    """The model, wrapped if there are several processes; gradients are then their mean."""
    if comm.get_world_size() == 1:
        return model
    # No device_ids: they would copy each examined image to the GPU, to which the model moves all
    # views itself. A rank whose cases all lack a view gives no gradient to a part of the graph.
    return DistributedDataParallel(model, broadcast_buffers=False, find_unused_parameters=True)


def share_buffers(model: nn.Module) -> None:
    """Give all processes the float buffers of the first one, which is what a checkpoint holds.

    Batch normalization that learns gathers statistics of its own in each process. Evaluated with
    them, every process would evaluate another model than the one that is saved.
    """
    if comm.get_world_size() == 1:
        return
    for buffer in model.buffers():
        if buffer.is_floating_point():
            dist.broadcast(buffer, 0)

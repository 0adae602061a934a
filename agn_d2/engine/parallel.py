"""One model in several processes."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.utils import comm
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def parallel(model: nn.Module, cfg: CfgNode) -> nn.Module:
    """The model, wrapped if there are several processes; gradients are then their mean."""
    if comm.get_world_size() == 1:
        return model
    devices = None if cfg.MODEL.DEVICE == "cpu" else [comm.get_local_rank()]
    # A rank whose cases all lack a view gives no gradient to a part of the graph.
    return DistributedDataParallel(
        model, device_ids=devices, broadcast_buffers=False, find_unused_parameters=True
    )

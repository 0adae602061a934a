"""Initial weights of DETR's transformer as published (Carion et al., ECCV 2020)."""

from __future__ import annotations

from torch import nn


def initialize_as_published(detr: nn.Module) -> None:
    """Xavier's uniform weights in the transformer, queries from N(0, 1), plain layers around it.

    ``transformers`` draws all of them with a standard deviation of 0.02, which suits weights that
    are loaded next. Trained from there, attention starts so even that all queries say the same and
    hardly any gradient reaches them.

    Args:
        detr: ``DetrForObjectDetection``; changed in place, but for its trunk.
    """
    model = detr.model
    for part in (model.encoder, model.decoder):
        for parameter in part.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
    nn.init.normal_(model.query_position_embeddings.weight)
    for part in (model.input_projection, detr.class_labels_classifier, detr.bbox_predictor):
        for module in part.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.reset_parameters()

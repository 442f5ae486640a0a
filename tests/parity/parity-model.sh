#!/bin/sh
# Makes the golden files of the model again with PyTorch and transformers, then trains
# and exports with bs and checks that Hugging Face reads the result, and the other way
# round (roundtrip.py; after `make`), and that both trainings take the same way
# (trajectory.py).
#
#     tests/parity/parity-model.sh MODEL TEXTS.tsv
#
# PYTHON names an interpreter that has the packages; without it they are installed into
# build/parity (about 1 GB).
set -eu
model=$1 texts=$2
here=tests/parity

if [ -z "${PYTHON:-}" ]; then
    PYTHON=build/parity/bin/python
    if [ ! -x "$PYTHON" ]; then
        echo "parity: installing PyTorch and transformers into build/parity"
        python3 -m venv build/parity
        "$PYTHON" -m pip install --quiet -r "$here/requirements.txt"
    fi
fi
export HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
"$PYTHON" "$here/generate_model.py" --minilm "$model" --texts "$texts" "$here/golden"
if [ -x bin/bs-train ]; then
    "$PYTHON" "$here/roundtrip.py" bin "$here/golden/tiny"
    "$PYTHON" "$here/trajectory.py" bin "$model" "$texts"
else
    echo "parity: no bin/bs-train yet; round trip and trajectory are left out (run make first)"
fi

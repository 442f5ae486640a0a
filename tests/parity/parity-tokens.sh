#!/bin/sh
# Token ids of bs against the reference's, about two minutes. The reference (one pinned
# wheel) is installed into build/parity. DATA_DIR: real data, skipped where absent.
#
#     tests/parity/parity-tokens.sh MODEL DRIVER
set -eu

model=${1:?a model directory} driver=${2:?tokens_dump}
here=$(dirname "$0")
scratch=build/parity
wanted=$here/requirements-tokens.txt
if ! cmp -s "$wanted" "$scratch/installed.txt"; then
    echo "parity-tokens: installing the reference into $scratch/packages"
    rm -rf "$scratch/packages"
    mkdir -p "$scratch"
    python3 -m pip --disable-pip-version-check --quiet install --root-user-action=ignore \
        --no-deps --require-hashes --only-binary :all: --target "$scratch/packages" -r "$wanted"
    cp "$wanted" "$scratch/installed.txt"
fi
PYTHONPATH=$scratch/packages TOKENIZERS_PARALLELISM=true \
    python3 "$here/compare_tokens.py" "$driver" "$model" "${DATA_DIR:-../shared/data}" "$scratch"

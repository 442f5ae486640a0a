#!/bin/sh
# Tags a growing log: every line comes out as `predicted TAB probability TAB line` in
# TAGGED, once, as soon as it is written, through rotation and whenever this is started
# anew. How far it got is kept in TAGGED.state.
#
#     pipelines/tag-log.sh MODEL LOG TAGGED
#
# BS_PREDICT_OPTIONS adds options, such as --threshold 0.8.
set -eu

[ $# -eq 3 ] || {
    echo "usage: tag-log.sh MODEL LOG TAGGED" >&2
    exit 2
}
bin=${BIN:-$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)/bin}
model=$1 log=$2 tagged=$3

# shellcheck disable=SC2086 # options are words
exec "$bin/bs-predict" -m "$model" --header no --follow "$log" --state "$tagged.state" \
    -o "$tagged" ${BS_PREDICT_OPTIONS:-}

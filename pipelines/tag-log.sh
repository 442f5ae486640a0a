#!/bin/sh
# Tags a growing log: every new line comes out as `predicted TAB probability TAB line`,
# as soon as it is written. Follows the file through rotation.
#
#     pipelines/tag-log.sh MODEL LOG >>tagged.tsv
#
# BS_PREDICT_OPTIONS adds options, such as --threshold 0.8.
set -eu

[ $# -eq 2 ] || {
    echo "usage: tag-log.sh MODEL LOG" >&2
    exit 2
}
bin=${BIN:-$(cd "$(dirname "$0")/.." && pwd)/bin}
model=$1 log=$2

# shellcheck disable=SC2086 # options are words
tail -n 0 -F "$log" |
    "$bin/bs-predict" -m "$model" --from lines --header no ${BS_PREDICT_OPTIONS:-}

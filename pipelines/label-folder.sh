#!/bin/sh
# A cron job: labels every file of INBOX that has no result in OUTBOX yet. Results
# appear whole or not at all, so it can be killed at any time and run as often as wanted;
# two at once exclude each other.
#
#     */10 * * * *  ~/bs/pipelines/label-folder.sh MODEL INBOX OUTBOX
#
# Move files into INBOX when they are whole: one that is still growing is labelled as it is.
# FILE gives OUTBOX/FILE.labels.tsv, and FILE.rejects.jsonl if rows were rejected; they are
# made in OUTBOX/.work. Ends with the highest exit status of its runs, rejected rows (3) aside.
set -eu

[ $# -eq 3 ] || {
    echo "usage: label-folder.sh MODEL INBOX OUTBOX" >&2
    exit 2
}
bin=${BIN:-$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)/bin}
model=$1 inbox=$2 outbox=$3
worst=0

[ -d "$inbox" ] || {
    echo "label-folder.sh: $inbox: no such folder" >&2
    exit 4
}
mkdir -p "$outbox"
exec 9>"$outbox/.lock"
flock -n 9 || exit 0
work=$outbox/.work # what a killed run has left there is of no use
rm -rf "$work"
mkdir "$work"

for file in "$inbox"/*; do
    name=${file##*/}
    if [ ! -f "$file" ] || [ -e "$outbox/$name.labels.tsv" ]; then
        continue
    fi
    status=0
    "$bin/bs-predict" -m "$model" --quiet --rejects "$work/$name.rejects.jsonl" \
        -o "$work/$name.labels.tsv" "$file" || status=$?
    if [ -s "$work/$name.rejects.jsonl" ]; then
        mv "$work/$name.rejects.jsonl" "$outbox"
    elif [ -e "$outbox/$name.rejects.jsonl" ]; then
        rm "$outbox/$name.rejects.jsonl"
    fi
    if [ "$status" -eq 0 ] || [ "$status" -eq 3 ]; then
        mv "$work/$name.labels.tsv" "$outbox"
    elif [ "$status" -gt "$worst" ]; then
        worst=$status
    fi
done
rm -rf "$work"
exit "$worst"

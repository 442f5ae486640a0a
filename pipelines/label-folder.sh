#!/bin/sh
# A cron job: labels every file of INBOX (not hidden ones, not folders) that has no result
# in OUTBOX, another folder, yet. Results appear whole or not at all, so it can be killed at
# any time and run as often as wanted; two at once exclude each other.
#
#     */10 * * * *  ~/bs/pipelines/label-folder.sh MODEL INBOX OUTBOX
#
# Move files into INBOX when they are whole: one that is still growing is labelled as it is.
# FILE gives OUTBOX/FILE.labels.tsv, and FILE.rejects.jsonl if rows were rejected; they are
# made in OUTBOX/.work, which is its own. Ends with the highest exit status of its runs,
# rejected rows (3) aside.
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
mkdir -p -- "$outbox" || exit 5
[ "$(CDPATH='' cd -P -- "$inbox" && pwd)" != "$(CDPATH='' cd -P -- "$outbox" && pwd)" ] || {
    echo "label-folder.sh: $outbox: is INBOX, too; results need a folder of their own" >&2
    exit 2
}
exec 9>"$outbox/.lock"
flock -n 9 || {
    [ $? -ne 1 ] || exit 0 # another one is at work
    echo "label-folder.sh: $outbox/.lock: cannot be locked" >&2
    exit 5
}
work=$outbox/.work # what a killed run has left there is of no use
rm -rf -- "$work"
mkdir -- "$work"

raise() {
    [ "$1" -le "$worst" ] || worst=$1
}

keep() {
    mv -fT -- "$work/$1" "$outbox/$1" || raise 5
}

for file in "$inbox"/*; do
    name=${file##*/}
    if [ ! -f "$file" ] || [ -f "$outbox/$name.labels.tsv" ]; then
        continue
    fi
    status=0
    "$bin/bs-predict" -m "$model" --quiet --rejects "$work/$name.rejects.jsonl" \
        -o "$work/$name.labels.tsv" -- "$file" || status=$?
    case $status in
        0 | 3)
            if [ -s "$work/$name.rejects.jsonl" ]; then
                keep "$name.rejects.jsonl"
            else
                rm -f -- "$outbox/$name.rejects.jsonl" || raise 5
            fi
            keep "$name.labels.tsv"
            ;;
        *) raise "$status" ;;
    esac
done
rm -rf -- "$work"
exit "$worst"

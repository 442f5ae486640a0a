#!/bin/sh
# Completes a folder whose bin/ holds the tools: lib/ with the libraries that they need
# beyond libc's, the pipelines, and the default model and data where they are.
#
#     setup/portable.sh FOLDER [LIBRARY...]     LIBRARY: more to go to lib/, libbs-cuda.so
set -eu

folder=$1
shift
rm -rf "${folder:?}/lib" # those of an earlier time would be found first
mkdir -p "$folder/lib"

# needed FILE...: paths of the libraries that these need, all the way down.
needed() {
    ldd "$@" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
        grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv|ld-linux[^/]*)\.so\.[0-9]+$'
}

for library in "$@"; do
    cp -L "$library" "$folder/lib/"
done
needed "$folder"/bin/* "$@" | while read -r library; do
    cp -L "$library" "$folder/lib/"
done

cp -R pipelines "$folder/"
for given in models/all-minilm-l6-v2 data/film-reviews.tsv; do
    [ -e "$given" ] || continue
    mkdir -p "$folder/$(dirname "$given")"
    cp -RL "$given" "$folder/$(dirname "$given")/"
done

cat >"$folder/README" <<END
The tools of bs and the libraries they need, for a machine with the C library of Debian 12
or a later one. In this folder: make -f pipelines/demo.mk   (with models/ and data/ here),
or bin/bs-predict --help. With lib/libbs-cuda.so the tools use an NVIDIA GPU if its driver
is there; the CUDA toolkit is not needed.
END

echo "portable: $folder, $(du -shL "$folder" | cut -f 1)$(
    find "$folder/lib" -name 'libcublasLt.so*' -exec du -hL {} + |
        awk '{ print ", of which cuBLASLt is " $1 }'
)"

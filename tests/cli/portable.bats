#!/usr/bin/env bats
# The folder of `make portable`, carried elsewhere: its programs find all libraries but
# libc's in it, and work with an empty environment.

setup_file() {
    export DIR=$BATS_FILE_TMPDIR
    make -s SETUP=no CUDA=0 PORTABLE="$DIR/made" portable >"$DIR/out"
    mv "$DIR/made" "$DIR/carried"
}

@test "it says where it is and how large" {
    grep -qE "^portable: $DIR/made, [0-9.]+[KMG]$" "$DIR/out"
}

@test "every library but libc's is found in the folder" {
    for program in "$DIR"/carried/bin/bs-*; do
        ldd "$program" >"$DIR/ldd"
        ! grep -q 'not found' "$DIR/ldd"
        grep -q "=> $DIR/carried/bin/../lib/libarchive" "$DIR/ldd"
        awk '$2 == "=>" { print $3 }' "$DIR/ldd" | grep -vF "$DIR/carried/" |
            grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv)\.so\.[0-9]+$' >"$DIR/elsewhere" || true
        [ ! -s "$DIR/elsewhere" ]
    done
    [ "$(find "$DIR/carried/bin" -name 'bs-*' | wc -l)" -eq 5 ]
}

@test "text to tokens to labels" {
    printf 'a warm film\ntwo hours lost\n' >"$DIR/texts"
    run env -i sh -c "cd / && '$DIR/carried/bin/bs-tokenize' -m '$PWD/tests/parity/golden/tiny' \
        -t msgpack <'$DIR/texts' | '$DIR/carried/bin/bs-predict' -f msgpack \
        -m '$PWD/tests/parity/golden/tiny' --device cpu"
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 3 ]
    [[ ${lines[1]} == *$'\ta warm film' ]]
    [[ ${lines[2]} == *$'\ttwo hours lost' ]]
}

@test "the demo's pipeline goes with it" {
    run make -n -C "$DIR/carried" -f pipelines/demo.mk
    [ "$status" -eq 0 ]
    [[ $output == *bin/bs-train* ]]
    [ -s "$DIR/carried/README" ]
}

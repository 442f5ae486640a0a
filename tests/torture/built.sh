# shellcheck shell=bash disable=SC2154 # names in lower case come from torture.sh
# How the tools are built. Part of torture.sh.

# is_hardened TOOL: position-independent, relocations read-only before main, stack
# protector, fortified functions, and, on x86, control-flow protection.
is_hardened() {
    local headers symbols
    headers=$(readelf -hldn "$1")
    symbols=$(nm -D "$1")
    grep -q 'Type:.*DYN' <<<"$headers" && grep -q GNU_RELRO <<<"$headers" &&
        grep -qE 'BIND_NOW|FLAGS.*NOW' <<<"$headers" && grep -q __stack_chk_fail <<<"$symbols" &&
        grep -q '_chk@' <<<"$symbols" &&
        { [ "$(uname -m)" != x86_64 ] || [ "$(objdump -d "$1" | grep -c endbr64)" -gt 100 ]; }
}

torture_built() {
    local tool good=0 n=0
    for tool in tokenize train eval predict export; do
        n=$((n + 1))
        ! is_hardened "$bin/bs-$tool" || good=$((good + 1))
    done
    promise "hardened" "$good" "=$n" tools
    [ "$budget" = short ] || { torture_built_twice; torture_analyzed; }
}

# Two builds from two folders are the same bytes.
torture_built_twice() {
    local copy same=0 tool
    workplace built
    for copy in one a-longer-name/two; do
        mkdir -p "$copy"
        git -C "$root" archive HEAD | tar x -C "$copy"
        make -s -C "$copy" CUDA=0 -j "$(nproc)" >build.log 2>&1
    done
    for tool in tokenize train eval predict export; do
        ! cmp -s "one/bin/bs-$tool" "a-longer-name/two/bin/bs-$tool" || same=$((same + 1))
    done
    promise "built twice" "$same" "=5" "tools of the same bytes"
}

# unknown NAME: how many of the findings on standard input, `file: what` each, are not in
# setup/lint/findings.txt, which says why those are none. They are left in NAME.
unknown() {
    sort -u | grep -vxFf <(grep -v '^#' "$root/setup/lint/findings.txt") | tee "$1" | wc -l
}

# What cppcheck and gcc's analyzer say of lib/ and tools/; clang's is part of `make lint`.
torture_analyzed() {
    workplace analyzed
    local here=$PWD
    if command -v cppcheck >/dev/null; then
        promise "cppcheck" "$(cd "$root" && cppcheck --quiet --std=c11 -D_GNU_SOURCE -Ilib \
            --enable=warning,performance,portability --template='{file}: {id}' \
            lib/*/*.c lib/compute/ref lib/compute/cpu tools 2>&1 | unknown "$here/cppcheck.txt")" \
            "=0" "new findings"
    else
        skip "cppcheck" "new findings" "cppcheck is not installed"
    fi
    rm -rf "$root/build/analyzer"
    promise "gcc's analyzer" "$(make -k -C "$root" VARIANT=analyzer CUDA=0 -j "$(nproc)" all 2>&1 |
        sed -n 's/^\([^:]*\):.*\[-W\(analyzer-[a-z-]*\)\]$/\1: \2/p' | unknown analyzer.txt)" \
        "=0" "new findings"
    promise "valgrind" "$(make -C "$root" valgrind 2>&1 | tee valgrind.txt |
        sed -n 's/.* passed, \([0-9]*\) failed$/\1/p')" "=0" "of its checks failed"
}

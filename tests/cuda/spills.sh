#!/bin/bash
# Local memory of kernels, from what ptxas said of them (-Xptxas -v): TAP, a check for each
# kernel and each of sm_80 and sm_90; what other kinds of GPU take is said in comments. A
# kernel must not spill registers, nor have anything else on its stack: both are traffic to
# memory that the source does not show.
#
#     BS_PTXAS="FILE..." tests/cuda/spills.sh      none: skipped, there is no nvcc
set -euo pipefail

read -ra files <<<"${BS_PTXAS:-}"
if [ ${#files[@]} -eq 0 ]; then
    echo "ok 1 # SKIP registers and local memory of kernels: nvcc is not here"
    echo "1..1"
    exit
fi

# Lines of ptxas to rows: KIND TAB KERNEL TAB REGISTERS SPILLED STACK SHARED. What comes
# before "Used" belongs to the kernel named last, functions that it calls included.
rows() {
    awk '
        function number_before(word) {
            return match($0, "[0-9]+ bytes " word) ? substr($0, RSTART) + 0 : 0
        }
        function end() {
            if (name != "")
                printf "%s\t%s\t%d %d %d %d\n", kind, name, registers, spilled, stack, shared
            name = ""
        }
        /Compiling entry function/ {
            end()
            split($0, part, "\047")
            name = part[2]; kind = part[4]
            registers = spilled = stack = shared = 0
        }
        /bytes stack frame/ {
            stack += number_before("stack frame")
            spilled += number_before("spill stores") + number_before("spill loads")
        }
        /Used [0-9]+ registers/ {
            match($0, "Used [0-9]+")
            registers = substr($0, RSTART + 5) + 0
            shared = number_before("smem")
            stack += number_before("lmem")
        }
        END { end() }' "$@"
}

# "void f<bs_bf16, 64>(attention_task<bs_bf16>)" to "f<bs_bf16, 64>".
brief() {
    c++filt | sed -E 's/\tvoid /\t/; s/\([^\t]*\t/\t/'
}

rows "${files[@]}" | brief | sort -u | awk -F '\t' '
    {
        split($3, n, " ")
        text = sprintf("%-6s %-58s %3d registers, %d bytes spilled, %d of stack, %d shared",
                       $1, $2, n[1], n[2], n[3], n[4])
    }
    $1 != "sm_80" && $1 != "sm_90" { print "# " text; next }
    {
        bad = n[2] + n[3] > 0
        failed += bad
        printf "%sok %d - %s\n", bad ? "not " : "", ++count, text
    }
    END {
        if (!NR) {
            print "not ok " ++count " - ptxas said something of kernels"
            failed++
        }
        if (!count)
            print "ok " ++count " # SKIP registers and local memory: not built for sm_80 or sm_90"
        print "1.." count
        exit failed > 0
    }'

# Checks every #include against rooms.txt and doors.txt.
#
#     awk -f rooms.awk rooms.txt doors.txt SOURCE...

function room_of(path) {
    if (path ~ /^tools\//)
        return "tools"
    split(path, part, "/")
    return part[2]
}

function complain(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    wrong = 1
}

FILENAME ~ /rooms\.txt$/ && /^[a-z]/ {
    room = $1
    sub(/:$/, "", room)
    allowed[room] = " " room " "
    for (i = 2; i <= NF; i++) {
        if (!($i in allowed))
            complain("room " room " is above " $i)
        allowed[room] = allowed[room] $i " "
    }
    next
}

FILENAME ~ /doors\.txt$/ && /^[a-z]/ {
    for (i = 2; i <= NF; i++)
        door[$1] = door[$1] " " $i
    next
}

/^#[ \t]*include "/ {
    split($0, quoted, "\"")
    here = room_of(FILENAME)
    if (quoted[2] ~ /^\.\./)
        complain("include \"" quoted[2] "\" without its room")
    if (split(quoted[2], part, "/") < 2)
        next
    there = part[1]
    if (!(here in allowed))
        complain("room " here " is not in rooms.txt")
    else if (index(allowed[here], " " there " ") == 0)
        complain("room " here " must not include room " there)
    next
}

/^#[ \t]*include </ {
    split($0, name, /[<>]/)
    if (!(name[2] in door))
        next
    n = split(door[name[2]], place, " ")
    found = 0
    for (i = 1; i <= n; i++)
        if (index(FILENAME, place[i]) == 1)
            found = 1
    if (!found)
        complain("<" name[2] "> has its door in" door[name[2]])
}

END {
    exit wrong
}

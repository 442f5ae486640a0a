#!/bin/sh
# Installs the Debian packages that are missing, for the purposes given.
#
#     setup/packages.sh build fetch test lint
#
# Shows the list first; goes through sudo when not root. On another system it names
# what is missing and exits 2.
set -eu

list=$(dirname "$0")/packages.txt
wanted=$(for purpose in "$@"; do
    awk -v purpose="$purpose" '!/^#/ && $2 == purpose { print $1 }' "$list"
done)

if ! command -v dpkg-query >/dev/null; then
    echo "setup: this is no Debian system; please install what these packages hold:" >&2
    echo "$wanted" | sed 's/^/  /' >&2
    echo "setup: then run make with SETUP=no" >&2
    exit 2
fi

missing=$(for package in $wanted; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
        echo "$package"
done)
[ -n "$missing" ] || exit 0

echo "setup: installing Debian packages: $(echo "$missing" | tr '\n' ' ')"
if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "setup: neither root nor sudo here; as root: apt-get install $(echo "$missing" | tr '\n' ' ')" >&2
    exit 2
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null

# shellcheck shell=sh disable=SC2154
# What the benchmarks share; sourced, not run. Uses $work, the scratch folder.

fail() {
    echo "bench: $*" >&2
    exit 1
}

# number NAME FILE: a number of a one-object JSON file.
number() {
    sed -n "s/.*\"$1\": *\\([0-9.][0-9.eE+-]*\\).*/\\1/p" "$2" | head -n 1
}

# Each round starts from a copy that is on the disk, so that no one pays for another's writes.
fresh_copy() {
    rm -rf "$2"
    cp -R "$1" "$2"
    sync
}

# quietly COMMAND...: its output is shown only if it fails.
quietly() {
    "$@" >"$work/quiet" 2>&1 || {
        cat "$work/quiet" >&2
        fail "failed: $*"
    }
}

describe_machine() {
    echo "machine     $(uname -srm), $(nproc) processors,$(sed -n 's/^model name[^:]*://p' /proc/cpuinfo | head -n 1)"
    echo "disk        $(df -PT "$work" | awk 'NR == 2 { print $2 " on " $1 }'), stores under $1"
}

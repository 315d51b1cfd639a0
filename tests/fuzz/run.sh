#!/bin/sh
# run.sh BUILD_DIR: every fuzz target of a REKEY_FUZZ build for a minute (REKEY_FUZZ_S seconds).
# New inputs go to BUILD_DIR/fuzz-corpus; one that fails is left in BUILD_DIR/fuzz-found, to be
# copied into corpus/ with its fix.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 BUILD_DIR" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
ran=0
for source in "$here"/fuzz_*.c; do
    name=$(basename "$source" .c)
    target=${name#fuzz_}
    fuzzer=$build/tests/fuzz/$name
    [ -x "$fuzzer" ] || { echo "$fuzzer is not built: configure with -DREKEY_FUZZ=ON" >&2; exit 1; }
    mkdir -p "$build/fuzz-corpus/$target" "$build/fuzz-found"
    echo "== $name"
    "$fuzzer" -max_total_time="${REKEY_FUZZ_S:-60}" -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$build/fuzz-found/$target-" \
        "$build/fuzz-corpus/$target" "$here/corpus/$target"
    ran=$((ran + 1))
done
echo "$ran fuzzers, nothing found"

#!/bin/sh
# Measures `rekey run` beside a bare LMDB loop on copies of one store, in turns.
#     bench/run.sh BUILD_DIR [--records N] [--rounds N] [--dir SCRATCH]
set -eu

usage() {
    echo "usage: bench/run.sh BUILD_DIR [--records N] [--rounds N] [--dir SCRATCH]" >&2
    exit 64
}

[ $# -ge 1 ] || usage
build=$1
shift
records=1000000
rounds=3
scratch_root=${TMPDIR:-/tmp}
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
    --records) records=$2 ;;
    --rounds) rounds=$2 ;;
    --dir) scratch_root=$2 ;;
    *) usage ;;
    esac
    shift 2
done

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=bench/measure.sh
. "$here/measure.sh"
rekey=$build/rekey/cli/rekey
bare=$build/bench/bare_move
spec=$here/202611210900_move_noindex.yaml
table=platform_data
value_bytes=200
tenants=100
for program in "$rekey" "$bare"; do
    [ -x "$program" ] || { echo "bench: $program is missing; build first" >&2; exit 1; }
done

work=$(mktemp -d "$scratch_root/rekey-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# Runs "$@" with stdout in $work/out and leaves the peak of its RssAnon, in KiB, in $peak.
run_watched() {
    peak=0
    "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        now=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null || true)
        [ "${now:-0}" -le "$peak" ] || peak=$now
        sleep 0.02
    done
    wait "$pid" || { cat "$work/err" >&2; fail "failed: $*"; }
}

expect_moved() {
    [ "$("$bare" --count "$1" "$table")" = "0 $records 0" ] ||
        fail "$1 holds, as old, new and other records: $("$bare" --count "$1" "$table")"
}

# Only a result that was checked counts.
measure_rekey() {
    fresh_copy "$work/base" "$work/a"
    run_watched "$rekey" run "$work/plan" --store "lmdb:$work/a" --until backfilled --json
    seconds=$(number seconds "$work/out")
    [ "$(number changes "$work/out")" = "$records" ] || fail "rekey made other changes than $records"
    expect_moved "$work/a"
    quietly "$rekey" verify --store "lmdb:$work/a"
    report rekey
}

measure_bare() {
    fresh_copy "$work/base" "$work/b"
    run_watched "$bare" "$work/b" "$table"
    seconds=$(number seconds "$work/out")
    expect_moved "$work/b"
    "$bare" --same "$work/a" "$work/b" "$table" || fail "the two results differ"
    report bare
}

report() {
    rate=$(awk -v n="$records" -v s="$seconds" 'BEGIN { printf "%.0f", n / s }')
    echo "$rate $peak" >>"$work/$1"
    printf '%-6s %8.3f s %9s records/s   RssAnon peak %6s KiB\n' "$1" "$seconds" "$rate" "$peak"
}

# summary NAME: median, least and most of the rates, and the highest memory peak.
summary() {
    sort -n "$work/$1" | awk '{ rate[NR] = $1; if ($2 > peak) peak = $2 }
        END { middle = NR % 2 ? rate[(NR + 1) / 2] : (rate[NR / 2] + rate[NR / 2 + 1]) / 2
              printf "%.0f %d %d %d\n", middle, rate[1], rate[NR], peak }'
}

describe_machine "$scratch_root"
echo "durability  both commit with fsync; no NOSYNC, NOMETASYNC, WRITEMAP or MAPASYNC"
echo "data        $records records of $value_bytes bytes, $tenants tenants, strategy move, no index"
echo

quietly "$rekey" seed "$spec" --store "lmdb:$work/base" --tenants "$tenants" \
    --records "$records" --seed 1
quietly "$rekey" plan "$spec" --store "lmdb:$work/base" -o "$work/plan"

round=0
while [ "$round" -lt "$rounds" ]; do
    measure_rekey
    measure_bare
    round=$((round + 1))
done

echo
for name in rekey bare; do
    # shellcheck disable=SC2046
    set -- $(summary "$name")
    printf '%-6s median %9s records/s   spread %s to %s   RssAnon peak %s KiB\n' \
        "$name" "$1" "$2" "$3" "$4"
    eval "${name}_median=\$1"
done
# shellcheck disable=SC2154
awk -v a="$rekey_median" -v b="$bare_median" \
    'BEGIN { printf "ratio  %.2f of the bare loop\n", a / b }'

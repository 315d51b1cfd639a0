#!/bin/sh
# Measures an application's puts on an idle store and beside `rekey run`, in turns.
#     bench/put_latency.sh BUILD_DIR [--records N] [--rounds N] [--seconds N] [--pace PUTS_A_SECOND]
#                          [--spec FILE] [--dir SCRATCH] [--json]
# --pace 0 is as fast as possible. The spec needs an entity Contract with the one id contract_id.
set -eu

usage() {
    sed -n '3,4s/^# */usage: /p;4q' "$0" >&2
    exit 64
}

[ $# -ge 1 ] || usage
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
records=1000000
rounds=5
seconds=3
pace=100
spec=$here/202611210900_move_noindex.yaml
scratch_root=${TMPDIR:-/tmp}
json=no
while [ $# -gt 0 ]; do
    case $1 in
    --json)
        json=yes
        shift
        continue
        ;;
    esac
    [ $# -ge 2 ] || usage
    case $1 in
    --records) records=$2 ;;
    --rounds) rounds=$2 ;;
    --seconds) seconds=$2 ;;
    --pace) pace=$2 ;;
    --spec) spec=$2 ;;
    --dir) scratch_root=$2 ;;
    *) usage ;;
    esac
    shift 2
done

rekey=$build/rekey/cli/rekey
puts=$build/bench/put_latency
bare=$build/bench/bare_commit
tenants=100
for program in "$rekey" "$puts" "$bare"; do
    [ -x "$program" ] || { echo "bench: $program is missing; build first" >&2; exit 1; }
done

work=$(mktemp -d "$scratch_root/rekey-latency.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
# shellcheck source=bench/measure.sh
. "$here/measure.sh"

# Stdout belongs to the JSON when that is asked for.
say() {
    if [ "$json" = yes ]; then echo "$*" >&2; else echo "$*"; fi
}

# --- one round ------------------------------------------------------------------------------------

# keep NAME [BOUND_US]: appends the round's numbers in $work/out to those of NAME.
keep() {
    for field in count p50_us p99_us p999_us max_us over; do
        number "$field" "$work/out"
    done | paste -s -d ' ' - >>"$work/$1"
    say "$(printf '  %-7s' "$1") $(tail -n 1 "$work/$1" | awk -v over="${2:-}" '{
        printf "%7d puts  p50 %6.0f  p99 %6.0f  p99.9 %6.0f  max %6.0f us", $1, $2, $3, $4, $5
        if (over != "") printf "  %d over %d us", $6, over }')"
}

# Only what was acknowledged and can be read counts.
expect_readable() {
    quietly "$puts" "lmdb:$1" --check "$(number count "$work/out")" --tenants "$tenants"
}

measure_commit() {
    fresh_copy "$work/base" "$work/a"
    "$bare" "$work/a" "$table" "$seconds" >"$work/out"
    keep commit
}

measure_idle() {
    fresh_copy "$work/base" "$work/a"
    "$puts" "lmdb:$work/a" --seconds "$seconds" --pace "$pace" --tenants "$tenants" --json >"$work/out"
    expect_readable "$work/a"
    keep idle
}

# What a put may take at most: a batch's time with the lock, and the commit of its own.
find_bound() {
    bound_us=$(tail -n 1 "$work/idle" | awk -v hold="$lock_hold_ms" '{ print hold * 1000 + $4 }')
}

# run_rate NAME: from the JSON of `rekey run` in $work/run.
run_rate() {
    awk -v n="$(number changes "$work/run")" -v s="$(number seconds "$work/run")" \
        'BEGIN { printf "%.0f\n", n / s }' >>"$work/$1"
    say "$(printf '  %-7s %7s records/s' "$2" "$(tail -n 1 "$work/$1")")"
}

measure_alone() {
    fresh_copy "$work/base" "$work/a"
    "$rekey" run "$work/plan" --store "lmdb:$work/a" --until backfilled --json >"$work/run"
    run_rate alone alone
}

measure_during() {
    fresh_copy "$work/base" "$work/a"
    "$puts" "lmdb:$work/a" --pace "$pace" --tenants "$tenants" --bound-us "$bound_us" --json --during \
        "exec '$rekey' run '$work/plan' --store 'lmdb:$work/a' --until backfilled --json >'$work/run'" \
        >"$work/out"
    expect_readable "$work/a"
    quietly "$rekey" verify --store "lmdb:$work/a"
    keep during "$bound_us"
    run_rate beside beside
}

# --- what all rounds came to ----------------------------------------------------------------------

# column FILE NUMBER: median, least and most of a column.
column() {
    awk -v c="$2" '{ print $c }' "$work/$1" | sort -n | awk '{ v[NR] = $1 }
        END { middle = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
              printf "%.0f %.0f %.0f\n", middle, v[1], v[NR] }'
}

sum() {
    awk -v c="$2" '{ s += $c } END { print s + 0 }' "$work/$1"
}

cell() {
    column "$1" "$2" | awk '{ printf "%8d %-16s", $1, "(" $2 ".." $3 ")" }'
}

json_latency() {
    printf '"%s": {"puts": %d' "$1" "$(sum "$1" 1)"
    field=2
    for name in p50_us p99_us p999_us max_us; do
        column "$1" "$field" | awk -v n="$name" \
            '{ printf ", \"%s\": {\"median\": %d, \"least\": %d, \"most\": %d}", n, $1, $2, $3 }'
        field=$((field + 1))
    done
    printf '}, '
}

print_json() {
    printf '{"records": %d, "rounds": %d, "pace": %s, "lock_hold_ms": %d, ' \
        "$records" "$rounds" "$pace" "$lock_hold_ms"
    for name in commit idle during; do
        json_latency "$name"
    done
    for name in alone beside; do
        column "$name" 1 | awk -v n="$name" \
            '{ printf "\"run_%s\": {\"median\": %d, \"least\": %d, \"most\": %d}, ", n, $1, $2, $3 }'
    done
    printf '"over": %d}\n' "$(sum during 6)"
}

print_table() {
    echo
    printf '%-8s%8s%10s%25s%25s%25s\n' "us" "puts" "p50" "p99" "p99.9" "max"
    for name in commit idle during; do
        printf '%-8s%8d  %s%s%s%s\n' "$name" "$(sum "$name" 1)" \
            "$(cell "$name" 2)" "$(cell "$name" 3)" "$(cell "$name" 4)" "$(cell "$name" 5)"
    done
    echo
    echo "run     alone $(cell alone 1) records/s"
    echo "        beside$(cell beside 1) records/s"
    echo "bound   $(sum during 6) of $(sum during 1) puts took longer than $lock_hold_ms ms (lock_hold_ms)" \
        "and one commit (that round's idle p99.9)"
}

# --------------------------------------------------------------------------------------------------

# setting NAME: of the spec.
setting() {
    sed -n "s/^ *$1: *\\([^ #]*\\).*/\\1/p" "$spec" | head -n 1
}

lock_hold_ms=$(setting lock_hold_ms)
table=$(setting database)
[ -n "$lock_hold_ms" ] || fail "$spec names no lock_hold_ms"
[ -n "$table" ] || fail "$spec names no database"
say "$(describe_machine "$scratch_root")"
say "data        $records records, $tenants tenants, $(setting strategy), lock_hold_ms $lock_hold_ms, $(basename "$spec")"
say "puts        one thread, $([ "$pace" = 0 ] && echo "as fast as possible" || echo "$pace a second")"
say

quietly "$rekey" seed "$spec" --store "lmdb:$work/base" --tenants "$tenants" --records "$records" --seed 1
quietly "$rekey" register "$spec" --store "lmdb:$work/base"
quietly "$rekey" plan "$spec" --store "lmdb:$work/base" -o "$work/plan"

round=1
while [ "$round" -le "$rounds" ]; do
    say "round $round"
    measure_commit
    measure_idle
    find_bound
    measure_alone
    measure_during
    round=$((round + 1))
done
if [ "$json" = yes ]; then print_json; else print_table; fi

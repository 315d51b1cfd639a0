/* The tables of rekey/phase, read back row by row, and the properties that every row must have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rekey/phase/phase.h"

static const rk_strategy strategies[] = {RK_STRATEGY_DUAL_WRITE, RK_STRATEGY_MOVE};

typedef struct row_case {
    const char *name;
    rk_strategy strategy;
    rk_phase phase;
    bool undoing;
    rk_phase_rule rule;
} row_case;

#define DUAL RK_STRATEGY_DUAL_WRITE
#define MOVE RK_STRATEGY_MOVE

static const row_case row_cases[] = {
    {"dual old",
     DUAL,
     RK_PHASE_OLD,
     false,
     {RK_READ_OLD, RK_WRITE_PUT, RK_WRITE_NOT, RK_COMPARE_NOT}},
    {"dual old undoing",
     DUAL,
     RK_PHASE_OLD,
     true,
     {RK_READ_OLD, RK_WRITE_PUT, RK_WRITE_DROP, RK_COMPARE_NOT}},
    {"dual both",
     DUAL,
     RK_PHASE_DUAL_WRITE,
     false,
     {RK_READ_OLD, RK_WRITE_PUT, RK_WRITE_PUT, RK_COMPARE_COPIES}},
    {"dual flipped",
     DUAL,
     RK_PHASE_FLIPPED,
     false,
     {RK_READ_NEW, RK_WRITE_PUT, RK_WRITE_PUT, RK_COMPARE_COPIES}},
    {"dual contracted",
     DUAL,
     RK_PHASE_CONTRACTED,
     false,
     {RK_READ_NEW, RK_WRITE_DROP, RK_WRITE_PUT, RK_COMPARE_NOT}},
    {"dual done",
     DUAL,
     RK_PHASE_DONE,
     false,
     {RK_READ_NEW, RK_WRITE_NOT, RK_WRITE_PUT, RK_COMPARE_NOT}},
    {"move old",
     MOVE,
     RK_PHASE_OLD,
     false,
     {RK_READ_OLD, RK_WRITE_PUT, RK_WRITE_NOT, RK_COMPARE_NOT}},
    {"move both",
     MOVE,
     RK_PHASE_DUAL_WRITE,
     false,
     {RK_READ_NEW_THEN_OLD, RK_WRITE_DROP, RK_WRITE_PUT, RK_COMPARE_SINGLE}},
    {"move both undoing",
     MOVE,
     RK_PHASE_DUAL_WRITE,
     true,
     {RK_READ_NEW_THEN_OLD, RK_WRITE_PUT, RK_WRITE_DROP, RK_COMPARE_SINGLE}},
    {"move flipped",
     MOVE,
     RK_PHASE_FLIPPED,
     false,
     {RK_READ_NEW, RK_WRITE_DROP, RK_WRITE_PUT, RK_COMPARE_SINGLE}},
    {"move contracted",
     MOVE,
     RK_PHASE_CONTRACTED,
     false,
     {RK_READ_NEW, RK_WRITE_DROP, RK_WRITE_PUT, RK_COMPARE_SINGLE}},
    {"move done",
     MOVE,
     RK_PHASE_DONE,
     false,
     {RK_READ_NEW, RK_WRITE_NOT, RK_WRITE_PUT, RK_COMPARE_NOT}},
};

static void rows_are_as_specified(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof row_cases / sizeof *row_cases; i++) {
        const row_case *c = &row_cases[i];
        const rk_phase_rule *rule = rk_phase_rule_of(c->strategy, c->phase, c->undoing);
        if (rule->read != c->rule.read || rule->write_old != c->rule.write_old ||
            rule->compare != c->rule.compare || rule->write_new != c->rule.write_new)
            fail_msg("%s", c->name);
    }
}

/* A write lands somewhere, and a read looks only where the newest write landed. */
static void a_read_sees_the_newest_write(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        for (int phase = 0; phase < RK_PHASE_COUNT; phase++) {
            for (int undoing = 0; undoing < 2; undoing++) {
                const rk_phase_rule *rule =
                    rk_phase_rule_of(strategies[s], (rk_phase)phase, undoing == 1);
                assert_true(rule->write_old == RK_WRITE_PUT || rule->write_new == RK_WRITE_PUT);
                if (rule->read == RK_READ_OLD)
                    assert_int_equal(rule->write_old, RK_WRITE_PUT);
                if (rule->read == RK_READ_NEW)
                    assert_int_equal(rule->write_new, RK_WRITE_PUT);
                if (rule->read == RK_READ_NEW_THEN_OLD)
                    assert_int_not_equal(rule->write_new, RK_WRITE_NOT);
            }
        }
    }
}

typedef struct move_case {
    rk_strategy strategy;
    rk_phase from;
    rk_move move;
    rk_phase to;
} move_case;

static const move_case move_cases[] = {
    {DUAL, RK_PHASE_OLD, RK_MOVE_BEGIN, RK_PHASE_DUAL_WRITE},
    {DUAL, RK_PHASE_DUAL_WRITE, RK_MOVE_FLIP, RK_PHASE_FLIPPED},
    {DUAL, RK_PHASE_DUAL_WRITE, RK_MOVE_ROLLBACK, RK_PHASE_OLD},
    {DUAL, RK_PHASE_FLIPPED, RK_MOVE_ROLLBACK, RK_PHASE_OLD},
    {DUAL, RK_PHASE_FLIPPED, RK_MOVE_CONTRACT, RK_PHASE_CONTRACTED},
    {DUAL, RK_PHASE_CONTRACTED, RK_MOVE_FINISH, RK_PHASE_DONE},
    {MOVE, RK_PHASE_OLD, RK_MOVE_BEGIN, RK_PHASE_DUAL_WRITE},
    {MOVE, RK_PHASE_DUAL_WRITE, RK_MOVE_FLIP, RK_PHASE_FLIPPED},
    {MOVE, RK_PHASE_DUAL_WRITE, RK_MOVE_ROLLBACK, RK_PHASE_DUAL_WRITE},
    {MOVE, RK_PHASE_FLIPPED, RK_MOVE_ROLLBACK, RK_PHASE_DUAL_WRITE},
    {MOVE, RK_PHASE_FLIPPED, RK_MOVE_CONTRACT, RK_PHASE_CONTRACTED},
    {MOVE, RK_PHASE_CONTRACTED, RK_MOVE_FINISH, RK_PHASE_DONE},
};

static const move_case *find_move(rk_strategy strategy, rk_phase from, rk_move move)
{
    for (size_t i = 0; i < sizeof move_cases / sizeof *move_cases; i++) {
        const move_case *c = &move_cases[i];
        if (c->strategy == strategy && c->from == from && c->move == move)
            return c;
    }
    return NULL;
}

static void no_other_move_is_allowed(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        for (int from = 0; from < RK_PHASE_COUNT; from++) {
            for (int move = RK_MOVE_BEGIN; move <= RK_MOVE_FINISH; move++) {
                const move_case *c = find_move(strategies[s], (rk_phase)from, (rk_move)move);
                rk_phase to = RK_PHASE_COUNT;
                bool allowed = rk_phase_allows(strategies[s], (rk_phase)from, (rk_move)move, &to);
                assert_int_equal(allowed, c != NULL);
                assert_int_equal(to, c ? c->to : RK_PHASE_COUNT);
            }
        }
    }
}

static void phases_have_names(void **state)
{
    static const char *const names[] = {"old", "dual_write", "flipped", "contracted", "done"};
    (void)state;
    for (int phase = 0; phase < RK_PHASE_COUNT; phase++)
        assert_string_equal(rk_phase_name((rk_phase)phase), names[phase]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_as_specified),
        cmocka_unit_test(a_read_sees_the_newest_write),
        cmocka_unit_test(no_other_move_is_allowed),
        cmocka_unit_test(phases_have_names),
    };
    return cmocka_run_group_tests_name("phase", tests, NULL, NULL);
}

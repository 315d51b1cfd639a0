/* maker.h: plans without a scan, each number in them made from the node's. What fails here fails
 * the test. */
#ifndef REKEY_TESTS_UNIT_PLAN_MAKER_H
#define REKEY_TESTS_UNIT_PLAN_MAKER_H

#include "rekey/plan/plan.h"

/* In the order of the spec; Item is Contract's child. */
enum { CONTRACT, CONFIG, ITEM, ENTITIES };

/* The plan of node `number`, from 1: registered, in phase dual_write, with changes. The spec asks
 * for so many approvals, of `approver` alone when that is not NULL. */
rk_plan *make_plan(unsigned number, unsigned approvals, const rk_public_key *approver);

/* Computes the hash anew after a change. */
void rehash(rk_plan *plan);

/* The whole of the plans of node-1 to node-`count`. */
rk_plan *make_whole(unsigned count, unsigned approvals, const rk_public_key *approver);

/* A temporary folder that the program works in until it is left. */
void enter_folder(void);
void leave_folder(const char *const *names, size_t count);

#endif

/* process.h: this process as the holder of a lease, and whether the holder of one is alive.
 *
 * The engine is handed an rk_actor; programs make theirs here. A process is told apart from a later
 * one of the same number by its start time.
 * Source: proc(5), /proc/PID/stat fields 3 and 22.
 */
#ifndef REKEY_ENGINE_PROCESS_H
#define REKEY_ENGINE_PROCESS_H

#include "rekey/engine/lease.h"

/* `command` is what people read about it. The name for the audit log is USER@HOST PID. */
void rk_actor_of_process(const char *command, rk_actor *out);

/* Scanner threads of a run on this machine: one less than the processors, at least one, at most
 * four. The writer needs one itself. */
uint32_t rk_process_workers(void);

#endif

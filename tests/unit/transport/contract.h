/* contract.h: transport.h as tests, for any backend.
 *
 * A backend's test says how to open a transport and where to listen, and runs the suites:
 *
 *     return contract_run("inproc", &backend) + contract_run_threads("inproc", &backend) +
 *            contract_run_shutdowns("inproc", &backend);
 */
#ifndef REKEY_TESTS_TRANSPORT_CONTRACT_H
#define REKEY_TESTS_TRANSPORT_CONTRACT_H

#include "service.h"

typedef struct contract_backend {
    rk_status (*open)(const rk_transport_limits *limits, rk_transport **out, rk_error *err);
    const char *url;                              /* to listen at; may have a port 0 */
    bool (*stuck)(const rk_transport *transport); /* NULL where nothing can be */
} contract_backend;

/* Each test of the suites works on one of these. */
typedef struct contract_fixture {
    const contract_backend *backend;
    rk_transport *transport; /* with service_limits() */
    rk_server *server;       /* at backend->url */
    rk_caller *caller;       /* of that server */
} contract_fixture;

/* Run the suites; the number of failed tests. */
int contract_run(const char *name, const contract_backend *backend);
int contract_run_threads(const char *name, const contract_backend *backend);
int contract_run_shutdowns(const char *name, const contract_backend *backend);

/* Runs tests on a fixture, made and closed for each. */
struct CMUnitTest;
int contract_run_tests(const char *name, struct CMUnitTest *tests, size_t count,
                       const contract_backend *backend);
int contract_setup(void **state);
int contract_teardown(void **state);

/* Another transport with other limits, a server and a caller of it. The fixture's own are closed.
 */
void contract_reopen(contract_fixture *f, const rk_transport_limits *limits);

#endif

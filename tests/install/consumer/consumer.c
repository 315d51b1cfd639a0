/* An application outside the tree: puts, gets and lists one record, and says which library it has.
 *     consumer LOCATION
 */
#include <rekey/client.h>
#include <rekey/version.h>

#include <stdio.h>

/* Also the name of a function that librekey keeps to itself: neither may get the other's. */
int rk_store_close(const char *store);

int rk_store_close(const char *store)
{
    return printf("closed %s\n", store);
}

static int fail(const char *what, const rk_error *err)
{
    fprintf(stderr, "consumer: %s: %s\n", what, err->message);
    return 1;
}

static int list(rk_client *client, const rk_scope *scope)
{
    rk_error err = {0};
    rk_iterator *iterator = NULL;
    rk_row row;
    rk_status status = rk_client_list(client, scope, "Contract", NULL, &iterator, &err);
    while (status == RK_OK && (status = rk_iterator_next(iterator, &row, &err)) == RK_OK)
        printf("listed %s %.*s\n", row.ids[0].name, (int)row.ids[0].value.len,
               (const char *)row.ids[0].value.ptr);
    rk_iterator_close(iterator);
    return status == RK_NOT_FOUND ? 0 : fail("list", &err);
}

static int use(rk_client *client)
{
    rk_error err = {0};
    rk_scope scope = {rk_slice_str("acme"), RK_SLICE_LITERAL("PRODUS")};
    rk_id id = {"contract_id", rk_slice_str("c-17")};
    rk_slice value = RK_SLICE_LITERAL("{\"capsule_id\":\"PRODUS\",\"amount\":1200}");
    rk_value got = {0};
    if (rk_client_put(client, &scope, "Contract", &id, 1, value, &err) != RK_OK)
        return fail("put", &err);
    if (rk_client_get(client, &scope, "Contract", &id, 1, &got, &err) != RK_OK)
        return fail("get", &err);
    printf("got %.*s\n", (int)got.bytes.len, (const char *)got.bytes.ptr);
    rk_value_fini(&got);
    return list(client, &scope);
}

int main(int argc, char **argv)
{
    rk_client *client = NULL;
    rk_error err = {0};
    if (argc != 2)
        return 64;
    printf("built with %s, runs with %s\n", RK_VERSION, rk_version());
    if (rk_client_open(argv[1], NULL, &client, &err) != RK_OK)
        return fail("open", &err);
    int code = use(client);
    rk_client_close(client);
    rk_store_close(argv[1]);
    return code;
}

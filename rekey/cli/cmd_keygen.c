/* cmd_keygen.c: a key pair for approvals. */
#include "rekey/cli/commands.h"

#include "rekey/crypto/crypto.h"

typedef struct keygen_options {
    const char *out;
} keygen_options;

static const rk_opt opts[] = {
    {"out", 'o', RK_OPT_STRING, "KEY", "write the secret key here, the public one to KEY.pub", true,
     offsetof(keygen_options, out)},
};

static const rk_syntax syntax = {
    .name = "keygen",
    .summary = "Makes an Ed25519 key pair, for approving plans or for a cluster. Overwrites "
               "nothing.",
    .examples = "rekey keygen -o alice.key\n"
                "rekey approve move.plan --key alice.key\n",
    .opts = opts,
    .opt_count = RK_COUNT(opts),
    .notes = "KEY stays with its owner: mode 0600, and refused in any other. KEY.pub holds the\n"
             "public key as 64 hex digits, as the spec's `approvers`, a cluster file and the\n"
             "authorized keys list it.\n",
};

int rk_cmd_keygen(rk_cli *cli, int argc, char **argv)
{
    keygen_options options = {0};
    int code = RK_EXIT_DONE;
    if (!rk_cli_parse(cli, &syntax, argc, argv, &options, &code))
        return code;

    rk_secret_key key;
    rk_error err = {0};
    rk_key_generate(&key);
    rk_status status = rk_key_files_write(options.out, &key, &err);
    char hex[2 * RK_PUBLIC_KEY_BYTES + 1];
    rk_hex(rk_slice_of(key.public_key.bytes, RK_PUBLIC_KEY_BYTES), hex);
    rk_secret_key_wipe(&key);
    if (status == RK_CONFLICT)
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err,
                           "keys are never overwritten; give another name");
    if (status != RK_OK)
        return rk_cli_fail(cli, RK_EXIT_FAILED, &err, NULL);
    rk_cli_print(cli, "%s", hex);
    rk_cli_note(cli, "wrote the secret key %s and the public key %s.pub", options.out, options.out);
    return RK_EXIT_DONE;
}

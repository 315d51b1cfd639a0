#include "transport/url.h"

#include <assert.h>

/* Texts are cut in messages: an url is at most this long in one. */
#define SHOWN 200

static rk_status refuse(const char *text, const char *why, rk_error *err)
{
    return rk_error_set(err, RK_INVALID, "url \"%.*s\": %s", SHOWN, text, why);
}

/* The scheme is no word of ours: which, and why not. */
static rk_status refuse_scheme(const char *text, rk_error *err)
{
    static const struct {
        const char *prefix;
        const char *why;
    } known[] = {
        {"ws://", "websockets are not supported; use tcp://HOST:PORT"},
        {"wss://", "websockets are not supported; use tcp://HOST:PORT"},
        {"tls+tcp://", "tls is not supported; rekey encrypts its sessions itself over tcp://"},
        {"tcp4://", "use tcp://HOST:PORT with an IPv4 address"},
        {"tcp6://", "use tcp://[ADDRESS]:PORT"},
        {"unix://", "use ipc://PATH"},
        {"abstract://", "abstract sockets have no permissions; use ipc://PATH"},
        {"inproc://", "reaches this process only; use tcp://HOST:PORT or ipc://PATH"},
        {"http://", "not a web address; use tcp://HOST:PORT or ipc://PATH"},
        {"https://", "not a web address; use tcp://HOST:PORT or ipc://PATH"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(text, known[i].prefix, strlen(known[i].prefix)) == 0)
            return refuse(text, known[i].why, err);
    return refuse(text, "must be tcp://HOST:PORT or ipc://PATH", err);
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_byte(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (lower >= 'a' && lower <= 'z') || is_digit(c) || c == '.' || c == '-' || c == '_';
}

static bool is_ipv6_byte(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return (lower >= 'a' && lower <= 'f') || is_digit(c) || c == ':' || c == '.';
}

static bool all(rk_slice s, bool (*is)(uint8_t))
{
    for (size_t i = 0; i < s.len; i++)
        if (!is(s.ptr[i]))
            return false;
    return s.len > 0;
}

static bool host_valid(rk_slice host)
{
    if (host.len > RK_URL_HOST_BYTES_MAX)
        return false;
    if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        return all(rk_slice_of(host.ptr + 1, host.len - 2), is_ipv6_byte);
    return all(host, is_name_byte);
}

/* One to five digits, up to 65535; -1 for anything else. */
static int32_t port_of(const char *digits)
{
    size_t len = strlen(digits);
    int32_t port = 0;
    if (len < 1 || len > 5)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit((uint8_t)digits[i]))
            return -1;
        port = port * 10 + (digits[i] - '0');
    }
    return port <= UINT16_MAX ? port : -1;
}

static rk_status parse_tcp(const char *text, const char *rest, rk_url_use use, rk_url *out,
                           rk_error *err)
{
    const char *colon = strrchr(rest, ':');
    if (!colon)
        return refuse(text, "has no port; must be tcp://HOST:PORT", err);
    rk_slice host = rk_slice_of(rest, (size_t)(colon - rest));
    if (host.len == 0 || (host.len == 1 && host.ptr[0] == '*'))
        return refuse(text, "has no host; to listen on all addresses, write 0.0.0.0 or [::]", err);
    if (!host_valid(host))
        return refuse(text, "the host must be a name, an IPv4 address or [an IPv6 address]", err);
    int32_t port = port_of(colon + 1);
    if (port < 0)
        return refuse(text, "the port must be a number up to 65535", err);
    if (port == 0 && use == RK_URL_DIAL)
        return refuse(text, "port 0 can be listened on, but not dialled", err);
    *out = (rk_url){.scheme = RK_URL_TCP, .host = host, .port = (uint16_t)port};
    return RK_OK;
}

static rk_status parse_ipc(const char *text, const char *path, rk_url *out, rk_error *err)
{
    size_t len = strlen(path);
    if (len == 0)
        return refuse(text, "has no path; must be ipc://PATH", err);
    if (path[len - 1] == '/')
        return refuse(text, "the path must name a socket, not a folder", err);
    if (len > RK_URL_PATH_BYTES_MAX)
        return rk_error_set(err, RK_INVALID,
                            "url \"%.*s\": the path has %zu bytes; a socket's has at most %d",
                            SHOWN, text, len, RK_URL_PATH_BYTES_MAX);
    *out = (rk_url){.scheme = RK_URL_IPC, .path = path};
    return RK_OK;
}

rk_status rk_url_parse(const char *text, rk_url_use use, rk_url *out, rk_error *err)
{
    assert(text && out);
    if (strncmp(text, "tcp://", 6) == 0)
        return parse_tcp(text, text + 6, use, out, err);
    if (strncmp(text, "ipc://", 6) == 0)
        return parse_ipc(text, text + 6, out, err);
    return refuse_scheme(text, err);
}

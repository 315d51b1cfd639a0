#include "rekey/remote/limits.h"

#include "transport/secure.h"

rk_transport_limits rk_remote_limits(void)
{
    rk_transport_limits limits = RK_TRANSPORT_LIMITS_DEFAULT;
    limits.message_bytes_max = RK_REMOTE_MESSAGE_BYTES_MAX;
    limits.exchanges_max = RK_REMOTE_EXCHANGES_MAX;
    return limits;
}

size_t rk_remote_plaintext_bytes_max(size_t message_bytes_max)
{
    if (message_bytes_max < RK_REMOTE_MESSAGE_BYTES_MIN)
        return 0;
    size_t room = message_bytes_max - RK_SECURE_OVERHEAD_BYTES;
    return room < RK_SECURE_PLAINTEXT_BYTES_MAX ? room : RK_SECURE_PLAINTEXT_BYTES_MAX;
}

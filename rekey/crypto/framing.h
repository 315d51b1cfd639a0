/* framing.h: the bytes around what is hashed or signed. Private to rekey/crypto.
 *
 * u32 length + tag, then u64 length + bytes for each part, little-endian: no two lists of parts
 * give the same bytes, and nothing signed for one purpose serves another.
 */
#ifndef REKEY_CRYPTO_FRAMING_H
#define REKEY_CRYPTO_FRAMING_H

#include <rekey/slice.h>

typedef void rki_absorb(void *state, const uint8_t *bytes, size_t len);

void rki_frame_domain(const char *domain, rki_absorb *absorb, void *state);
void rki_frame_part(rk_slice part, rki_absorb *absorb, void *state);

#endif

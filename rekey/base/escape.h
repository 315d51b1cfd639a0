/* escape.h: bytes as text that terminals, logs and JSON can carry. */
#ifndef REKEY_BASE_ESCAPE_H
#define REKEY_BASE_ESCAPE_H

#include <rekey/slice.h>

/* Bytes for a terminal: controls and what is not UTF-8 become \xNN, the rest stays. Ends with NUL
 * and never splits a character; returns how many bytes of the input fitted (out_bytes >= 8). */
size_t rk_text_escape(rk_slice bytes, char *out, size_t out_bytes);

#endif

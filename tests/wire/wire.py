"""The wire protocol of specs/wire.md, written from that page alone.

Hashes are hashlib's; curves and ciphers are PyNaCl's. Nothing here is shared with the C code but
the page. Both ends are plain functions of their secrets, so that a whole session is computed from
fixed ones.
"""
import hashlib
import struct
from nacl import bindings

VERSION = 1
HELLO, ANSWER, FRAME, REFUSAL = 1, 2, 3, 4
OPERATOR, COORDINATOR, NODE, CLIENT = 1, 2, 3, 4
FROM_INITIATOR, FROM_RESPONDER = 1, 2
OVERHEAD = 50


class Refused(Exception):
    """A message that is not what must come next."""


class Party:
    """One end: its identity, its nonce and the key that it made for this session."""

    def __init__(self, role, seed, nonce, ephemeral_secret):
        self.role = role
        self.identity, self.identity_secret = bindings.crypto_sign_seed_keypair(seed)
        self.nonce = nonce
        self.ephemeral_secret = ephemeral_secret
        self.ephemeral = bindings.crypto_scalarmult_base(ephemeral_secret)


# --- what is hashed and signed

def framed(domain, *parts):
    name = domain.encode()
    out = struct.pack("<I", len(name)) + name
    for part in parts:
        out += struct.pack("<Q", len(part)) + part
    return out


def digest(domain, *parts):
    return hashlib.blake2b(framed(domain, *parts), digest_size=32).digest()


def sign(secret, domain, message):
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, framed(domain, message))
    return bindings.crypto_sign_ed25519ph_final_create(state, secret)


def check_signature(public, domain, message, signature):
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, framed(domain, message))
    try:
        bindings.crypto_sign_ed25519ph_final_verify(state, signature, public)
    except Exception as error:
        raise Refused("a wrong signature") from error


def transcript(context, initiator, responder):
    return digest("rekey wire v1 transcript", struct.pack("<I", VERSION), context,
                  bytes([initiator.role]), bytes([responder.role]),
                  initiator.identity, responder.identity, initiator.nonce, responder.nonce,
                  initiator.ephemeral, responder.ephemeral)


def traffic_keys(own_secret, other_public, initiator_public, responder_public):
    """The key from initiator to responder, and the one back."""
    shared = bindings.crypto_scalarmult(own_secret, other_public)
    keys = hashlib.blake2b(shared + initiator_public + responder_public, digest_size=64).digest()
    return keys[32:], keys[:32]


# --- messages

def header(kind):
    return b"RKEY" + struct.pack("<IB", VERSION, kind)


def hello(initiator, context):
    return (header(HELLO) + bytes([initiator.role, NODE]) + initiator.identity + initiator.nonce
            + initiator.ephemeral + struct.pack("<I", len(context)) + context)


def answer(initiator, responder, hashed):
    signature = sign(responder.identity_secret, "rekey wire v1 responder", hashed)
    return (header(ANSWER) + bytes([initiator.role, responder.role]) + responder.identity
            + responder.nonce + responder.ephemeral + signature)


def frame_header(session, direction, counter):
    return header(FRAME) + session + struct.pack("<BQ", direction, counter)


def frame_nonce(direction, counter):
    return struct.pack("<QB", counter, direction) + bytes(15)


def seal(key, session, direction, counter, plaintext):
    bound = frame_header(session, direction, counter)
    return bound + bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        plaintext, bound, frame_nonce(direction, counter), key)


def unseal(key, session, direction, counter, message):
    """The plaintext of the one frame that may come next."""
    bound = frame_header(session, direction, counter)
    if len(message) < OVERHEAD or message[:len(bound)] != bound:
        raise Refused("not the frame that was to come")
    try:
        return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            message[len(bound):], bound, frame_nonce(direction, counter), key)
    except Exception as error:
        raise Refused("an altered frame") from error

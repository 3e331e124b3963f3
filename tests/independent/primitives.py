"""BLAKE3 from its paper and HPKE (DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305) from RFC 9180, on the
primitives of the package cryptography: what the second implementations of sealed messages share.
"""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

# BLAKE3: derive_key mode, one output block.
IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
CHUNK_START, CHUNK_END, PARENT, ROOT = 1, 2, 4, 8
DERIVE_CONTEXT, DERIVE_MATERIAL = 32, 64


def rotate(value, bits):
    return (value >> bits | value << (32 - bits)) & 0xFFFFFFFF


def compress(chaining, block, counter, length, flags):
    words = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    state = [*chaining, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, length, flags]

    def mix(a, b, c, d, x, y):
        state[a] = (state[a] + state[b] + x) & 0xFFFFFFFF
        state[d] = rotate(state[d] ^ state[a], 16)
        state[c] = (state[c] + state[d]) & 0xFFFFFFFF
        state[b] = rotate(state[b] ^ state[c], 12)
        state[a] = (state[a] + state[b] + y) & 0xFFFFFFFF
        state[d] = rotate(state[d] ^ state[a], 8)
        state[c] = (state[c] + state[d]) & 0xFFFFFFFF
        state[b] = rotate(state[b] ^ state[c], 7)

    for _ in range(7):
        for column in range(4):
            mix(column, 4 + column, 8 + column, 12 + column, words[2 * column], words[2 * column + 1])
        for turn in range(4):
            mix(
                turn,
                4 + (turn + 1) % 4,
                8 + (turn + 2) % 4,
                12 + (turn + 3) % 4,
                words[8 + 2 * turn],
                words[9 + 2 * turn],
            )
        words = [words[place] for place in ORDER]
    return [state[i] ^ state[i + 8] for i in range(8)] + [state[i + 8] ^ chaining[i] for i in range(8)]


def chunk(key, data, counter, flags):
    """The last compression of a chunk, not yet done."""
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
    chaining = list(key)
    for place, block in enumerate(blocks):
        marks = flags | (CHUNK_START if place == 0 else 0)
        if place == len(blocks) - 1:
            return chaining, block, counter, len(block), marks | CHUNK_END
        chaining = compress(chaining, block, counter, 64, marks)[:8]
    raise AssertionError


def tree(key, data, first, flags):
    """The last compression of a tree over the chunks from number `first`."""
    chunks = max(1, -(-len(data) // 1024))
    if chunks == 1:
        return chunk(key, data, first, flags)
    left = 1 << (chunks - 1).bit_length() - 1
    halves = [(data[: left * 1024], first), (data[left * 1024 :], first + left)]
    children = [compress(*tree(key, half, at, flags))[:8] for half, at in halves]
    return list(key), struct.pack("<16I", *children[0], *children[1]), 0, 64, flags | PARENT


def blake3(key, data, flags):
    chaining, block, counter, length, marks = tree(key, data, 0, flags)
    return struct.pack("<8I", *compress(chaining, block, counter, length, marks | ROOT)[:8])


def b3(context, data):
    key = struct.unpack("<8I", blake3(IV, context.encode(), DERIVE_CONTEXT))
    return blake3(key, data, DERIVE_MATERIAL)


# HPKE, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305 (RFC 9180).
KEM = b"KEM" + struct.pack(">H", 0x0020)
SUITE = b"HPKE" + struct.pack(">HHH", 0x0020, 0x0001, 0x0003)


def extract(salt, material):
    return hmac.new(salt or bytes(32), material, hashlib.sha256).digest()


def expand(key, info, length):
    out, block, count = b"", b"", 1
    while len(out) < length:
        block = hmac.new(key, block + info + bytes([count]), hashlib.sha256).digest()
        out, count = out + block, count + 1
    return out[:length]


def labeled_extract(suite, salt, label, material):
    return extract(salt, b"HPKE-v1" + suite + label + material)


def labeled_expand(suite, key, label, info, length):
    return expand(key, struct.pack(">H", length) + b"HPKE-v1" + suite + label + info, length)


def derive_key_pair(seed):
    secret = labeled_expand(KEM, labeled_extract(KEM, b"", b"dkp_prk", seed), b"sk", b"", 32)
    return X25519PrivateKey.from_private_bytes(secret)


def public(secret):
    return secret.public_key().public_bytes_raw()


def schedule(info, shared, enc, recipient):
    """Key and nonce of the one message."""
    secret = labeled_extract(KEM, b"", b"eae_prk", shared)
    secret = labeled_expand(KEM, secret, b"shared_secret", enc + recipient, 32)
    context = b"\0" + labeled_extract(SUITE, b"", b"psk_id_hash", b"")
    context += labeled_extract(SUITE, b"", b"info_hash", info)
    secret = labeled_extract(SUITE, secret, b"secret", b"")
    return tuple(labeled_expand(SUITE, secret, label, context, n) for label, n in [(b"key", 32), (b"base_nonce", 12)])


def hpke_seal(info, ephemeral, recipient, plaintext, aad):
    """`enc || ciphertext`."""
    enc = public(ephemeral)
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    key, nonce = schedule(info, shared, enc, recipient)
    return enc + ChaCha20Poly1305(key).encrypt(nonce, plaintext, aad)


def hpke_open(info, secret, sealed, aad):
    enc, ciphertext = sealed[:32], sealed[32:]
    shared = secret.exchange(X25519PublicKey.from_public_bytes(enc))
    key, nonce = schedule(info, shared, enc, public(secret))
    return ChaCha20Poly1305(key).decrypt(nonce, ciphertext, aad)


def lp(text):
    return struct.pack(">H", len(text.encode())) + text.encode()

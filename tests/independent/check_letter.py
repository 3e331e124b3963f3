#!/usr/bin/env python3
"""Holds tests/vectors/letter-v1.json against a second implementation of letters (docs/PROTOCOL.md, P190 to P192), written
from RFC 9180 and the BLAKE3 paper on the primitives of the package cryptography.

`check_letter.py` checks the file, `check_letter.py --write` makes it anew. Exit status 0 and a count, or 1.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "letter-v1.json"
CONTEXT = b"tacit/v1/letter"
SIZES = [4096, 16384, 65536]

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


def schedule(shared, enc, recipient):
    """Key and nonce of the one message."""
    secret = labeled_extract(KEM, b"", b"eae_prk", shared)
    secret = labeled_expand(KEM, secret, b"shared_secret", enc + recipient, 32)
    context = b"\0" + labeled_extract(SUITE, b"", b"psk_id_hash", b"")
    context += labeled_extract(SUITE, b"", b"info_hash", CONTEXT)
    secret = labeled_extract(SUITE, secret, b"secret", b"")
    return tuple(labeled_expand(SUITE, secret, label, context, n) for label, n in [(b"key", 32), (b"base_nonce", 12)])


def wrap(ephemeral, recipient, key, aad):
    enc = public(ephemeral)
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(recipient))
    wrapping, nonce = schedule(shared, enc, recipient)
    return enc + ChaCha20Poly1305(wrapping).encrypt(nonce, key, aad)


def unwrap(secret, wrapped, aad):
    enc, sealed = wrapped[:32], wrapped[32:]
    wrapping, nonce = schedule(secret.exchange(X25519PublicKey.from_public_bytes(enc)), enc, public(secret))
    return ChaCha20Poly1305(wrapping).decrypt(nonce, sealed, aad)


# Letters.


def lp(text):
    return struct.pack(">H", len(text)) + text.encode()


def envelope(case):
    return CONTEXT + lp(case["sender"]) + lp(case["member"]) + bytes.fromhex(case["pseudonym"])


def wraps(case, check):
    names = [recipient["id"] for recipient in case["recipients"]]
    return envelope(case) + bytes([len(names)]) + b"".join(map(lp, names)) + check


def seal(case):
    content, key = case["content"].encode(), bytes.fromhex(case["key"])
    signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["signing_seed"]))
    length = struct.pack(">I", len(content))
    body = signing.sign(envelope(case) + length + content) + length + content
    body = body.ljust(next(size for size in SIZES if size >= len(body)), b"\0")
    check = b3("tacit v1 letter key", key)
    head = bytes([1, len(case["recipients"])])
    for recipient in case["recipients"]:
        secret = derive_key_pair(bytes.fromhex(recipient["seed"]))
        ephemeral = derive_key_pair(bytes.fromhex(recipient["ephemeral_seed"]))
        wrapped = wrap(ephemeral, public(secret), key, wraps(case, check) + lp(recipient["id"]))
        head += lp(recipient["id"]) + wrapped
    head += check
    return head + ChaCha20Poly1305(key).encrypt(bytes(12), body, envelope(case) + head)


def open_letter(case, sealed, recipient, seed):
    """What a recipient reads; an exception when it is nothing."""
    assert sealed[0] == 1
    at, found = 2, None
    for _ in range(sealed[1]):
        length = struct.unpack(">H", sealed[at : at + 2])[0]
        name = sealed[at + 2 : at + 2 + length].decode()
        at += 2 + length
        if name == recipient:
            found = sealed[at : at + 80]
        at += 80
    check, head, body = sealed[at : at + 32], sealed[: at + 32], sealed[at + 32 :]
    key = unwrap(derive_key_pair(bytes.fromhex(seed)), found, wraps(case, check) + lp(recipient))
    assert b3("tacit v1 letter key", key) == check
    plain = ChaCha20Poly1305(key).decrypt(bytes(12), body, envelope(case) + head)
    length = struct.unpack(">I", plain[64:68])[0]
    content = plain[68 : 68 + length]
    assert len(plain) in SIZES and not any(plain[68 + length :])
    signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["signing_seed"])).public_key()
    signing.verify(plain[:64], envelope(case) + struct.pack(">I", length) + content)
    return content.decode()


def make():
    def seed(label):
        return hashlib.sha256(label.encode()).hexdigest()

    def recipient(name):
        return {"id": name, "seed": seed(f"letters of {name}"), "ephemeral_seed": seed(f"ephemeral for {name}")}

    def case(sender, member, recipients, content):
        made = {
            "sender": sender,
            "member": member,
            "pseudonym": seed(f"pseudonym of {member}"),
            "signing_seed": seed(f"signing of {sender}"),
            "recipients": [recipient(name) for name in recipients],
            "key": seed(f"key of {sender} to {member}"),
            "content": content,
        }
        sealed = seal(made)
        for it in made["recipients"]:
            it["public"] = public(derive_key_pair(bytes.fromhex(it["seed"]))).hex()
        return made | {"hash": b3("tacit v1 letter", sealed).hex(), "sealed": sealed.hex()}

    return {
        "protocol": "tacit/v1",
        "letters": [
            case("court", "court", ["chamber", "portal"], "You are listed as of 2026-12-01."),
            case("portal", "court", ["court"], "I have paid. " * 400),
        ],
    }


def check(letters):
    checks = 0

    def expect(condition, what):
        nonlocal checks
        checks += 1
        if not condition:
            raise SystemExit(f"DIFFERS: {what}")

    # As the paper has it.
    expect(blake3(IV, b"", 0).hex().startswith("af1349b9f5f9a1a6a0404dea36dcc949"), "BLAKE3 of nothing")
    for number, case in enumerate(letters):
        sealed = bytes.fromhex(case["sealed"])
        expect(seal(case) == sealed, f"letters[{number}].sealed")
        expect(b3("tacit v1 letter", sealed).hex() == case["hash"], f"letters[{number}].hash")
        for it in case["recipients"]:
            said = open_letter(case, sealed, it["id"], it["seed"])
            expect(said == case["content"], f"letters[{number}] as {it['id']} opens it")
            for place in (0, 5, len(sealed) // 2, len(sealed) - 1):
                altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
                try:
                    open_letter(case, altered, it["id"], it["seed"])
                    opened = True
                except (AssertionError, InvalidSignature, InvalidTag, TypeError, IndexError, UnicodeDecodeError):
                    opened = False
                expect(not opened, f"letters[{number}] with byte {place} altered")
    print(f"letters: {checks} checks hold")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        VECTORS.write_text(json.dumps(make(), indent=2) + "\n")
    check(json.loads(VECTORS.read_text())["letters"])

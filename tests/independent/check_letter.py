#!/usr/bin/env python3
"""Holds tests/vectors/letter-v1.json against a second implementation of letters (docs/PROTOCOL.md, P190 to P192), written
from RFC 9180 and the BLAKE3 paper on the primitives of the package cryptography.

`check_letter.py` checks the file, `check_letter.py --write` makes it anew. Exit status 0 and a count, or 1.
"""

import hashlib
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from primitives import IV, b3, blake3, derive_key_pair, hpke_open, hpke_seal, lp, public

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "letter-v1.json"
CONTEXT = b"tacit/v1/letter"
SIZES = [4096, 16384, 65536]

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
        wrapped = hpke_seal(CONTEXT, ephemeral, public(secret), key, wraps(case, check) + lp(recipient["id"]))
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
    key = hpke_open(CONTEXT, derive_key_pair(bytes.fromhex(seed)), found, wraps(case, check) + lp(recipient))
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

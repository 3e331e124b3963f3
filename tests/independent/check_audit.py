#!/usr/bin/env python3
"""Holds tests/vectors/audit-v1.json against a second implementation of what auditors sign, commit to and are handed
(docs/PROTOCOL.md, P228 to P230 and P234), written from RFC 8032, RFC 9180 and the BLAKE3 paper.

`check_audit.py` checks the file, `check_audit.py --write` makes it anew. Exit status 0 and a count, or 1.
"""

import hashlib
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from primitives import b3, derive_key_pair, hpke_open, hpke_seal, lp, public

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "audit-v1.json"
EVIDENCE = b"tacit/v1/case-evidence"
PLAINTEXT = 2000


def seed(label):
    return hashlib.sha256(label.encode()).hexdigest()


def sign(case, message):
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(case["signing_seed"])).sign(message).hex()


def request(case):
    ground = b3("tacit v1 box ground", bytes.fromhex(case["salt"]) + case["ground"].encode())
    message = b"tacit/v1/box-request" + lp(case["about"]) + lp(case["ground"])
    return {"commitment": ground.hex(), "signature": sign(case, message)}


def approval(case):
    inner = bytes.fromhex(case["inner"])
    message = b"tacit/v1/box-approval" + lp(case["opening"]) + bytes.fromhex(case["register_hash"])
    return {"signature": sign(case, message + struct.pack(">I", len(inner)) + inner)}


def demanded(case):
    return lp(case["demand"]) + lp(case["about"])


def evidence(case):
    said = bytes.fromhex(case["salt"]) + lp(case["case"]) + lp(case["officer"])
    auditor = derive_key_pair(bytes.fromhex(case["seed"]))
    ephemeral = derive_key_pair(bytes.fromhex(case["ephemeral_seed"]))
    sealed = hpke_seal(EVIDENCE, ephemeral, public(auditor), said.ljust(PLAINTEXT, b"\0"), demanded(case))
    return {
        "matter": b3("tacit v1 matter", said).hex(),
        "public": public(auditor).hex(),
        "sealed": sealed.hex(),
    }


KINDS = {"request": request, "approval": approval, "evidence": evidence}


def make():
    cases = {
        "request": {
            "about": "01JD9Q0V7R8S9T0V1W2X3Y4Z56",
            "ground": "sample of November",
            "salt": seed("salt of the ground"),
            "signing_seed": seed("signing of auditor-a"),
        },
        "approval": {
            "opening": "01JD9Q0V7R8S9T0V1W2X3Y4Z57",
            "register_hash": seed("a registration"),
            "inner": (bytes.fromhex(seed("an inner box")) * 18)[:560].hex(),
            "signing_seed": seed("signing of auditor-b"),
        },
        "evidence": {
            "demand": "01JD9Q0V7R8S9T0V1W2X3Y4Z58",
            "about": "01JD9Q0V7R8S9T0V1W2X3Y4Z56",
            "case": "PROC-2026-0311",
            "officer": "李明",
            "salt": seed("salt of a matter"),
            "seed": seed("box key of auditor-a"),
            "ephemeral_seed": seed("ephemeral for auditor-a"),
        },
    }
    return {"protocol": "tacit/v1"} | {kind: case | KINDS[kind](case) for kind, case in cases.items()}


def check(vectors):
    checks = 0

    def expect(condition, what):
        nonlocal checks
        checks += 1
        if not condition:
            raise SystemExit(f"DIFFERS: {what}")

    for kind, computed in KINDS.items():
        for field, value in computed(vectors[kind]).items():
            expect(vectors[kind][field] == value, f"{kind}.{field}")
    case = vectors["evidence"]
    secret, sealed = derive_key_pair(bytes.fromhex(case["seed"])), bytes.fromhex(case["sealed"])
    expect(len(sealed) == PLAINTEXT + 48, "evidence.sealed has another length")
    expect(hpke_open(EVIDENCE, secret, sealed, demanded(case))[:32].hex() == case["salt"], "evidence opens")
    for place in (0, 40, len(sealed) - 1):
        altered = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
        try:
            hpke_open(EVIDENCE, secret, altered, demanded(case))
            opened = True
        except InvalidTag:
            opened = False
        expect(not opened, f"evidence.sealed with byte {place} altered")
    print(f"audit: {checks} checks hold")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        VECTORS.write_text(json.dumps(make(), indent=2, ensure_ascii=False) + "\n")
    check(json.loads(VECTORS.read_text()))

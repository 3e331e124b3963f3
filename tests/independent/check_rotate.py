#!/usr/bin/env python3
"""Holds tests/vectors/rotate-v1.json against a second implementation of the proof of rotation (docs/PROTOCOL.md, section
on rotation), written from RFC 9496 and RFC 9380 with nothing but Python's integers and hashlib.

`check_rotate.py` checks the file, `check_rotate.py --write` makes it anew. Exit status 0 and a count, or 1.
"""

import hashlib
import json
import pathlib
import sys

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "rotate-v1.json"

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def is_negative(x):
    return x % P & 1


def absolute(x):
    return P - x % P if is_negative(x) else x % P


def sqrt_ratio(u, v):
    """RFC 9496, 4.2."""
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P) % P, (P - 5) // 8, P) % P
    check = v * r * r % P
    correct, flipped, flipped_i = check == u % P, check == -u % P, check == -u * SQRT_M1 % P
    if flipped or flipped_i:
        r = SQRT_M1 * r % P
    return correct or flipped, absolute(r)


INVSQRT_A_MINUS_D = sqrt_ratio(1, (-1 - D) % P)[1]


def decode(data):
    """RFC 9496, 4.3.1: a point, or None."""
    s = int.from_bytes(data, "little")
    if len(data) != 32 or s >= P or is_negative(s):
        return None
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-(D * u1 * u1) - u2 * u2) % P
    square, invsqrt = sqrt_ratio(1, v * u2 * u2 % P)
    den_x = invsqrt * u2 % P
    den_y = invsqrt * den_x * v % P
    x = absolute(2 * s * den_x)
    y = u1 * den_y % P
    t = x * y % P
    if not square or is_negative(t) or y == 0:
        return None
    return x, y, 1, t


def encode(point):
    """RFC 9496, 4.3.2."""
    x0, y0, z0, t0 = point
    u1, u2 = (z0 + y0) * (z0 - y0) % P, x0 * y0 % P
    _, invsqrt = sqrt_ratio(1, u1 * u2 * u2 % P)
    den1, den2 = invsqrt * u1 % P, invsqrt * u2 % P
    z_inv = den1 * den2 * t0 % P
    if is_negative(t0 * z_inv):
        x, y, den_inv = y0 * SQRT_M1 % P, x0 * SQRT_M1 % P, den1 * INVSQRT_A_MINUS_D % P
    else:
        x, y, den_inv = x0, y0, den2
    if is_negative(x * z_inv):
        y = -y % P
    return absolute(den_inv * (z0 - y)).to_bytes(32, "little")


def add(a, b):
    """Twisted Edwards, a = -1, extended coordinates."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    aa, bb = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    cc, dd = 2 * D * t1 * t2 % P, 2 * z1 * z2 % P
    e, f, g, h = bb - aa, dd - cc, dd + cc, bb + aa
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    for bit in bin(scalar % L)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, point)
    return result


GENERATOR = decode(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))


def expand_message_xmd(message, dst, size=64):
    """RFC 9380, 5.3.1, with SHA-512."""
    prime = dst + bytes([len(dst)])
    first = hashlib.sha512(bytes(128) + message + size.to_bytes(2, "big") + b"\0" + prime).digest()
    return hashlib.sha512(first + b"\1" + prime).digest()[:size]


def lp(text):
    return len(text).to_bytes(2, "big") + text.encode()


def transcript(case):
    parts = [b"tacit/v1/rotate", lp(case["custodian"]), lp(case["coordinator"]), lp(case["requester"])]
    parts.append(bytes.fromhex(case["blinded_subject"]))
    for side in (case["from"], case["to"]):
        parts += [side["epoch"].to_bytes(4, "big"), bytes.fromhex(side["evaluated"]), bytes.fromhex(side["pseudonym"])]
    return b"".join(parts)


def challenge(case, first, second):
    dst = b"HashToScalar-tacit/v1/rotate-ristretto255-SHA512"
    return int.from_bytes(expand_message_xmd(transcript(case) + first + second, dst), "little") % L


def prove(case, z, nonce):
    earlier, later = (decode(bytes.fromhex(case[side]["pseudonym"])) for side in ("from", "to"))
    first, second = encode(multiply(nonce, earlier)), encode(multiply(nonce, later))
    c = challenge(case, first, second)
    return c, first + second + ((nonce + c * z) % L).to_bytes(32, "little")


def verify(case, proof):
    first, second, response = proof[:32], proof[32:64], int.from_bytes(proof[64:], "little")
    if response >= L or case["from"]["epoch"] >= case["to"]["epoch"]:
        return False
    c = challenge(case, first, second)
    for commitment, side in ((first, case["from"]), (second, case["to"])):
        points = [decode(data) for data in (commitment, *(bytes.fromhex(side[k]) for k in ("pseudonym", "evaluated")))]
        if None in points or bytes(32) in (commitment, bytes.fromhex(side["pseudonym"])):
            return False
        commitment, pseudonym, evaluated = points
        if encode(multiply(response, pseudonym)) != encode(add(commitment, multiply(c, evaluated))):
            return False
    return True


def scalar(label):
    return int.from_bytes(hashlib.sha512(b"rotate vectors " + label.encode()).digest(), "little") % L


def little(value):
    return (value % L).to_bytes(32, "little").hex()


def make():
    subject = multiply(scalar("subject"), GENERATOR)
    z, other_z, nonce = scalar("z"), scalar("another z"), scalar("nonce")
    blinded = multiply(z, subject)

    def side(epoch, factor=z, of=blinded):
        key = scalar(f"key {epoch}")
        evaluated = multiply(key, of)
        return {
            "epoch": epoch,
            "secret_key": little(key),
            "evaluated": encode(evaluated).hex(),
            "pseudonym": encode(multiply(pow(factor, L - 2, L), evaluated)).hex(),
        }

    case = {
        "custodian": "custodian",
        "coordinator": "coordinator",
        "requester": "procurement",
        "z": little(z),
        "blinded_subject": encode(blinded).hex(),
        "from": side(3),
        "to": side(7),
        "nonce": little(nonce),
    }
    c, proof = prove(case, z, nonce)
    case["challenge"], case["proof"] = little(c), proof.hex()
    # Other factors, another subject, the parts in another order, a response that is too large: all of them fail.
    moved = dict(case, to=side(7, other_z))
    elsewhere = dict(case, to=side(7, z, multiply(scalar("z"), multiply(scalar("another subject"), GENERATOR))))
    case["invalid_proofs"] = {
        "another_factor": prove(case, other_z, nonce)[1].hex(),
        "made_for_another_pseudonym": prove(moved, z, nonce)[1].hex(),
        "made_for_another_subject": prove(elsewhere, z, nonce)[1].hex(),
        "commitments_swapped": (proof[32:64] + proof[:32] + proof[64:]).hex(),
        "response_not_canonical": (proof[:64] + (int.from_bytes(proof[64:], "little") + L).to_bytes(32, "little")).hex(),
        "commitment_is_the_identity": (bytes(32) + proof[32:]).hex(),
    }
    case["other_pseudonym"] = moved["to"]["pseudonym"]
    return {"protocol": "tacit/v1", "rotate": case}


def check(case):
    checked = 0

    def expect(condition, what):
        nonlocal checked
        checked += 1
        if not condition:
            print(f"FAILED: {what}")
            sys.exit(1)

    z = int.from_bytes(bytes.fromhex(case["z"]), "little")
    blinded = decode(bytes.fromhex(case["blinded_subject"]))
    for side in (case["from"], case["to"]):
        key = int.from_bytes(bytes.fromhex(side["secret_key"]), "little")
        expect(encode(multiply(key, blinded)).hex() == side["evaluated"], "an evaluation")
        pseudonym = decode(bytes.fromhex(side["pseudonym"]))
        expect(encode(multiply(z, pseudonym)).hex() == side["evaluated"], "a pseudonym")
    c, proof = prove(case, z, int.from_bytes(bytes.fromhex(case["nonce"]), "little"))
    expect(little(c) == case["challenge"], "the challenge")
    expect(proof.hex() == case["proof"], "the proof")
    expect(verify(case, proof), "the proof verifies")
    for name, invalid in case["invalid_proofs"].items():
        expect(not verify(case, bytes.fromhex(invalid)), f"{name} is refused")
    moved = dict(case, to=dict(case["to"], pseudonym=case["other_pseudonym"]))
    expect(not verify(moved, proof), "a proof for another pseudonym is refused")
    print(f"{checked} checks of rotation")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        VECTORS.write_text(json.dumps(make(), indent=2) + "\n")
    check(json.loads(VECTORS.read_text())["rotate"])

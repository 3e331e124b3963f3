#!/usr/bin/env python3
"""Holds verify_log.py against the values published with the standards (tests/vectors/c2sp.json).

A verifier that accepts everything would agree with any log, so this comes first. Exit status 0 and a count, or 1.
"""

import base64
import hashlib
import json
import pathlib
import sys

import verify_log as v

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "vectors" / "c2sp.json"
checked = 0


def expect(condition, what):
    global checked
    checked += 1
    if not condition:
        print(f"FAILED: {what}")
        sys.exit(1)


def refused(function, *arguments):
    try:
        function(*arguments)
    except v.Wrong:
        return True
    return False


def merkle(part):
    unhex = bytes.fromhex
    leaves = [v.leaf_hash(unhex(leaf)) for leaf in part["leaves"]]
    roots = [unhex(root) for root in part["roots"]]
    tree = v.Tree(b"".join(leaves))
    expect(tree.root(0) == unhex(part["empty_root"]), "the empty root")
    for size, root in enumerate(roots, 1):
        expect(tree.root(size) == root, f"the root of {size}")
    for case in part["inclusion"]:
        index, size, proof = case["index"], case["size"], [unhex(h) for h in case["proof"]]
        expect(tree.inclusion(index, size) == proof, f"the path of {index} in {size}")
        v.check_inclusion(leaves[index], index, size, proof, roots[size - 1])
        for bad in damaged(proof, roots[size - 1]):
            expect(refused(v.check_inclusion, leaves[index], index, size, bad, roots[size - 1]), "a damaged path")
        for other in (index + 1, index ^ 2):
            expect(refused(v.check_inclusion, leaves[index], other, size, proof, roots[size - 1]), "another index")
    for case in part["consistency"]:
        old, new, proof = case["old"], case["new"], [unhex(h) for h in case["proof"]]
        expect(tree.consistency(old, new) == proof, f"the proof from {old} to {new}")
        v.check_consistency(old, new, roots[old - 1], roots[new - 1], proof)
        for bad in damaged(proof, roots[new - 1]):
            expect(refused(v.check_consistency, old, new, roots[old - 1], roots[new - 1], bad), "a damaged proof")
        if old != new:
            expect(refused(v.check_consistency, old, new, roots[new - 1], roots[old - 1], proof), "swapped roots")
    expect(refused(v.check_inclusion, leaves[0], 0, 0, [], v.EMPTY_ROOT), "inclusion in the empty tree")
    expect(refused(v.check_consistency, 0, 8, v.EMPTY_ROOT, roots[7], []), "consistency with the empty tree")


def damaged(proof, root):
    yield proof + [root]
    yield [root] + proof
    for at, node in enumerate(proof):
        yield proof[:at] + [bytes([node[0] ^ 16]) + node[1:]] + proof[at + 1 :]
        yield proof[:at] + proof[at + 1 :]


def notes(cases):
    for case in cases:
        key = v.Key(case["vkey"])
        note = case["note"].encode()
        text, signatures = v.parse_note(note, "the note")
        expect(text == case["text"], "the text of a note")
        key.verify(text.encode(), v.signature_of(key, signatures, "the note"))
        expect(refused(key.verify, b"x" + text.encode(), signatures[0][2]), "another text")
        # Without its last byte, and with one more, it is no note.
        expect(refused(v.parse_note, note[:-1], "the note"), "a note cut off")
        expect(refused(v.parse_note, note + b"\n", "the note"), "a note with a line more")


def keys(part):
    for vkey in part["notes"]:
        expect(v.Key(vkey).type == v.ED25519, vkey)
    for vkey in part["cosignatures"]:
        expect(v.Key(vkey).type == v.COSIGNATURE, vkey)
    expect(refused(v.Key, part["notes"][0].replace("+af0cfe78+", "+af0cfe79+")), "a wrong key id")


def checkpoints(real, example):
    log, witnesses = v.Key(real["log"]), [v.Key(vkey) for vkey in real["witnesses"]]
    checkpoint = v.Checkpoint(real["note"].encode(), log, witnesses, "the checkpoint")
    expect(checkpoint.size == real["size"], "the size")
    expect(base64.b64encode(checkpoint.root).decode() == real["root"], "the root")
    expect(checkpoint.cosigned == [(w.name, real["time"]) for w in witnesses], "the cosignatures")
    another = real["note"].replace(str(real["size"]), str(real["size"] + 1), 1).encode()
    expect(refused(v.Checkpoint, another, log, witnesses, "the checkpoint"), "another size")
    text, signatures = v.parse_note(example["note"].encode(), "the note")
    name, key_id, signature = signatures[1]
    time = int.from_bytes(signature[:8], "big")
    expect((name, key_id.hex(), time) == (example["witness"], example["witness_key_id"], example["time"]), "the line")
    expect(f"cosignature/v1\ntime {time}\n{text}" == example["message"], "the message of a cosignature")


def tiles(part):
    expect(v.numbered(part["index"], 256) == part["index_path"], "a path")
    expect(v.numbered(part["index"], 112) == part["index_path"] + ".p/112", "a partial path")
    for case in part["trees"]:
        found, level = [], 0
        while case["size"] >> (8 * level):
            row = v.files_of_row(f"tile/{level}", case["size"] >> (8 * level))
            found += [[level, first // 256, width] for _, first, width in row]
            level += 1
        if "tiles" in case:
            expect(found == case["tiles"], "the tiles of a tree")
        else:
            expect([tile for tile in found if tile[2] < 256] == case["partial"], "the partial tiles of a tree")
            full = [sum(1 for tile in found if tile[0] == l and tile[2] == 256) for l in range(len(case["full"]))]
            expect(full == case["full"], "the full tiles of a tree")


def proofs(part):
    for case in part["good"]:
        index, hashes, checkpoint = v.parse_proof(case["file"].encode(), "the file")
        expect(index == case["index"], "the index of a proof file")
        expect(hashes == [hashlib.sha256(w.encode()).digest() for w in case["hashes_of"]], "the hashes of a proof file")
        expect(checkpoint.decode() == case["checkpoint"], "the checkpoint of a proof file")
    for bad in part["bad"]:
        expect(refused(v.parse_proof, bad.encode(), "the file"), bad)


def main():
    vectors = json.loads(VECTORS.read_text("utf-8"))
    merkle(vectors["rfc6962"])
    notes(vectors["signed_note"])
    keys(vectors["verifier_keys"])
    checkpoints(vectors["cosigned_checkpoint"], vectors["cosignature_message"])
    tiles(vectors["tlog_tiles"])
    proofs(vectors["tlog_proof"])
    print(f"{checked} published values and their damaged forms came out as they should")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Verifies an exported log without any code of the project that wrote it.

Written from the published texts alone:

    RFC 6962 section 2.1 and RFC 9162 section 2.1   hashes, inclusion and consistency proofs
    c2sp.org/signed-note                            notes, key ids, verifier keys
    c2sp.org/tlog-checkpoint                        the signed head of a log
    c2sp.org/tlog-cosignature                       cosignatures of witnesses (type 0x04)
    c2sp.org/tlog-tiles                             files, paths, tiles, entry bundles
    c2sp.org/tlog-proof                             proof files

The folder holds

    checkpoint              the signed note
    vkey                    the log's verifier key, one line
    witness-vkeys           optional: verifier keys of witnesses, one a line
    tile/<L>/<N>[.p/<W>]    hash tiles
    tile/entries/<N>[.p/<W>]  entry bundles
    *.tlog-proof            optional: proof files, of entries of this log

and nothing else. A folder with one year of a log has a file `range` beside these,

    tacit-log-range/v1
    year <year, UTC>
    first <index of the year's first entry>
    end <index after its last one>

of the entry bundles those with these entries, of the hash tiles those above them and the partial ones, and no proof
files. What it proves is said in its own words: which entries, and that they are in the signed log. A key that comes with the data proves only that the data agrees with itself: to learn whose
log it is, compare the printed key with one from elsewhere, or give that one with --vkey.

Exit status: 0 verified, 1 not (one line says what is wrong), 2 wrong use of this program.
"""

import argparse
import base64
import binascii
import fnmatch
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

WIDTH = 256
HEIGHT = 8
HASH = 32
ED25519 = 0x01
COSIGNATURE = 0x04
PROOF_HEADER = "c2sp.org/tlog-proof@v1"
RANGE_HEADER = "tacit-log-range/v1"
SAMPLE_SEED = 20261122


class Wrong(Exception):
    """What is wrong with the log, in one line."""


# --- RFC 6962 section 2.1, RFC 9162 section 2.1 ---------------------------------------------------------------


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = hashlib.sha256(b"").digest()


class Tree:
    """All complete subtrees over a list of leaf hashes: rows[h] holds the roots of height h, concatenated."""

    def __init__(self, leaves):
        self.size = len(leaves) // HASH
        self.rows = [bytes(leaves)]
        while len(self.rows[-1]) >= 2 * HASH:
            below = self.rows[-1]
            row = bytearray()
            for at in range(0, len(below) // (2 * HASH) * (2 * HASH), 2 * HASH):
                row += node_hash(below[at : at + HASH], below[at + HASH : at + 2 * HASH])
            self.rows.append(bytes(row))
        # The subtrees that the end of the tree cuts off recur in every proof.
        self.mth = functools.lru_cache(maxsize=4096)(self._mth)

    def _mth(self, start, end):
        """MTH(D[start:end]) for a range as RFC 6962 splits them."""
        count = end - start
        if count == 0:
            return EMPTY_ROOT
        if count & (count - 1) == 0 and start % count == 0:
            row = self.rows[count.bit_length() - 1]
            at = start // count * HASH
            return row[at : at + HASH]
        split = largest_power_below(count)
        return node_hash(self.mth(start, start + split), self.mth(start + split, end))

    def root(self, size):
        return self.mth(0, size)

    def inclusion(self, index, size):
        """PATH(index, D[0:size]), from the leaf upward."""
        start, end, path = 0, size, []
        while end - start > 1:
            split = start + largest_power_below(end - start)
            if index < split:
                path.append(self.mth(split, end))
                end = split
            else:
                path.append(self.mth(start, split))
                start = split
        return path[::-1]

    def consistency(self, old, size):
        """PROOF(old, D[0:size])."""
        start, end, known, proof = 0, size, True, []
        while old != end:
            split = start + largest_power_below(end - start)
            if old <= split:
                proof.append(self.mth(split, end))
                end = split
            else:
                proof.append(self.mth(start, split))
                start, known = split, False
        if not known:
            proof.append(self.mth(start, end))
        return proof[::-1]


def largest_power_below(count):
    """The largest power of two smaller than count, for count of 2 or more."""
    return 1 << ((count - 1).bit_length() - 1)


def check_inclusion(leaf, index, size, proof, root):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        raise Wrong(f"index {index} is not below the tree size {size}")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            raise Wrong(f"the inclusion proof of entry {index} is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while fn & 1 == 0 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise Wrong(f"the inclusion proof of entry {index} is too short")
    if r != root:
        raise Wrong(f"the inclusion proof of entry {index} does not lead to the root")


def check_consistency(first, second, first_hash, second_hash, proof):
    """RFC 9162 section 2.1.4.2, and the case of equal sizes."""
    if first == 0:
        raise Wrong("a tree of size 0 proves nothing")
    if first > second:
        raise Wrong(f"the older checkpoint has {first} entries, more than {second}")
    if first == second:
        if first_hash != second_hash:
            raise Wrong(f"two checkpoints of size {first} have different roots: the log was forked")
        if proof:
            raise Wrong("a consistency proof between equal sizes must be empty")
        return
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_hash)
    if not path:
        raise Wrong("the consistency proof is empty")
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            raise Wrong("the consistency proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while fn & 1 == 0 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            sr = node_hash(sr, c)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise Wrong("the consistency proof is too short")
    if fr != first_hash:
        raise Wrong("the consistency proof does not lead to the older root")
    if sr != second_hash:
        raise Wrong("the consistency proof does not lead to the newer root")


# --- c2sp.org/signed-note ---------------------------------------------------------------------------------------


def decode_base64(text, what):
    """RFC 4648 section 4, padded, with the unused bits zero."""
    try:
        decoded = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError):
        raise Wrong(f"{what} is not base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise Wrong(f"{what} is not canonical base64")
    return decoded


def is_key_name(name):
    return bool(name) and "+" not in name and not any(c.isspace() for c in name)


class Key:
    """A verifier key: <name>+<key id in hex>+<base64(type || public key)>."""

    def __init__(self, vkey):
        parts = vkey.split("+", 2)
        if len(parts) != 3 or not is_key_name(parts[0]) or not re.fullmatch(r"[0-9a-f]{8}", parts[1]):
            raise Wrong(f"not a verifier key: {vkey!r}")
        data = decode_base64(parts[2], f"the verifier key {parts[0]}")
        if len(data) != 33 or data[0] not in (ED25519, COSIGNATURE):
            raise Wrong(f"the verifier key {parts[0]} is not of an Ed25519 type known here")
        self.vkey, self.name, self.type = vkey, parts[0], data[0]
        self.id = hashlib.sha256(self.name.encode() + b"\n" + data).digest()[:4]
        if self.id.hex() != parts[1]:
            raise Wrong(f"the key id in the verifier key {self.name} is not that of the key")
        try:
            self.public = Ed25519PublicKey.from_public_bytes(data[1:])
        except ValueError:
            raise Wrong(f"the verifier key {self.name} is no Ed25519 key") from None

    def verify(self, message, signature):
        try:
            self.public.verify(signature, message)
        except InvalidSignature:
            raise Wrong(f"the signature of {self.name} does not verify") from None


def parse_note(data, what):
    """The text, and the signature lines as (name, key id, signature)."""
    try:
        note = data.decode("utf-8")
    except UnicodeDecodeError:
        raise Wrong(f"{what} is not UTF-8") from None
    if any(c < " " and c != "\n" for c in note):
        raise Wrong(f"{what} holds a control character")
    at = note.rfind("\n\n")
    if at < 0:
        raise Wrong(f"{what} is not a signed note")
    text, block = note[: at + 1], note[at + 2 :]
    if not block.endswith("\n"):
        raise Wrong(f"{what} does not end with a signature line")
    signatures = []
    for number, line in enumerate(block[:-1].split("\n"), 1):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not is_key_name(parts[1]):
            raise Wrong(f"signature line {number} of {what} is malformed")
        decoded = decode_base64(parts[2], f"signature line {number} of {what}")
        if len(decoded) < 5:
            raise Wrong(f"signature line {number} of {what} is too short")
        signatures.append((parts[1], decoded[:4], decoded[4:]))
    return text, signatures


def signature_of(key, signatures, what):
    """The one signature of this key, if there is one. Lines of unknown keys are nobody's."""
    found = [s for name, key_id, s in signatures if (name, key_id) == (key.name, key.id)]
    if len(found) > 1:
        raise Wrong(f"{what} has {len(found)} signature lines of {key.name}")
    return found[0] if found else None


# --- c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature ---------------------------------------------------------


def parse_decimal(text, what):
    if not re.fullmatch(r"0|[1-9][0-9]{0,18}", text) or int(text) >= 1 << 63:
        raise Wrong(f"{what} is not a decimal number")
    return int(text)


class Checkpoint:
    """A checkpoint that the log signed, with the cosignatures that known witnesses put on it."""

    def __init__(self, data, log, witnesses, what):
        text, signatures = parse_note(data, what)
        signature = signature_of(log, signatures, what)
        if signature is None:
            raise Wrong(f"{what} is not signed by {log.name}")
        log.verify(text.encode(), signature)
        lines = text[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise Wrong(f"{what} has not the lines of a checkpoint")
        self.origin = lines[0]
        if self.origin != log.name:
            raise Wrong(f"{what} is of {self.origin!r}, not of the log {log.name!r}")
        self.size = parse_decimal(lines[1], f"the size in {what}")
        self.root = decode_base64(lines[2], f"the root in {what}")
        if len(self.root) != HASH:
            raise Wrong(f"the root in {what} has not {HASH} bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise Wrong(f"{what} has size 0 and not the root of the empty tree")
        self.cosigned = []
        for witness in witnesses:
            signature = signature_of(witness, signatures, what)
            if signature is not None:
                self.cosigned.append((witness.name, self.check_cosignature(text, witness, signature, what)))

    @staticmethod
    def check_cosignature(text, witness, signature, what):
        if len(signature) != 72:
            raise Wrong(f"the cosignature of {witness.name} on {what} has not 72 bytes")
        time = int.from_bytes(signature[:8], "big")
        if time >= 1 << 63:
            raise Wrong(f"the cosignature of {witness.name} on {what} has an impossible time")
        witness.verify(f"cosignature/v1\ntime {time}\n{text}".encode(), signature[8:])
        return time


# --- c2sp.org/tlog-tiles ------------------------------------------------------------------------------------------


def numbered(number, width):
    """<N>[.p/<W>]"""
    elements = []
    while True:
        elements.insert(0, f"{number % 1000:03}")
        number //= 1000
        if number == 0:
            break
    path = "/".join(["x" + element for element in elements[:-1]] + elements[-1:])
    return path if width == WIDTH else f"{path}.p/{width}"


def files_of_row(prefix, count):
    """The paths, first numbers and widths of the files that hold `count` things, 256 in each."""
    for number in range((count + WIDTH - 1) // WIDTH):
        width = min(WIDTH, count - number * WIDTH)
        yield f"{prefix}/{numbered(number, width)}", number * WIDTH, width


def parse_bundle(data, width, path):
    entries, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            raise Wrong(f"{path} ends inside a length")
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise Wrong(f"{path} ends inside an entry")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != width:
        raise Wrong(f"{path} has {len(entries)} entries, not {width}")
    return entries


class Folder:
    """The exported files. Every file that is read, or allowed, is known; what is left over is stray."""

    def __init__(self, root):
        self.root = root
        self.known = set()

    def read(self, path):
        self.known.add(path)
        full = self.root / path
        if full.is_symlink() or not full.is_file():
            raise Wrong(f"{path} is missing")
        return full.read_bytes()

    def all(self):
        found = []
        for folder, folders, files in os.walk(self.root):
            for name in files + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
                found.append(pathlib.Path(folder, name).relative_to(self.root).as_posix())
        return sorted(found)


def read_entries(folder, size):
    """Leaf hashes of all entries, concatenated, and a function that gives one entry."""
    leaves = bytearray()
    for path, _, width in files_of_row("tile/entries", size):
        for entry in parse_bundle(folder.read(path), width, path):
            leaves += leaf_hash(entry)

    @functools.lru_cache(maxsize=64)
    def bundle(number):
        width = min(WIDTH, size - number * WIDTH)
        path = f"tile/entries/{numbered(number, width)}"
        return parse_bundle(folder.read(path), width, path)

    return leaves, lambda index: bundle(index // WIDTH)[index % WIDTH]


def check_tiles(folder, tree):
    """Every tile at every level, recomputed from the entries."""
    tiles, level = 0, 0
    while tree.size >> (HEIGHT * level):
        row = tree.rows[HEIGHT * level]
        for path, first, width in files_of_row(f"tile/{level}", tree.size >> (HEIGHT * level)):
            if folder.read(path) != row[first * HASH : (first + width) * HASH]:
                raise Wrong(f"{path} is not what the entries give")
            tiles += 1
        level += 1
    return tiles


# --- one year of a log ----------------------------------------------------------------------------------------------


class TileTree(Tree):
    """The same trees as seen through hash tiles that are read when they are needed."""

    def __init__(self, folder, size):
        self.folder, self.size = folder, size
        self.tile = functools.lru_cache(maxsize=4096)(self._tile)
        self.mth = functools.lru_cache(maxsize=65536)(self._mth)

    def _tile(self, level, number):
        width = min(WIDTH, (self.size >> (HEIGHT * level)) - number * WIDTH)
        path = f"tile/{level}/{numbered(number, width)}"
        data = self.folder.read(path)
        if len(data) != width * HASH:
            raise Wrong(f"{path} has {len(data)} bytes")
        if width == WIDTH and self.size >> (HEIGHT * (level + 1)):
            parent = self.tile(level + 1, number // WIDTH)
            at = number % WIDTH * HASH
            if Tree(data).root(WIDTH) != parent[at : at + HASH]:
                raise Wrong(f"{path} is not what the tile above has")
        return data

    def _mth(self, start, end):
        count = end - start
        if count == 0:
            return EMPTY_ROOT
        if count & (count - 1) == 0 and start % count == 0:
            height = count.bit_length() - 1
            if height % HEIGHT == 0:
                place = start >> height
                at = place % WIDTH * HASH
                return self.tile(height // HEIGHT, place // WIDTH)[at : at + HASH]
        split = largest_power_below(count)
        return node_hash(self.mth(start, start + split), self.mth(start + split, end))


def parse_range(data):
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Wrong("range is not text") from None
    if len(lines) != 5 or lines[0] != RANGE_HEADER or lines[4]:
        raise Wrong(f"range is not of {RANGE_HEADER}")
    numbers = []
    for name, line in zip(("year", "first", "end"), lines[1:]):
        if not line.startswith(name + " "):
            raise Wrong(f"range has no {name}")
        numbers.append(parse_decimal(line[len(name) + 1 :], f"the {name} in range"))
    if numbers[1] >= numbers[2]:
        raise Wrong("range is empty")
    return numbers


def year_of(entry, index):
    """The year of an entry, from its line `time`."""
    found = re.search(rb"^time ([0-9]{4})-[^\n]*Z$", entry, re.MULTILINE)
    if not found:
        raise Wrong(f"entry {index} has no time")
    return int(found[1])


def verify_year(folder, files, checkpoint, arguments):
    """One year: every entry in the folder against the tiles, these against the root, and the borders of the year."""
    year, first, end = parse_range(folder.read("range"))
    size = checkpoint.size
    if end > size:
        raise Wrong(f"range ends at {end}, the checkpoint has {size} entries")
    tree = TileTree(folder, size)
    if tree.root(size) != checkpoint.root:
        raise Wrong("the hash tiles do not give the root of the checkpoint")
    low, high = first // WIDTH, (end + WIDTH - 1) // WIDTH
    years = {}
    for number in range(low, high):
        width = min(WIDTH, size - number * WIDTH)
        path = f"tile/entries/{numbered(number, width)}"
        entries = parse_bundle(folder.read(path), width, path)
        if b"".join(map(leaf_hash, entries)) != tree.tile(0, number):
            raise Wrong(f"{path} is not what its tile has")
        for index, entry in enumerate(entries, number * WIDTH):
            if index in (first - 1, first, end):
                years[index] = year_of(entry, index)
            if first <= index < end and year_of(entry, index) > year:
                raise Wrong(f"entry {index} is of a later year than {year}")
    if years[first] != year or years.get(first - 1, 0) >= year:
        raise Wrong(f"the year {year} does not begin with entry {first}")
    if end in years and years[end] <= year:
        raise Wrong(f"the year {year} does not end with entry {end - 1}")
    held = range(low * WIDTH, min(high * WIDTH, size))
    indexes = held if arguments.all else [held[at] for at in sample(len(held), arguments.sample)]
    for index in indexes:
        at = index % WIDTH * HASH
        leaf = tree.tile(0, index // WIDTH)[at : at + HASH]
        check_inclusion(leaf, index, size, tree.inclusion(index, size), checkpoint.root)
    level = 0
    while size >> (HEIGHT * level):
        count, shift = (size >> (HEIGHT * level)), HEIGHT * level
        for number in range(low >> shift, ((high - 1) >> shift) + 1):
            if number * WIDTH < count:
                tree.tile(level, number)
        if count % WIDTH:
            tree.tile(level, count // WIDTH)
        level += 1
    tiles = sum(1 for path in folder.known if re.match(r"tile/[0-9]", path))
    return tree, {
        "year": year,
        "first": first,
        "end": end,
        "checked": [held.start, held.stop],
        "begins_there": first == 0 or first - 1 in years,
        "ends_there": end == size or end in years,
        "tiles": tiles,
        "inclusion_proofs": len(indexes),
    }


# --- c2sp.org/tlog-proof --------------------------------------------------------------------------------------------


def parse_proof(data, what):
    """Index, hashes and the bytes of the checkpoint."""
    head, separator, checkpoint = data.partition(b"\n\n")
    if not separator:
        raise Wrong(f"{what} has no checkpoint")
    try:
        lines = head.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Wrong(f"{what} is not UTF-8") from None
    if lines.pop(0) != PROOF_HEADER:
        raise Wrong(f"{what} does not begin with {PROOF_HEADER}")
    if lines and lines[0].startswith("extra "):
        if not decode_base64(lines.pop(0)[len("extra ") :], f"the extra line of {what}"):
            raise Wrong(f"{what} has an empty extra line")
    if not lines or not lines[0].startswith("index "):
        raise Wrong(f"{what} has no index")
    index = parse_decimal(lines.pop(0)[len("index ") :], f"the index in {what}")
    hashes = [decode_base64(line, f"a hash in {what}") for line in lines]
    if any(len(h) != HASH for h in hashes):
        raise Wrong(f"a hash in {what} has not {HASH} bytes")
    return index, hashes, checkpoint


def check_proof_file(data, what, log, witnesses, tree, entry_at):
    index, hashes, note = parse_proof(data, what)
    checkpoint = Checkpoint(note, log, witnesses, f"the checkpoint of {what}")
    if index >= tree.size:
        raise Wrong(f"{what} is about entry {index}, which this log does not have")
    try:
        check_inclusion(leaf_hash(entry_at(index)), index, checkpoint.size, hashes, checkpoint.root)
    except Wrong as wrong:
        raise Wrong(f"{what}: {wrong}") from None
    if checkpoint.size <= tree.size and tree.root(checkpoint.size) != checkpoint.root:
        raise Wrong(f"{what} has a checkpoint of size {checkpoint.size} that this log does not extend")


# --- the whole folder -----------------------------------------------------------------------------------------------


def keys_of(text, what, key_type):
    keys = [Key(line.strip()) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for key in keys:
        if key.type != key_type:
            raise Wrong(f"{what} has a key of type 0x{key.type:02x}, not 0x{key_type:02x}")
    if len({(key.name, key.id) for key in keys}) != len(keys):
        raise Wrong(f"{what} has one key twice")
    return keys


def read_keys(path, what, key_type):
    try:
        return keys_of(pathlib.Path(path).read_text("utf-8"), what, key_type)
    except (OSError, UnicodeDecodeError) as error:
        raise Wrong(f"{what} cannot be read: {error}") from None


def sample(size, count):
    """All indexes, or `count` of them: the ends, the borders of tiles, and others at random, always the same."""
    if count is None or size <= count:
        return range(size)
    chosen = {0, size - 1, size // 2}
    for border in (255, 256, 257, 65535, 65536, 65537, size // WIDTH * WIDTH - 1, size // WIDTH * WIDTH):
        if 0 <= border < size:
            chosen.add(border)
    chosen |= set(random.Random(SAMPLE_SEED).sample(range(size), min(count, size)))
    return sorted(chosen)


def verify(arguments):
    folder = Folder(pathlib.Path(arguments.folder))
    if not folder.root.is_dir():
        raise Wrong(f"{arguments.folder} is not a folder")
    files = folder.all()
    for name in ("vkey", "witness-vkeys"):
        if name in files:
            folder.known.add(name)

    logs = read_keys(arguments.vkey or folder.root / "vkey", "the file of the log's key", ED25519)
    if len(logs) != 1:
        raise Wrong("the log has exactly one verifier key")
    log = logs[0]
    witnesses = []
    if arguments.witness_vkeys or "witness-vkeys" in files:
        path = arguments.witness_vkeys or folder.root / "witness-vkeys"
        witnesses = read_keys(path, "the file of the witnesses' keys", COSIGNATURE)

    checkpoint = Checkpoint(folder.read("checkpoint"), log, witnesses, "the checkpoint")
    if len(checkpoint.cosigned) < arguments.quorum:
        raise Wrong(f"{len(checkpoint.cosigned)} witnesses cosigned the checkpoint, {arguments.quorum} are needed")

    result = {
        "verified": True,
        "origin": checkpoint.origin,
        "vkey": log.vkey,
        "size": checkpoint.size,
        "root": base64.b64encode(checkpoint.root).decode(),
        "cosignatures": [{"witness": name, "time": time} for name, time in checkpoint.cosigned],
    }
    if "range" in files:
        if arguments.older:
            raise Wrong("a folder with one year does not prove what an older checkpoint has")
        tree, found = verify_year(folder, files, checkpoint, arguments)
        result.update(found, proof_files=0)
        check_strays(folder, files, tree.size, arguments)
        return result

    leaves, entry_at = read_entries(folder, checkpoint.size)
    tree = Tree(leaves)
    tiles = check_tiles(folder, tree)
    if tree.root(tree.size) != checkpoint.root:
        raise Wrong("the entries do not give the root of the checkpoint")

    indexes = sample(tree.size, None if arguments.all else arguments.sample)
    for index in indexes:
        proof = tree.inclusion(index, tree.size)
        check_inclusion(leaf_hash(entry_at(index)), index, tree.size, proof, checkpoint.root)
    result.update(tiles=tiles, inclusion_proofs=len(indexes))

    if arguments.older:
        try:
            data = pathlib.Path(arguments.older).read_bytes()
        except OSError as error:
            raise Wrong(f"the older checkpoint cannot be read: {error}") from None
        older = Checkpoint(data, log, witnesses, "the older checkpoint")
        in_range = 0 < older.size < tree.size
        if in_range and tree.root(older.size) != older.root:
            raise Wrong(f"this log had another root at size {older.size} than the older checkpoint: the log was forked")
        proof = tree.consistency(older.size, tree.size) if in_range else []
        check_consistency(older.size, tree.size, older.root, checkpoint.root, proof)
        result["older_size"] = older.size

    proofs = [path for path in files if path.endswith(".tlog-proof")]
    for path in proofs:
        check_proof_file(folder.read(path), path, log, witnesses, tree, entry_at)
    result["proof_files"] = len(proofs)
    check_strays(folder, files, tree.size, arguments)
    return result


def check_strays(folder, files, size, arguments):
    for path in files:
        if path not in folder.known and not any(fnmatch.fnmatch(path, glob) for glob in arguments.allow):
            raise Wrong(f"{path} does not belong to a log of {size} entries")


def summary(result):
    what = f"{result['size']} entries"
    if "year" in result:
        what = f"entries {result['first']} to {result['end'] - 1} (the year {result['year']}) of {result['size']}"
    parts = [
        f"verified {what} of {result['origin']}",
        f"{result['tiles']} tiles",
        f"{result['inclusion_proofs']} inclusion proofs",
        f"{len(result['cosignatures'])} cosignatures",
    ]
    if "older_size" in result:
        parts.append(f"extends the checkpoint of {result['older_size']}")
    for name, words in (("begins_there", "before the first"), ("ends_there", "after the last")):
        if result.get(name) is False:
            parts.append(f"NOT checked: whether the entry {words} is of another year")
    if result["proof_files"]:
        parts.append(f"{result['proof_files']} proof files")
    return ", ".join(parts) + f"\nunder the key {result['vkey']}"


def main():
    parser = argparse.ArgumentParser(description="Verifies an exported transparency log from its files alone.")
    parser.add_argument("folder", help="the exported folder")
    parser.add_argument("--vkey", metavar="FILE", help="the log's verifier key, instead of the folder's own")
    parser.add_argument("--witness-vkeys", metavar="FILE", help="the witnesses' verifier keys, instead of the folder's")
    parser.add_argument("--older", metavar="FILE", help="an older checkpoint that this log must extend")
    parser.add_argument("--quorum", metavar="N", type=int, default=0, help="how many known witnesses must have cosigned")
    parser.add_argument("--sample", metavar="N", type=int, default=1000, help="inclusion proofs to check (default 1000)")
    parser.add_argument("--all", action="store_true", help="check the inclusion proof of every entry")
    parser.add_argument("--allow", metavar="GLOB", action="append", default=[], help="other files the folder may hold")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    try:
        result = verify(arguments)
    except Wrong as wrong:
        print(json.dumps({"verified": False, "error": str(wrong)}) if arguments.json else f"NOT VERIFIED: {wrong}")
        return 1
    print(json.dumps(result) if arguments.json else summary(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

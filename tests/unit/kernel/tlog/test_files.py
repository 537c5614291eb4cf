"""Tiles, bundles, policies and proofs as files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel.tlog.checkpoint import Checkpoint, cosign, sign_checkpoint
from mithaq.kernel.tlog.errors import BadNote, BadProof
from mithaq.kernel.tlog.note import Note
from mithaq.kernel.tlog.policy import Group, Policy, read_policy
from mithaq.kernel.tlog.proof import Proof, read_proof
from mithaq.kernel.tlog.tiles import Tile, bundles_of, join_bundle, split_bundle, split_tile, tiles_of, width_of
from mithaq.kernel.tlog.tree import Edge, leaf_hash, prove_inclusion
from mithaq.kernel.tlog.vkey import KeyType, NoteKey
from tests.unit.kernel.tlog.test_notes import ED25519, LOG, MLDSA44, ORIGIN
from tests.unit.kernel.tlog.trees import tree_of

SECOND = NoteKey("cert.xc.example/witness", KeyType.COSIGNATURE_ED25519, b"\4" * 32)
POLICY = Policy(
    (LOG.public,),
    {"XB-ed25519": ED25519.public, "XB-ml-dsa-44": MLDSA44.public, "XC": SECOND.public},
    {"XB": Group(2, ("XB-ed25519", "XB-ml-dsa-44")), "allies": Group(2, ("XB", "XC"))},
    "allies",
)
ENTRIES = [bytes([number]) * 32 for number in range(45)]
TREE = tree_of(ENTRIES)
CHECKPOINT = Checkpoint(ORIGIN, 45, Edge().extended(map(leaf_hash, ENTRIES)).root)
NOTE = sign_checkpoint(CHECKPOINT, LOG).joined(cosign(CHECKPOINT, key, 7) for key in (ED25519, MLDSA44, SECOND))
PROOF = Proof(11, tuple(prove_inclusion(TREE.hash_at, 11, 45)), NOTE, b"salt")


def without(*keys: NoteKey) -> Note:
    gone = {(key.name, key.public.key_id) for key in keys}
    return Note(NOTE.text, tuple(each for each in NOTE.signatures if (each.name, each.key_id) not in gone))


@given(st.none() | st.integers(0, 63), st.integers(0, 2**50), st.integers(1, 256))
def test_a_path_names_one_tile(level: int | None, number: int, width: int) -> None:
    tile = Tile(level, number, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "0", "0/", "0/1", "0/0001", "0/x000/001", "00/001", "64/001", "0/001.p/0", "0/001.p/256", "0/001.p/01",
        "-1/001", "0/x01/001", "0/001/002", "entries/001.p/", "../../checkpoint", "0/\u0661\u0661\u0661", "0/001\n",
        "0/" + "x001/" * 12 + "001",
    ],
)  # fmt: skip
def test_what_is_no_path_of_a_tile_is_refused(path: str) -> None:
    with pytest.raises(BadNote):
        Tile.parse(path)


@given(st.text(max_size=30))
def test_a_path_reads_back_as_it_was_or_not_at_all(path: str) -> None:
    try:
        assert Tile.parse(path).path == path
    except BadNote:
        return


def test_the_tiles_of_the_specifications_example() -> None:
    tiles = list(tiles_of(70_000))
    assert [sum(tile.level == level for tile in tiles) for level in range(3)] == [274, 2, 1]
    assert [tile.width for tile in tiles if tile.width < 256] == [112, 17, 1]
    assert [tile.path for tile in tiles_of(256)] == ["0/000", "1/000.p/1"]
    assert [tile.path for tile in bundles_of(300)] == ["entries/000", "entries/001.p/44"]
    assert width_of(0, 2, 300) == 0


@given(st.lists(st.binary(max_size=40), max_size=20), st.binary(min_size=1, max_size=3))
def test_a_bundle_reads_back_and_not_with_other_bytes_or_widths(entries: list[bytes], more: bytes) -> None:
    data = join_bundle(entries)
    assert split_bundle(data, len(entries)) == entries
    for wrong, width in ((data + more, len(entries)), (data[:-1], len(entries)), (data, len(entries) + 1)):
        if wrong != data or width != len(entries):
            with pytest.raises(BadProof):
                split_bundle(wrong, width)


def test_a_tile_of_another_width_is_refused() -> None:
    assert split_tile(bytes(64), 2) == [bytes(32)] * 2
    with pytest.raises(BadProof):
        split_tile(bytes(63), 2)


def test_a_policy_reads_back_and_asks_for_both_halves_of_a_witness() -> None:
    assert read_policy(POLICY.encode()) == POLICY
    assert set(POLICY.check(NOTE)) == {LOG.public, ED25519.public, MLDSA44.public, SECOND.public}
    for gone in ((ED25519,), (MLDSA44,), (SECOND,)):
        with pytest.raises(BadProof, match="too few"):
            POLICY.check(without(*gone))
    with pytest.raises(BadProof, match="not signed by a log"):
        POLICY.check(without(LOG))


def test_a_log_that_signs_under_anothers_origin_does_not_count() -> None:
    other = Checkpoint("cert.xc.example/releases/2026", 45, CHECKPOINT.root)
    with pytest.raises(BadProof, match="not signed by a log"):
        Policy((LOG.public,), {}, {}, "none").check(sign_checkpoint(other, LOG))


def test_the_words_of_a_policy_are_those_of_the_specification() -> None:
    text = f"# allies\n\n log\t{LOG.public} https://a.example \nwitness X {ED25519.public}\nwitness Y {SECOND.public}\n"
    every = read_policy(f"{text}group g all X Y\nquorum g\n".encode())
    assert every.groups == {"g": Group(2, ("X", "Y"))}
    assert read_policy(f"{text}group g any X Y\nquorum g\n".encode()).groups == {"g": Group(1, ("X", "Y"))}
    assert read_policy(f"{text}quorum none\n".encode()).quorum == "none"
    assert read_policy(f"{text}quorum X\n".encode()).check(NOTE)


@pytest.mark.parametrize(
    "tail",
    [
        "", "quorum none", "quorum Z\n", "quorum none\nquorum none\n", "group none 1 X\nquorum none\n",
        "group X 1 X\nquorum none\n", "group g 0 X\nquorum g\n", "group g 2 X\nquorum g\n", "group g +1 X\nquorum g\n",
        "group g 1\nquorum g\n", "group g 1 X X\nquorum g\n", "group g 1 X\ngroup h 1 X\nquorum h\n",
        "group g 1 h\ngroup h 1 X\nquorum g\n", "witness X {second}\nquorum none\n",
        "witness Z {witness}\nquorum none\n",
        "witness Z {log}\nquorum none\n", "log {log}\nquorum none\n", "log {witness}\nquorum none\n",
        "quorum none\r\n", "quorum none\x7f\n", "surprise\nquorum none\n", "witness \u0638 {second}\nquorum none\n",
        "log {second} u v\nquorum none\n", "#\n" * 3000 + "quorum none\n",
    ],
)  # fmt: skip
def test_a_policy_that_breaks_a_rule_is_refused(tail: str) -> None:
    text = f"log {LOG.public}\nwitness X {ED25519.public}\n" + tail.format(
        log=LOG.public, witness=ED25519.public, second=SECOND.public
    )
    with pytest.raises(BadNote):
        read_policy(text.encode())


@given(st.binary(max_size=300))
def test_hostile_bytes_are_a_policy_or_a_refusal(data: bytes) -> None:
    try:
        assert read_policy(data + b"\nquorum none\n").quorum == "none"
    except BadNote:
        return


def test_a_proof_reads_back_and_holds_for_its_entry_alone() -> None:
    assert read_proof(PROOF.encode()) == PROOF
    assert set(PROOF.check(ENTRIES[11], POLICY)) == set(POLICY.check(NOTE))
    for wrong, entry in (
        (PROOF, ENTRIES[12]),
        (Proof(12, PROOF.path, NOTE), ENTRIES[11]),
        (Proof(11, PROOF.path[1:], NOTE), ENTRIES[11]),
        (Proof(11, PROOF.path, without(MLDSA44)), ENTRIES[11]),
    ):
        with pytest.raises(BadProof):
            wrong.check(entry, POLICY)
    bare = Proof(11, PROOF.path, NOTE)
    assert read_proof(bare.encode()) == bare


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tlog-proof@v1", "tlog-proof@v2"), ("index 11", "index +11"), ("index 11", "index 011"), ("index 11", "11"),
        ("extra ", "Extra "), ("extra c2FsdA==", "extra c2FsdB=="), ("extra c2FsdA==", "extra "),
        ("\nindex", "\n\nindex"), ("index 11\n", "index 11\n" + "A" * 44 + "\n"), ("index 11\n", ""),
        ("index 11\n", "index 11\n" + ("A" * 43 + "=\n") * 64), ("\n45\n", "\n+45\n"),
    ],
)  # fmt: skip
def test_a_proof_that_is_only_nearly_right_is_refused(old: str, new: str) -> None:
    text = PROOF.encode().decode()
    assert old in text
    with pytest.raises(BadNote):
        read_proof(text.replace(old, new, 1).encode())


@given(st.data())
def test_a_proof_with_a_byte_changed_proves_nothing_else(data: st.DataObject) -> None:
    raw = bytearray(PROOF.encode())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        changed = read_proof(bytes(raw))
        changed.check(ENTRIES[11], POLICY)
    except (BadNote, BadProof):
        return
    assert (changed.leaf, changed.path, changed.note.text) == (PROOF.leaf, PROOF.path, PROOF.note.text)

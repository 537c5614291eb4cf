"""Another's implementation of the same formats reads what ours writes, and comes to the same hashes."""

from pathlib import Path

from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey

from mithaq.kernel.tlog.checkpoint import Checkpoint, cosign, read_checkpoint, sign_checkpoint, verified
from mithaq.kernel.tlog.tiles import bundles_of, tiles_of
from mithaq.kernel.tlog.tree import Edge, leaf_hash, prove_consistency, prove_inclusion
from tests.unit.kernel.tlog.test_notes import ED25519, LOG, MLDSA44, ORIGIN
from tests.unit.kernel.tlog.trees import read_from, tree_of

SIZE = 66_000
ENTRIES = [number.to_bytes(32, "big") for number in range(SIZE)]


def written(folder: Path) -> Checkpoint:
    checkpoint = Checkpoint(ORIGIN, SIZE, Edge().extended(map(leaf_hash, ENTRIES)).root)
    note = sign_checkpoint(checkpoint, LOG).joined(cosign(checkpoint, key, 1_700_000_000) for key in (ED25519, MLDSA44))
    read = read_from(ENTRIES)
    for tile in (*tiles_of(SIZE), *bundles_of(SIZE)):
        path = folder / "tile" / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read(tile))
    (folder / "checkpoint").write_bytes(note.encode())
    return checkpoint


def test_another_reader_verifies_our_checkpoint_cosignatures_tiles_and_proofs(tmp_path: Path) -> None:
    checkpoint = written(tmp_path)
    reader = TilesReader(LocalBackend(tmp_path))
    theirs = reader.get_checkpoint()
    for key in (LOG, ED25519, MLDSA44):
        theirs.verify(Vkey.from_string(str(key.public)))
    assert reader.calculate_root_hash() == theirs.root_hash == checkpoint.root
    assert [reader.get_entry(place) for place in (0, 255, 256, 65_535, SIZE - 1)] == [
        ENTRIES[place] for place in (0, 255, 256, 65_535, SIZE - 1)
    ]
    ours = tree_of(ENTRIES)
    for leaf in (0, 300, 65_535, 65_536, SIZE - 1):
        assert reader.get_inclusion_proof(leaf, SIZE).node_hashes == prove_inclusion(ours.hash_at, leaf, SIZE)
    for old in (1, 255, 256, 257, 65_536):
        assert reader.get_consistency_proof(old, SIZE).node_hashes == prove_consistency(ours.hash_at, old, SIZE)


def test_what_another_serialises_we_verify(tmp_path: Path) -> None:
    written(tmp_path)
    theirs = TilesReader(LocalBackend(tmp_path)).get_checkpoint()
    _, note = read_checkpoint(theirs.serialize().encode())
    assert len(verified(note, [key.public for key in (LOG, ED25519, MLDSA44)])) == 3

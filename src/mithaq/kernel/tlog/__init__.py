"""Transparency logs in the formats of C2SP: trees, tiles, notes, checkpoints, cosignatures, proofs, policies."""

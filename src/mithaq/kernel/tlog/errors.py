"""What can be wrong with a log's notes and proofs."""

from mithaq.kernel.errors import Error


class BadNote(Error):
    """A note, checkpoint, key, policy or proof file that breaks its format, or a signature that does not hold."""

    code = "bad-note"


class BadProof(Error):
    """A Merkle proof that proves something else, or a checkpoint that too few have cosigned."""

    code = "bad-proof"

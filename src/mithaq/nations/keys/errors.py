"""What can be wrong with statements and root keys."""

from mithaq.kernel.errors import Error


class BadStatement(Error):
    """A key statement that cannot be accepted."""

    code = "bad-key-statement"


class KeysExpired(Error):
    """A nation whose newest key statement has expired, so that nothing it signs counts."""

    code = "keys-expired"


class KeysNotHeld(Error):
    """A statement that authorises keys which this node does not hold."""

    code = "keys-not-held"

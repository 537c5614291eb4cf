"""What can be wrong with a nation's card or a partner."""

from mithaq.kernel.errors import Error


class BadCard(Error):
    """A card that cannot be accepted."""

    code = "bad-card"


class KeyChanged(Error):
    """A card whose keys are not authorised by the root officials that were compared by voice."""

    code = "key-changed"


class UnknownPartner(Error):
    """A nation without a card at this node."""

    code = "unknown-partner"


class FingerprintDiffers(Error):
    """The digits that were read out are not those of the card."""

    code = "fingerprint-differs"


class SignerUnreachable(Error):
    """The signer process does not answer."""

    code = "signer-unreachable"


class SignerRefused(Error):
    """The signer answered that it will not do this."""

    code = "signer-refused"

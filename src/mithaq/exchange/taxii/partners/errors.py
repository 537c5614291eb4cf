"""What can go wrong with the TAXII accounts of partners."""

from mithaq.kernel.errors import Error


class NotServed(Error):
    """An agreement under which a nation is served nothing over TAXII, or an account that cannot be made or is none."""

    code = "partner-not-served"

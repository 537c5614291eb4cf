"""The errors of the Sigma engine; a rule that cannot be followed is `standards.sigma.BadRule`."""

from mithaq.kernel.errors import Error


class TooManyRules(Error):
    """More rules than one engine holds."""

    code = "too-many-sigma-rules"

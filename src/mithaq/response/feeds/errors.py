"""Errors of the feeds."""

from mithaq.kernel.errors import Error


class UnknownFeed(Error):
    """There is no such feed for whoever asks: unknown, closed and other people's answer alike."""

    code = "unknown-feed"

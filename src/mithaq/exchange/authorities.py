"""The authorities whose certificates are believed."""

import ssl
from functools import cache

import httpx


@cache
def trusted() -> ssl.SSLContext:
    """Return what every client of this process trusts: to load it costs more than to ask and be answered."""
    return httpx.create_ssl_context(trust_env=False)

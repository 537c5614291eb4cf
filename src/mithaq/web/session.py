"""Cookies of a visitor and the token that proves a form came from this node's own page."""

import base64
import hashlib
import hmac
import secrets

_PAD_BYTES = 32


def cookie_name(nation: str, kind: str, *, secure: bool) -> str:
    """Name a cookie after the node, because browsers share cookies between the ports of one host.

    Source: RFC 6265bis §4.1.3.2 for the `__Host-` prefix, which needs https.
    """
    return f"{'__Host-' if secure else ''}mithaq-{nation.lower()}-{kind}"


def form_token(session: str) -> str:
    """Return a session's form token under a fresh pad, so that compression cannot reveal it (BREACH)."""
    pad = secrets.token_bytes(_PAD_BYTES)
    masked = bytes(a ^ b for a, b in zip(pad, _secret(session), strict=True))
    return base64.urlsafe_b64encode(pad + masked).decode()


def holds(session: str, token: str) -> bool:
    """Tell whether a form token belongs to a session."""
    try:
        raw = base64.urlsafe_b64decode(token.encode())
    except ValueError:
        return False
    pad, masked = raw[:_PAD_BYTES], raw[_PAD_BYTES:]
    if len(masked) != _PAD_BYTES:
        return False
    return hmac.compare_digest(bytes(a ^ b for a, b in zip(pad, masked, strict=True)), _secret(session))


def _secret(session: str) -> bytes:
    return hmac.digest(session.encode(), b"mithaq form token", hashlib.sha256)

"""What every response carries and every request must satisfy before a page sees it."""

import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mithaq.web.settings import MAX_FORM_BYTES, MAX_UPLOAD_BYTES

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": (
        "camera=(), microphone=(), geolocation=(), payment=(), usb=(), "
        "publickey-credentials-create=(self), publickey-credentials-get=(self)"
    ),
}


def content_security_policy(nonce: str) -> str:
    """Return the policy of a page: own files only, scripts by nonce too, no sink for injected markup."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )


class SecureHeaders:
    """Give each request a nonce and each response the policy that names it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("content-security-policy", content_security_policy(nonce))
                headers.setdefault("cache-control", "no-store")
                if scope["scheme"] == "https":
                    headers.setdefault("strict-transport-security", "max-age=31536000")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class OwnOrigin:
    """Answer only under this node's own names, and let only its own pages change anything.

    A foreign `Host` is how DNS rebinding reaches a loopback service; a foreign `Origin` is cross-site forgery.
    """

    def __init__(self, app: ASGIApp, public_url: str) -> None:
        self.app = app
        self.public = urlsplit(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            await refusal(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name not in _LOOPBACK and host != self.public.netloc:
            known_as = self.public.geturl() or "http://localhost"
            return PlainTextResponse(f"This node answers as {known_as} only.\n", status_code=421)
        if scope["method"] in _SAFE or self._same_origin(scope, headers, host):
            return None
        return PlainTextResponse("This request came from another site.\n", status_code=403)

    def _same_origin(self, scope: Scope, headers: Headers, host: str) -> bool:
        origin = headers.get("origin")
        if origin is not None:
            return origin in {f"{scope['scheme']}://{host}", f"{self.public.scheme}://{self.public.netloc}"}
        return headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}


def body_limit(scope: Scope) -> int:
    """Return how many bytes a form may carry: more where it uploads a file."""
    upload = Headers(scope=scope).get("content-type", "").startswith("multipart/form-data")
    return MAX_UPLOAD_BYTES if upload else MAX_FORM_BYTES

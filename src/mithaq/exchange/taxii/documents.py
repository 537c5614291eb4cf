"""The resources of TAXII 2.1 as bytes; objects go into an envelope as the bytes they came in."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from mithaq.exchange.taxii.filters import timestamp, version_text
from mithaq.exchange.taxii.model import API_ROOT, STIX_TYPE, TAXII_TYPE, Collection
from mithaq.exchange.taxii.reading import Page, Served
from mithaq.intelligence.settings import TAXII_POST

ROOT_PATH: Final = f"/taxii2/{API_ROOT}/"


def discovery(title: str, contact: str) -> bytes:
    """Write the discovery resource (§4.1); the address is relative, so that it holds behind any proxy."""
    return _json({"title": title, "contact": contact, "default": ROOT_PATH, "api_roots": [ROOT_PATH]})


def api_root(title: str) -> bytes:
    """Write the API root (§4.2)."""
    return _json({"title": title, "versions": [TAXII_TYPE], "max_content_length": TAXII_POST.max_bytes})


def collection(value: Collection, *, may_write: bool) -> dict[str, Any]:
    """Return a collection as one account sees it (§5.1)."""
    described = {"description": value.description} if value.description else {}
    return {
        "id": value.id,
        "title": value.title,
        **described,
        "alias": value.alias,
        "can_read": value.can_read,
        "can_write": value.can_write and may_write,
        "media_types": [STIX_TYPE],
    }


def collections(values: Sequence[dict[str, Any]]) -> bytes:
    """Write the collections resource (§5.1)."""
    return _json({"collections": values} if values else {})


def one(value: Mapping[str, Any]) -> bytes:
    """Write a single resource."""
    return _json(value)


def envelope(page: Page, following: str) -> bytes:
    """Write the envelope of a page (§3.7): the objects' own bytes between what is ours."""
    return b"".join((_head(page, following), b'"objects":[', b",".join([each.body for each in page.served]), b"]}"))


def manifest(page: Page, following: str) -> bytes:
    """Write the manifest of a page (§5.3.1)."""
    records = [
        {
            "id": each.released.value.id,
            "date_added": timestamp(each.date_added),
            "version": version_text(each.version),
            "media_type": STIX_TYPE,
        }
        for each in page.served
    ]
    return b"".join((_head(page, following), b'"objects":', msgspec.json.encode(records), b"}"))


def versions(page: Page, following: str) -> bytes:
    """Write the versions of one object (§5.8)."""
    texts = [version_text(each.version) for each in page.served]
    return b"".join((_head(page, following), b'"versions":', msgspec.json.encode(texts), b"}"))


def added(served: Sequence[Served]) -> dict[str, str]:
    """Return the headers that say when the first and the last of these were added; none where there are none."""
    if not served:
        return {}
    return {
        "x-taxii-date-added-first": timestamp(served[0].date_added),
        "x-taxii-date-added-last": timestamp(served[-1].date_added),
    }


def status(
    status_id: str, at: datetime, successes: Sequence[Mapping[str, str]], failures: Sequence[Mapping[str, str]]
) -> bytes:
    """Write the status of a post that is done (§4.3)."""
    return _json(
        {
            "id": status_id,
            "status": "complete",
            "request_timestamp": timestamp(at),
            "total_count": len(successes) + len(failures),
            "success_count": len(successes),
            "successes": successes,
            "failure_count": len(failures),
            "failures": failures,
            "pending_count": 0,
            "pendings": [],
        }
    )


def error(http_status: int, title: str, code: str, description: str = "") -> bytes:
    """Write an error message (§3.6.1)."""
    said = {"description": description} if description else {}
    return _json({"title": title, **said, "error_code": code, "http_status": str(http_status)})


def _head(page: Page, following: str) -> bytes:
    if not page.more:
        return b'{"more":false,'
    return b'{"more":true,"next":' + msgspec.json.encode(following) + b","


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)

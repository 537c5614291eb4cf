"""What the doors say of themselves: the version, MISP's types, who asks, and which warning lists are used."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from mithaq.exchange.misp.answers import Answer, Refused, ok
from mithaq.exchange.misp.catalogue import Organisation
from mithaq.exchange.misp.errors import BadMisp
from mithaq.exchange.misp.keeping import Keeping
from mithaq.exchange.misp.serving import digest
from mithaq.exchange.misp.settings import MAX_VALUES, MISP_VERSION
from mithaq.exchange.misp.visit import Visit
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel.clock import rfc3339
from mithaq.standards.observable import recognise


class Describing:
    """Answer what PyMISP asks before it works, and what an account may know of itself."""

    def __init__(self, organisation: Organisation, keeping: Keeping, warning_lists: WarningLists) -> None:
        self._organisation = organisation
        self._keeping = keeping
        self._warning_lists = warning_lists

    def version(self, visit: Visit, at: datetime) -> Answer:
        """Answer which MISP the node speaks as, and what this account may do."""
        del at
        version = visit.account.misp_version or MISP_VERSION
        may_write = self._keeping.takes(visit.account)
        if visit.place.parts[-1] == "getPyMISPVersion":
            return ok({"version": version})
        return ok(
            {
                "version": version,
                "pymisp_recommended_version": version,
                "perm_sync": may_write,
                "perm_sighting": may_write,
                "perm_galaxy_editor": False,
                "perm_analyst_data": False,
                "uuid": self._organisation.uuid,
                "request_encoding": ["gzip"],
                "filter_sightings": True,
            }
        )

    def types(self, visit: Visit, at: datetime) -> Answer:
        """Answer MISP's categories and types of attributes, as PyMISP publishes them."""
        del visit, at
        body = _types()
        return Answer(200, body, etag=digest(body))

    def user(self, visit: Visit, at: datetime) -> Answer:
        """Answer who asks; of others nobody is told.

        Raises:
            Refused: somebody else is asked for.
        """
        del at
        if visit.place.parts[-1] not in ("me", "1", visit.constituent.id):
            raise Refused(404, "Invalid user")
        account = visit.account
        return ok(
            {
                "User": {"id": "1", "org_id": "1", "role_id": "1", "email": visit.constituent.id, "disabled": False,
                         "date_created": str(int(account.created_at.timestamp())),
                         "expiration": rfc3339(account.expires_at)},
                "Role": self._role(visit),
                "UserSetting": [],
                "Organisation": self._asker(visit),
            }
        )  # fmt: skip

    def roles(self, visit: Visit, at: datetime) -> Answer:
        """Answer the one role there is: what this account may do."""
        del at
        return ok([{"Role": self._role(visit)}])

    def organisations(self, visit: Visit, at: datetime) -> Answer:
        """Answer the two organisations that there are for an account: its own, and this nation's CERT."""
        del at
        wanted = visit.place.last("searchall").lower()
        return ok(
            [{"Organisation": each} for each in self._known(visit) if not wanted or wanted in each["name"].lower()]
        )

    def one_organisation(self, visit: Visit, at: datetime) -> Answer:
        """Answer one of the two, by its uuid, number or name.

        Raises:
            Refused: it is another one.
        """
        del at
        wanted = visit.place.parts[-1].lower()
        for each in self._known(visit):
            if wanted in (each["uuid"], each["id"], each["name"].lower()):
                return ok({"Organisation": each})
        raise Refused(404, "Invalid organisation")

    def warning_lists(self, visit: Visit, at: datetime) -> Answer:
        """Answer the names of the warning lists in use."""
        del visit, at
        return ok({"Warninglists": [{"Warninglist": _list(name)} for name in self._warning_lists.names()]})

    def one_warning_list(self, visit: Visit, at: datetime) -> Answer:
        """Answer one warning list by its number or name; what stands on it is asked value by value.

        Raises:
            Refused: there is none.
        """
        del at
        wanted = visit.place.parts[-1]
        for name in self._warning_lists.names():
            if wanted in (name, list_number(name)):
                return ok({"Warninglist": _list(name)})
        raise Refused(404, "Invalid warninglist")

    def warned(self, visit: Visit, at: datetime) -> Answer:
        """Answer on which warning lists values stand.

        Raises:
            BadMisp: it is no list of values.
        """
        del at
        asked = visit.json()
        values = [asked] if isinstance(asked, str) else asked.get("value", []) if isinstance(asked, dict) else asked
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or len(values) > MAX_VALUES or not all(isinstance(v, str) for v in values):
            raise BadMisp("this is no list of at most %(max)s values", max=MAX_VALUES)
        found = {}
        for value in values:
            observable = recognise(value)
            lists = self._warning_lists.warned(observable) if observable else ()
            if lists:
                found[value] = [{"id": list_number(name), "name": name, "matched": value} for name in lists]
        return ok(found or [])

    def _role(self, visit: Visit) -> dict[str, Any]:
        may_write = self._keeping.takes(visit.account)
        written = ("sync", "sighting", "add", "modify", "tagger", "publish")
        return {
            "id": "1", "name": "constituent", "perm_auth": True, "perm_admin": False, "perm_site_admin": False,
            **{f"perm_{name}": may_write for name in written},
        }  # fmt: skip

    def _known(self, visit: Visit) -> list[dict[str, str]]:
        return [self._asker(visit), {"id": "2", "name": self._organisation.name, "uuid": self._organisation.uuid}]

    def _asker(self, visit: Visit) -> dict[str, str]:
        name = next(iter(visit.constituent.names.values()), visit.constituent.id)
        return {"id": "1", "name": name, "uuid": self._keeping.organisation(visit.constituent.id)}


def tested(visit: Visit, at: datetime) -> Answer:
    """Answer MISP's test of a connection: what it sent comes back."""
    del at
    value = visit.json() if visit.body else {}
    said = value.get("testString", "") if isinstance(value, dict) else ""
    headers = {"Content-type": "application/json", "Accept": "application/json", "Authorization": "OK"}
    return ok({"body": {"testString": said}, "headers": headers})


def list_number(name: str) -> str:
    """Return a number for a warning list, the same at each node."""
    return str(int(hashlib.sha256(name.encode()).hexdigest()[:7], 16))


def _list(name: str) -> Mapping[str, Any]:
    return {"id": list_number(name), "name": name, "enabled": True}


@cache
def _types() -> bytes:
    """Return the description that comes with PyMISP, on which the converter of MISP files stands."""
    return Path(str(distribution("pymisp").locate_file("pymisp/data/describeTypes.json"))).read_bytes()

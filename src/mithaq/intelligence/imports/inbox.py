"""Take e-mails in, each once: structured attachments through their own doors, everything else into the reports tray.

Nothing of a mail becomes an object by itself unless what is attached is structured and the settings for this mailbox
name its door. Anybody can write any sender: who a mail says it is from decides nothing.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, select, update

from mithaq.intelligence.errors import BadMailbox, NotInTray
from mithaq.intelligence.imports.bundle import import_bundle
from mithaq.intelligence.imports.csaf import import_csaf
from mithaq.intelligence.imports.documents import MEDIA_TYPES, Part, ReadDocument, kind_of, read_document
from mithaq.intelligence.imports.lists.mapping import Mapping
from mithaq.intelligence.imports.lists.objects import import_list
from mithaq.intelligence.imports.misp import KeepEvent, import_misp
from mithaq.intelligence.imports.tally import reason_of
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.intelligence.service import Holdings
from mithaq.intelligence.settings import PAGE_UPLOAD
from mithaq.intelligence.tables import inbox
from mithaq.intelligence.warninglists import WarningLists
from mithaq.kernel import canonical
from mithaq.kernel.database import insert_ignore
from mithaq.kernel.errors import Error
from mithaq.kernel.lane import Lane
from mithaq.kernel.reason import Reason
from mithaq.standards.csaf import is_advisory
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

Door = Literal["stix", "misp", "csaf", "csv"]
MAX_SETTINGS_BYTES: Final = 128 * 1024
MAX_STRUCTURED: Final = 20
"""Parts of one message that are taken through a door."""

_MAX_HEAD_CHARS: Final = 500

_CLOSED: Final = Reason("mail-door-closed", "the settings of this mailbox do not take %(door)s", {},
                        "name it under `take` in the settings")  # fmt: skip
_NO_DOOR: Final = Reason("mail-no-door", "it is nothing that is read here")
_TOO_MANY: Final = Reason("mail-too-many-parts", "there are more parts than are read")
_TOO_LARGE: Final = Reason("mail-too-large", "the message is larger than is read")


class InboxSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one mailbox may bring in by itself: which structured files, under which labels at least.

    `mapping` says what the columns of its CSV files mean.
    """

    take: tuple[Door, ...] = ()
    tlp: str = "TLP:RED"
    pap: str | None = None
    mapping: Mapping | None = None

    def __post_init__(self) -> None:
        if Tlp.parse(self.tlp) is None or (self.pap is not None and Pap.parse(self.pap) is None):
            raise BadMailbox("`tlp` and `pap` are labels, for instance TLP:AMBER and PAP:GREEN")
        if "csv" in self.take and (self.mapping is None or self.mapping.form != "csv"):
            raise BadMailbox("who takes csv says with a `mapping` of the form csv what its columns mean")


def read_settings(document: bytes) -> InboxSettings:
    """Read a mailbox's settings from JSON.

    Raises:
        BadMailbox, BadMapping: no JSON, a field that is not known, or one that cannot be.
    """
    try:
        return msgspec.json.decode(document[: MAX_SETTINGS_BYTES + 1], type=InboxSettings)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadMailbox("%(detail)s", detail=str(error)[:300]) from error


@dataclass(frozen=True, slots=True)
class PartOutcome:
    """What became of one part of a message: stored through a door, or left with the reason."""

    name: str
    door: str
    report: ImportReport | None
    reasons: tuple[Reason, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "name": self.name,
            "door": self.door,
            "stored": self.report.stored if self.report else 0,
            "duplicates": self.report.duplicates if self.report else 0,
            "refused": self.report.refused_count if self.report else 0,
            "reasons": [reason.as_json() for reason in self.reasons[:20]],
        }


@dataclass(frozen=True, slots=True)
class TrayItem:
    """One message that was taken; `state`: `waiting` for a person, or `done`."""

    row: int
    lane: Lane
    subject: str
    sender: str
    original: str | None
    state: str
    outcome: tuple[dict[str, Any], ...]
    taken_at: datetime


class Inbox:
    """Messages as they are taken, and the tray of those with a text to be read; `keep` is how MISP events are kept."""

    def __init__(self, holdings: Holdings, warning_lists: WarningLists | None, keep: KeepEvent) -> None:
        self._holdings = holdings
        self._warning_lists = warning_lists
        self._keep = keep

    def take(self, message: bytes | None, name: str, settings: InboxSettings, terms: ImportTerms, at: datetime) -> bool:
        """Take one message; False where it was taken before. When this returns, it may be moved away.

        Parts are stored before the message is noted, and each storing may be repeated: a crash in between loses
        nothing and doubles nothing. None is a message that is too large: it is noted by its name.
        """
        if message is None:
            return self._note(hashlib.sha256(name.encode()).hexdigest(), None, {}, [_left(name, _TOO_LARGE)], terms, at)
        try:
            document = read_document(message, name if kind_of(message, name) == "mail" else f"{name}.eml")
        except Error as error:
            key = _key("", message)
            return self._note(key, message, {}, [_left(name, reason_of(error))], terms, at)
        key = _key(document.head.get("message-id", ""), message)
        with self._holdings.db.read() as connection:
            if connection.execute(select(inbox.c.row).where(inbox.c.key == key)).first() is not None:
                return False
        given = replace(
            terms,
            tlp=Tlp.parse(settings.tlp),
            pap=Pap.parse(settings.pap) if settings.pap else None,
            carried={**terms.carried, "mail": {"message_id": document.head.get("message-id", "")[:_MAX_HEAD_CHARS]}},
        )
        outcomes = list(self._parts(document.parts, settings, given, at))
        outcomes += [_left(left, reason) for left, reason in document.left]
        return self._note(key, message, document.head, outcomes, terms, at, has_text=_has_text(document))

    def tray(self, connection: Connection, *, every: bool = False, limit: int = 200) -> list[TrayItem]:
        """Return the messages whose text waits to be read, oldest first; or the newest of all."""
        query = select(inbox)
        if every:
            query = query.order_by(inbox.c.row.desc())
        else:
            query = query.where(inbox.c.state == "waiting").order_by(inbox.c.row)
        return [_item(row) for row in connection.execute(query.limit(limit))]

    def item(self, connection: Connection, row: int) -> TrayItem:
        """Return what was noted of a message.

        Raises:
            NotInTray: there is none under this number.
        """
        found = connection.execute(select(inbox).where(inbox.c.row == row)).one_or_none()
        if found is None:
            raise NotInTray("there is no message under this number", subject=str(row))
        return _item(found)

    def message(self, connection: Connection, row: int) -> bytes:
        """Return a message of the tray, byte for byte.

        Raises:
            NotInTray: there is none under this number.
        """
        found = connection.execute(select(inbox.c.original).where(inbox.c.row == row)).scalar_one_or_none()
        body = self._holdings.original(connection, found) if found else None
        if body is None:
            raise NotInTray("there is no message under this number", subject=str(row))
        return body

    def close(self, row: int, at: datetime) -> None:
        """Take a message out of the tray: it was read.

        Raises:
            NotInTray: it does not wait there.
        """
        with self._holdings.db.write(at) as tx:
            here = (inbox.c.row == row, inbox.c.state == "waiting")
            if tx.execute(update(inbox).where(*here).values(state="done")).rowcount != 1:
                raise NotInTray("there is no message under this number", subject=str(row))

    def _parts(
        self, parts: Sequence[Part], settings: InboxSettings, terms: ImportTerms, at: datetime
    ) -> Iterator[PartOutcome]:
        """Take the parts of one message, so many of them through a door: each conversion may take its time."""
        taken = 0
        for part in parts:
            if taken >= MAX_STRUCTURED:
                yield _left(part.name, _TOO_MANY)
                continue
            outcome = self._part(part, settings, terms, at)
            taken += outcome.report is not None
            yield outcome

    def _part(self, part: Part, settings: InboxSettings, terms: ImportTerms, at: datetime) -> PartOutcome:
        door = door_of(part)
        if door is None:
            return PartOutcome(part.name, "tray" if _is_readable(part) else "",
                               None, () if _is_readable(part) else (_NO_DOOR,))  # fmt: skip
        if door not in settings.take:
            return PartOutcome(
                part.name, door, None, (Reason(_CLOSED.code, _CLOSED.message, {"door": door}, _CLOSED.remedy),)
            )
        try:
            report = self._through(door, part.body, settings)(terms, at)
        except Error as error:
            return PartOutcome(part.name, door, None, (reason_of(error),))
        reasons = [reason for _, reason in report.refused] + ([report.broken] if report.broken else [])
        return PartOutcome(part.name, door, report, tuple(reasons))

    def _through(
        self, door: Door, body: bytes, settings: InboxSettings
    ) -> Callable[[ImportTerms, datetime], ImportReport]:
        holdings, lists, mapping = self._holdings, self._warning_lists, settings.mapping
        match door:
            case "stix":
                return lambda terms, at: import_bundle(
                    holdings, body, door=PAGE_UPLOAD, terms=terms, warning_lists=lists, at=at
                )
            case "misp":
                return lambda terms, at: import_misp(
                    holdings, body, terms=terms, warning_lists=lists, keep=self._keep, at=at
                )
            case "csaf":
                return lambda terms, at: import_csaf(holdings, body, terms=terms, warning_lists=lists, at=at)
            case "csv":
                if mapping is None:
                    raise BadMailbox("who takes csv says with a `mapping` of the form csv what its columns mean")
                return lambda terms, at: import_list(
                    holdings, io.BytesIO(body), mapping=mapping, terms=terms, warning_lists=lists, at=at
                )

    def _note(
        self,
        key: str,
        message: bytes | None,
        head: dict[str, str],
        outcomes: Sequence[PartOutcome],
        terms: ImportTerms,
        at: datetime,
        *,
        has_text: bool = False,
    ) -> bool:
        """Write down that a message was taken, with everything that became of it, in one transaction."""
        with self._holdings.db.write(at) as tx:
            if tx.execute(select(inbox.c.row).where(inbox.c.key == key)).first() is not None:
                return False
            original = self._holdings.keep_original(tx, MEDIA_TYPES["mail"], message) if message is not None else None
            row = {
                "key": key,
                "lane": str(terms.lane),
                "subject": head.get("subject", "")[:_MAX_HEAD_CHARS],
                "sender": head.get("from", "")[:_MAX_HEAD_CHARS],
                "original": original,
                "state": "waiting" if has_text else "done",
                "outcome": [each.as_json() for each in outcomes],
                "taken_at": at,
            }
            insert_ignore(tx, inbox, [row])
            detail = {"parts": len(outcomes), "stored": sum(each.report.stored for each in outcomes if each.report)}
            tx.append("intelligence.mail", subject=original or key, lane=terms.lane, actor="node", detail=detail)
        return True


def door_of(part: Part) -> Door | None:
    """Return the door that an attachment belongs to, by what it holds; a CSV says nothing itself, but its name does."""
    head = part.body[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head[:1] in (b"{", b"["):
        try:
            content = canonical.loads(part.body.removeprefix(b"\xef\xbb\xbf"))
        except Error:
            content = None
        match content:
            case {"type": "bundle"}:
                return "stix"
            case {"Event": _} | {"response": _} | [{"Event": _}, *_]:
                return "misp"
        return "csaf" if is_advisory(content) else None
    return "csv" if part.name.lower().endswith(".csv") else None


def _key(message_id: str, message: bytes) -> str:
    return hashlib.sha256(f"{message_id}\n{hashlib.sha256(message).hexdigest()}".encode()).hexdigest()


def _has_text(document: ReadDocument) -> bool:
    """Tell whether there is something for a person to read."""
    return bool(document.text.strip()) or any(door_of(part) is None and _is_readable(part) for part in document.parts)


def _is_readable(part: Part) -> bool:
    return kind_of(part.body) == "pdf" or b"\x00" not in part.body


def _left(name: str, reason: Reason) -> PartOutcome:
    return PartOutcome(name, "", None, (reason,))


def _item(row: Any) -> TrayItem:
    return TrayItem(
        row.row, Lane(row.lane), row.subject, row.sender, row.original, row.state, tuple(row.outcome), row.taken_at
    )

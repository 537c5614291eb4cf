"""Write the machine part of an agreement from options and a file of terms."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import Agreement, Document, Party
from mithaq.agreements.rules import payload_of, read_document
from mithaq.agreements.terms import Terms
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId, new_id
from mithaq.nations.model import Card

MAX_TERMS_BYTES = 64 * 1024
_LANGUAGES = ("ar", "en", "fr")
DEFAULT_TERMS: dict[str, Any] = {
    "kinds": ["indicator", "sighting"],
    "tlp_ceiling": "TLP:AMBER",
    "pap_ceiling": "PAP:AMBER",
    "purposes": ["defence"],
    "onward": {"mode": "none", "constituents": False},
    "retention_days": 90,
    "lanes": ["actual", "exercise"],
}
"""What a draft says where nothing else is asked for: little, for a short time, to nobody else."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody asked for: the parties' cards, titles by language, terms, and from when to when.

    `terms` come from a file, `asked` and `onward` from options, which win.
    """

    cards: Sequence[Card]
    titles: Mapping[str, str]
    terms: Mapping[str, Any]
    asked: Mapping[str, Any]
    onward: Mapping[str, Any]
    not_before: datetime
    valid_days: int

    def document(self, amends: Agreement | None) -> Document:
        """Return the document: a first version, or the next one of the agreement it amends.

        Raises:
            BadAgreement: a term is not in the vocabulary, or the document breaks another rule.
        """
        earlier = amends.document if amends else None
        terms = (msgspec.to_builtins(earlier.terms) if earlier else DEFAULT_TERMS) | dict(self.terms) | dict(self.asked)
        value = {
            "format_version": 1,
            "id": earlier.id if earlier else new_id("agreement"),
            "version": earlier.version + 1 if earlier else 1,
            "previous_hash": amends.reference.hash if amends else None,
            "title": dict(self.titles) or msgspec.to_builtins(earlier.title if earlier else self._title()),
            "parties": self._parties() or msgspec.to_builtins(earlier.parties if earlier else []),
            "terms": terms | {"onward": terms["onward"] | dict(self.onward)},
            "not_before": rfc3339(self.not_before),
            "not_after": rfc3339(self.not_before + timedelta(days=self.valid_days)),
        }
        try:
            document = msgspec.convert(value, Document)
        except msgspec.ValidationError as error:
            raise BadAgreement("not in the agreement's vocabulary: %(detail)s", detail=str(error)[:200]) from error
        return read_document(payload_of(document))

    def _title(self) -> dict[str, str]:
        return {"en": f"Agreement of {', '.join(sorted(card.nation for card in self.cards))}"}

    def _parties(self) -> list[dict[str, Any]]:
        parties = {NationId(card.nation): card for card in self.cards}
        return [
            msgspec.to_builtins(Party(nation, card.verify_key.key_id, _names(card)))
            for nation, card in sorted(parties.items())
        ]


def _names(card: Card) -> Any:
    return {language: card.names[language] for language in _LANGUAGES if card.names.get(language)}


def terms_of_file(data: bytes, subject: str) -> dict[str, Any]:
    """Read a file of terms: TOML whose fields are those of an agreement's terms.

    Raises:
        BadAgreement: it is no TOML, or names a term that does not exist.
    """
    try:
        terms = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadAgreement("no TOML: %(detail)s", subject=subject, detail=str(error)[:120]) from error
    known = {field.name for field in msgspec.structs.fields(Terms)}
    for name in terms:
        if name not in known:
            raise BadAgreement(
                "there is no term %(name)s; the terms are %(known)s",
                subject=subject,
                name=name[:40],
                known=", ".join(sorted(known)),
            )
    return terms

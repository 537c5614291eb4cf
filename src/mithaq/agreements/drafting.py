"""Write the machine part of an agreement from options and a file of terms."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mithaq.agreements.errors import BadAgreement
from mithaq.agreements.model import Agreement, Document, LegalText, Official, Party, Signatories
from mithaq.agreements.rules import payload_of, read_document
from mithaq.agreements.templates import Template
from mithaq.agreements.terms import Terms
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.ids import NationId, new_id
from mithaq.nations.model import Card

MAX_TERMS_BYTES = 64 * 1024
DEFAULT_DAYS = 365
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

    A template, where there is one, is the ground; `terms` from a file win over it, `asked` and `onward` from options
    win over both. `officials` are this nation's, `threshold` of whom sign; `own` says which nation that is.
    """

    cards: Sequence[Card]
    titles: Mapping[str, str]
    terms: Mapping[str, Any]
    asked: Mapping[str, Any]
    onward: Mapping[str, Any]
    not_before: datetime
    valid_days: int | None = None
    template: Template | None = None
    own: str = ""
    officials: Sequence[Official] = ()
    threshold: int = 1
    legal_text: LegalText | None = None

    def document(self, amends: Agreement | None) -> Document:
        """Return the document: a first version, or the next one of the agreement it amends.

        Raises:
            BadAgreement: a term is not in the vocabulary, or the document breaks another rule.
        """
        earlier = amends.document if amends else None
        value: dict[str, Any] = msgspec.to_builtins(earlier) if earlier else self._fresh()
        value |= {
            "version": earlier.version + 1 if earlier else 1,
            "previous_hash": amends.reference.hash if amends else None,
            "terms": self._terms(value["terms"]),
            "not_before": rfc3339(self.not_before),
            "not_after": rfc3339(self.not_before + timedelta(days=self._days())),
        }
        value |= {"title": dict(self.titles)} if self.titles else {}
        value |= {"parties": self._parties(value["terms"])} if self.cards else {}
        value |= {"legal_text": msgspec.to_builtins(self.legal_text)} if self.legal_text else {}
        self._name_officials(value["parties"])
        try:
            document = msgspec.convert(value, Document)
        except msgspec.ValidationError as error:
            raise BadAgreement("not in the agreement's vocabulary: %(detail)s", detail=str(error)[:200]) from error
        return read_document(payload_of(document))

    def _fresh(self) -> dict[str, Any]:
        """Return what a first version says before anybody asked for anything."""
        ground = self.template
        title = (
            ground.title if ground else {"en": f"Agreement of {', '.join(sorted(card.nation for card in self.cards))}"}
        )
        fresh: dict[str, Any] = {
            "format_version": 1,
            "id": new_id("agreement"),
            "title": dict(title),
            "parties": [],
            "terms": dict(ground.terms) if ground else DEFAULT_TERMS,
        }
        if ground and (entry := ground.entry(len(self.cards))):
            fresh["entry"] = entry
        if ground and ground.renewal:
            fresh["renewal"] = dict(ground.renewal)
        return fresh

    def _terms(self, ground: Mapping[str, Any]) -> dict[str, Any]:
        terms = dict(ground) | dict(self.terms) | dict(self.asked)
        return terms | {"onward": terms["onward"] | dict(self.onward)}

    def _days(self) -> int:
        return self.valid_days or (self.template.valid_days if self.template else DEFAULT_DAYS)

    def _parties(self, terms: Mapping[str, Any]) -> list[dict[str, Any]]:
        parties = {NationId(card.nation): card for card in self.cards}
        asks_for_contact = terms.get("emergency_contact") is not None
        return [
            msgspec.to_builtins(
                Party(
                    nation,
                    card.verify_key.key_id,
                    _names(card),
                    contacts={"emergency": card.contact} if asks_for_contact and card.contact else None,
                )
            )
            for nation, card in sorted(parties.items())
        ]

    def _name_officials(self, parties: list[dict[str, Any]]) -> None:
        if not self.officials:
            return
        signatories = msgspec.to_builtins(Signatories(self.threshold, list(self.officials)))
        for party in parties:
            if party["nation"] == self.own:
                party["signatories"] = signatories


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

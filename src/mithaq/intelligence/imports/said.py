"""What an importer says of each object."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from mithaq.intelligence.model import ImportTerms, Provenance
from mithaq.intelligence.rules import is_only_named, labels
from mithaq.standards.admiralty import admiralty_of
from mithaq.standards.stix import StixObject

_MAX_KNOWN: Final = 1000


class Said:
    """The words of one import: the labels of each are the stricter of the object's own and the importer's."""

    def __init__(self, terms: ImportTerms, at: datetime) -> None:
        self._terms = terms
        self._at = at
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...], bool], Provenance] = {}

    def of(self, parsed: StixObject) -> Provenance:
        """Return the word for one object; objects with the same labels share it."""
        key = (parsed.object_marking_refs, parsed.labels, is_only_named(parsed, self._terms))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = self._word(parsed)
        return known

    def _word(self, parsed: StixObject) -> Provenance:
        terms = self._terms
        tlp, pap, labelled = labels(parsed, terms)
        return Provenance(
            source=terms.source,
            nation=terms.nation,
            agreement_id=None,
            agreement_version=None,
            release_id=None,
            purpose=terms.purpose,
            tlp=tlp,
            pap=pap,
            carried=terms.carried,
            received_at=self._at,
            original=terms.original,
            admiralty=terms.admiralty or admiralty_of(parsed.labels) or terms.tagged,
            labelled=labelled,
        )

"""What a rule asked of an event and was answered with yes, for people."""

from __future__ import annotations

from collections.abc import Sequence

from mithaq.detection.sigma import settings
from mithaq.detection.sigma.fields import Fields, texts_of, value_of
from mithaq.detection.sigma.model import JSON_LINE, LINE, Detection, SameAs, affirmed

Asking = tuple[str, str]
"""A field and its value that answered a rule's question with yes; the field is empty for a keyword in the line."""


def answers_of(detection: Detection, true: Sequence[bool], fields: Fields) -> list[Asking]:
    """Return what was answered with yes; what a rule says must not be tells nothing.

    `true`: of each of its predicates whether the event makes it true.
    """
    told: list[Asking] = []
    for leaf in affirmed(detection.condition):
        if isinstance(leaf, SameAs):
            told.append((leaf.field, _shown(value_of(fields, leaf.field))))
        elif true[leaf.predicate]:
            predicate = detection.predicates[leaf.predicate]
            if predicate.field in (LINE, JSON_LINE):
                told.append(("", predicate.value[: settings.MAX_SHOWN_CHARS]))
            else:
                told.append((predicate.field, _shown(value_of(fields, predicate.field))))
    return list(dict.fromkeys(told))


def _shown(value: object) -> str:
    return ", ".join(texts_of(value))[: settings.MAX_SHOWN_CHARS]

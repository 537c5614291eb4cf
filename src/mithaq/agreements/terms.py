"""Every term of an agreement: how it is kept, and its plain sentence."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TermRule:
    """How one term is kept: prevented by the gate, executed as an obligation, or kept as evidence."""

    name: str
    kept_by: Literal["prevent", "oblige", "audit"]
    sentence: str


TERMS = (
    TermRule("kinds", "prevent", "Only these kinds of object are shared: %(value)s."),
    TermRule(
        "tlp_ceiling", "prevent", "Nothing labelled above %(value)s is shared; an unlabelled object counts as TLP:RED."
    ),
    TermRule("pap_ceiling", "prevent", "Nothing labelled above %(value)s is shared."),
    TermRule("purposes", "prevent", "Objects serve these purposes and no other: %(value)s."),
    TermRule("onward", "prevent", "Passing on to third parties: %(value)s."),
    TermRule("retention_days", "oblige", "The recipient deletes an object %(value)s days after it was released."),
    TermRule("lanes", "prevent", "Lanes that may be used: %(value)s."),
)

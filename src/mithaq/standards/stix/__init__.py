"""STIX 2.1 (OASIS): objects, bundles and patterns."""

from mithaq.standards.errors import BadBundle, BadObject
from mithaq.standards.stix.bundle import Piece, Readable, Refused, nesting_exceeds, split_bundle
from mithaq.standards.stix.meaning import meaning_of
from mithaq.standards.stix.objects import (
    MAX_DEPTH,
    MAX_OBJECT_BYTES,
    StixObject,
    fields_of,
    is_uuid,
    parse,
    parse_fields,
)
from mithaq.standards.stix.pattern import ReadPattern, matchable, read_pattern
from mithaq.standards.stix.plan import Plan, plan_of

__all__ = [
    "MAX_DEPTH",
    "MAX_OBJECT_BYTES",
    "BadBundle",
    "BadObject",
    "Piece",
    "Plan",
    "ReadPattern",
    "Readable",
    "Refused",
    "StixObject",
    "fields_of",
    "is_uuid",
    "matchable",
    "meaning_of",
    "nesting_exceeds",
    "parse",
    "parse_fields",
    "plan_of",
    "read_pattern",
    "split_bundle",
]

"""STIX 2.1 (OASIS): objects, bundles and patterns."""

from mithaq.standards.errors import BadBundle, BadObject
from mithaq.standards.stix.bundle import Piece, Readable, Refused, nesting_exceeds, split_bundle
from mithaq.standards.stix.fields import is_uuid
from mithaq.standards.stix.glance import Glance, glance, valid_from
from mithaq.standards.stix.meaning import meaning_of
from mithaq.standards.stix.objects import (
    MAX_DEPTH,
    MAX_OBJECT_BYTES,
    StixObject,
    fields_of,
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
    "Glance",
    "Piece",
    "Plan",
    "ReadPattern",
    "Readable",
    "Refused",
    "StixObject",
    "fields_of",
    "glance",
    "is_uuid",
    "matchable",
    "meaning_of",
    "nesting_exceeds",
    "parse",
    "parse_fields",
    "plan_of",
    "read_pattern",
    "split_bundle",
    "valid_from",
]

"""The closed lists that an agreement's words are taken from.

Source: TLP 2.0 and IEP 2.0 (FIRST), PAP, STIX 2.1 §4 and §10.10 (`industry-sector-ov`), CVSS 4.0 §6 (severity ratings).
"""

from typing import Annotated, Literal

import msgspec

TlpName = Literal["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
PapName = Literal["PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED"]
Purpose = Literal["defence", "warning", "exercise", "research", "statistics", "law-enforcement", "attribution"]
ObjectKind = Literal[
    "attack-pattern", "campaign", "course-of-action", "grouping", "identity", "incident", "indicator",
    "infrastructure", "intrusion-set", "location", "malware", "malware-analysis", "marking-definition", "note",
    "observed-data", "opinion", "relationship", "report", "sighting", "threat-actor", "tool", "vulnerability",
]  # fmt: skip
LaneKind = Literal["actual", "test", "exercise"]
Sector = Literal[
    "agriculture", "aerospace", "automotive", "chemical", "commercial", "communications", "construction", "defense",
    "education", "energy", "entertainment", "financial-services", "government", "emergency-services",
    "government-local", "government-national", "government-public-services", "government-regional", "healthcare",
    "hospitality-leisure", "infrastructure", "dams", "nuclear", "water", "insurance", "manufacturing", "mining",
    "non-profit", "pharmaceuticals", "retail", "technology", "telecommunications", "transportation", "utilities",
]  # fmt: skip
SeverityName = Literal["low", "medium", "high", "critical"]
ContentClass = Literal["classified", "law-enforcement-sealed", "vulnerability-under-embargo", "personal-data"]
"""Content that an agreement may exclude, as the object's own `content:` label names it."""

PermittedAction = Literal[
    "none", "contact-for-instruction", "internally-visible-actions", "externally-visible-indirect-actions",
    "externally-visible-direct-actions",
]  # fmt: skip
"""IEP 2.0 `permitted_actions`, from the narrowest to the widest."""

FieldClass = Literal["source-identity", "victim-identity", "personal-data", "internal-address", "free-text"]
"""What of an object may have to be protected before it leaves."""

Operation = Literal["drop", "generalise", "pseudonymise", "truncate"]
PartyRole = Literal["party", "associate", "observer"]
"""A party gives and receives, an associate only receives, an observer sees the agreement and no objects."""

RequestKind = Literal["information", "assistance", "takedown", "deconfliction"]
Urgency = Literal["routine", "urgent", "emergency"]
Licence = Literal["none", "internal-use", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0"]
Language = Literal["ar", "en", "fr"]

Code = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{2}$")]
Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Key = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9+/]{2,4000}={0,2}$")]
CampaignId = Annotated[str, msgspec.Meta(pattern=r"^campaign--[0-9a-f-]{36}$")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Words = dict[Language, Annotated[str, msgspec.Meta(min_length=1, max_length=500)]]
Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
Hours = Annotated[int, msgspec.Meta(ge=1, le=24 * 366)]
Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]
Count = Annotated[int, msgspec.Meta(ge=1, le=200)]

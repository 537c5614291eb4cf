"""A word for every value of the closed lists of an agreement.

Labels (TLP, PAP) and Creative Commons licences are names of a standard, the same in every language.
"""

from typing import get_args

from mithaq.agreements.vocabulary import PapName, TlpName
from mithaq.node.language import msgid

KINDS = {
    "attack-pattern": msgid("attack patterns"),
    "campaign": msgid("campaigns"),
    "course-of-action": msgid("courses of action"),
    "grouping": msgid("groupings"),
    "identity": msgid("identities"),
    "incident": msgid("incidents"),
    "indicator": msgid("indicators"),
    "infrastructure": msgid("attackers’ infrastructure"),
    "intrusion-set": msgid("intrusion sets"),
    "location": msgid("locations"),
    "malware": msgid("malware"),
    "malware-analysis": msgid("malware analyses"),
    "marking-definition": msgid("marking definitions"),
    "note": msgid("notes"),
    "observed-data": msgid("observed data"),
    "opinion": msgid("opinions"),
    "relationship": msgid("relationships"),
    "report": msgid("reports"),
    "sighting": msgid("sightings"),
    "threat-actor": msgid("threat actors"),
    "tool": msgid("tools"),
    "vulnerability": msgid("vulnerabilities"),
}
PURPOSES = {
    "defence": msgid("defence"),
    "warning": msgid("warning"),
    "exercise": msgid("exercise"),
    "research": msgid("research"),
    "statistics": msgid("statistics"),
    "law-enforcement": msgid("law enforcement"),
    "attribution": msgid("attribution"),
}
LANES = {
    "actual": msgid("the real lane"),
    "test": msgid("the test lane"),
    "exercise": msgid("the lanes of exercises"),
}
SECTORS = {
    "agriculture": msgid("agriculture"),
    "aerospace": msgid("aerospace"),
    "automotive": msgid("automotive industry"),
    "chemical": msgid("chemical industry"),
    "commercial": msgid("commerce"),
    "communications": msgid("communications"),
    "construction": msgid("construction"),
    "defense": msgid("armed forces and defence industry"),
    "education": msgid("education"),
    "energy": msgid("energy"),
    "entertainment": msgid("entertainment"),
    "financial-services": msgid("financial services"),
    "government": msgid("government"),
    "emergency-services": msgid("emergency services"),
    "government-local": msgid("local government"),
    "government-national": msgid("national government"),
    "government-public-services": msgid("public services"),
    "government-regional": msgid("regional government"),
    "healthcare": msgid("healthcare"),
    "hospitality-leisure": msgid("hospitality and leisure"),
    "infrastructure": msgid("critical infrastructure"),
    "dams": msgid("dams"),
    "nuclear": msgid("nuclear industry"),
    "water": msgid("water"),
    "insurance": msgid("insurance"),
    "manufacturing": msgid("manufacturing"),
    "mining": msgid("mining"),
    "non-profit": msgid("non-profit organisations"),
    "pharmaceuticals": msgid("pharmaceutical industry"),
    "retail": msgid("retail"),
    "technology": msgid("technology"),
    "telecommunications": msgid("telecommunications"),
    "transportation": msgid("transportation"),
    "utilities": msgid("utilities"),
}
SEVERITIES = {
    "low": msgid("low"),
    "medium": msgid("medium"),
    "high": msgid("high"),
    "critical": msgid("critical"),
}
CONTENTS = {
    "classified": msgid("classified content"),
    "law-enforcement-sealed": msgid("content under seal of a court"),
    "vulnerability-under-embargo": msgid("vulnerabilities under embargo"),
    "personal-data": msgid("personal data"),
}
ACTIONS = {
    "none": msgid("no action at all"),
    "contact-for-instruction": msgid("asking the originator for instructions"),
    "internally-visible-actions": msgid("actions visible only inside its own networks"),
    "externally-visible-indirect-actions": msgid("actions that outsiders may notice indirectly"),
    "externally-visible-direct-actions": msgid("actions that outsiders see directly"),
}
FIELDS = {
    "source-identity": msgid("the identity of the source"),
    "victim-identity": msgid("the identity of the victim"),
    "personal-data": msgid("personal data"),
    "internal-address": msgid("internal addresses"),
    "free-text": msgid("free text"),
}
OPERATIONS = {
    "drop": msgid("removal"),
    "generalise": msgid("generalisation"),
    "pseudonymise": msgid("replacement by a pseudonym"),
    "truncate": msgid("truncation"),
}
ROLES = {
    "party": msgid("a party that gives and receives objects"),
    "associate": msgid("an associate that only receives objects"),
    "observer": msgid("an observer that sees the agreement and receives no objects"),
}
REQUESTS = {
    "information": msgid("information"),
    "assistance": msgid("assistance"),
    "takedown": msgid("the takedown of a service"),
    "deconfliction": msgid("the deconfliction of operations"),
}
URGENCIES = {
    "routine": msgid("routine"),
    "urgent": msgid("urgent"),
    "emergency": msgid("an emergency"),
}
LICENCES = {
    "none": msgid("no licence"),
    "internal-use": msgid("internal use"),
    "CC-BY-4.0": "CC-BY-4.0",
    "CC-BY-SA-4.0": "CC-BY-SA-4.0",
    "CC0-1.0": "CC0-1.0",
}
LANGUAGES = {
    "ar": msgid("Arabic"),
    "en": msgid("English"),
    "fr": msgid("French"),
}
VOCABULARY = {
    "TlpName": {label: label for label in get_args(TlpName)},
    "PapName": {label: label for label in get_args(PapName)},
    "Purpose": PURPOSES,
    "ObjectKind": KINDS,
    "LaneKind": LANES,
    "Sector": SECTORS,
    "SeverityName": SEVERITIES,
    "ContentClass": CONTENTS,
    "PermittedAction": ACTIONS,
    "FieldClass": FIELDS,
    "Operation": OPERATIONS,
    "PartyRole": ROLES,
    "RequestKind": REQUESTS,
    "Urgency": URGENCIES,
    "Licence": LICENCES,
    "Language": LANGUAGES,
}
"""The words of each closed list of `agreements/vocabulary.py`, by the list's name."""

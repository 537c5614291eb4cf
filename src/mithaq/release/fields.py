"""What each property of a STIX 2.1 object may show, as tables; a property that stands in none is somebody's own.

Source: STIX 2.1 §3 (common properties), §4 (domain objects), §5 (relationships), §6 (cyber-observables).
"""

from typing import Final

PLAIN: Final = frozenset({
    "type", "id", "spec_version", "created", "modified", "revoked", "confidence", "lang", "object_marking_refs",
    "granular_markings", "defanged", "valid_from", "valid_until", "published", "first_seen", "last_seen",
    "first_observed", "last_observed", "number_observed", "count", "summary", "is_family", "relationship_type",
    "start_time", "stop_time", "submitted", "analysis_started", "analysis_ended", "pattern", "pattern_type",
    "pattern_version", "hashes", "definition_type",
    # vocabularies, as long as a word of them stands there
    "indicator_types", "malware_types", "tool_types", "threat_actor_types", "report_types", "infrastructure_types",
    "identity_class", "sectors", "kill_chain_phases", "phase_name", "kill_chain_name", "resource_level",
    "sophistication", "primary_motivation", "secondary_motivations", "personal_motivations", "roles", "opinion",
    "implementation_languages", "architecture_execution_envs", "capabilities", "result", "context", "region", "country",
    "labels", "tool_version", "version", "cpe", "swid", "vendor", "languages", "account_type",
    # cyber-observables
    "value", "number", "rir", "size", "mime_type", "magic_number_hex", "src_port", "dst_port",
    "src_byte_count", "dst_byte_count", "src_packets", "dst_packets", "protocols", "is_active", "is_multipart",
    "is_hidden", "pid", "date",
    "ctime", "mtime", "atime", "is_encrypted", "encryption_algorithm", "content_type", "data_type", "serial_number",
    "signature_algorithm", "validity_not_before", "validity_not_after", "is_self_signed", "image_ref", "parent_ref",
    "start", "end", "ipfix", "content_disposition", "number_of_subkeys", "modified_time", "is_service_account",
    "is_privileged", "can_escalate_privs", "is_disabled", "account_created", "account_expires",
    "credential_last_changed", "account_first_login", "account_last_login", "subject_public_key_algorithm",
    "subject_public_key_modulus", "subject_public_key_exponent", "extension_types",
})  # fmt: skip
"""Values of the standard's own kinds: numbers, instants, ids, words of a vocabulary, and what is observed."""

VOCABULARY: Final = frozenset({
    "indicator_types", "malware_types", "tool_types", "threat_actor_types", "report_types", "infrastructure_types",
    "identity_class", "sectors", "phase_name", "kill_chain_name", "resource_level", "sophistication",
    "primary_motivation", "secondary_motivations", "personal_motivations", "roles", "opinion",
    "implementation_languages", "architecture_execution_envs", "capabilities", "result", "context", "region", "country",
    "tool_version", "version", "languages", "account_type", "relationship_type", "protocols", "lang", "pattern_type",
    "pattern_version", "spec_version", "type", "rir", "definition_type", "extension_types", "summary", "vendor",
})  # fmt: skip
"""Properties whose value must be a word; anything longer is text, whatever the property is called."""

TEXT: Final = frozenset({
    "name", "description", "abstract", "content", "authors", "explanation", "objective", "goals", "aliases",
    "contact_information", "statement", "definition", "subject", "body", "body_multipart", "received_lines",
    "additional_header_fields", "message_id", "path", "path_enc", "name_enc", "command_line", "cwd",
    "environment_variables", "key", "values", "data", "issuer", "credential", "display_name", "user_id",
    "account_login", "product",
    "host_vm_ref", "configuration_version", "modules", "analysis_engine_version", "analysis_definition_version",
    "result_name", "url", "external_references", "source_name", "external_id", "latitude", "longitude", "precision",
    "administrative_area", "city", "street_address", "postal_code", "os_execution_envs", "decryption_key", "contents",
    "payload_bin", "schema", "version_ref", "x509_v3_extensions", "extensions", "selectors", "marking_ref",
    "modified_by",
})  # fmt: skip
"""Properties of the standard in which people or programs write freely."""

PLACE: Final = frozenset({"administrative_area", "city", "street_address", "postal_code", "latitude", "longitude"})
"""Where exactly a location is: a victim can be told by it (STIX 2.1 §4.9)."""

ACCOUNT: Final = frozenset({"user_id", "account_login", "display_name", "credential"})
"""STIX 2.1 §6.16, and the display name of an e-mail address (§6.5)."""

OPAQUE: Final = frozenset({"payload_bin", "path_enc", "name_enc"})
"""What cannot be looked into counts as showing everything."""

FIXED: Final = frozenset({
    "type", "id", "spec_version", "created", "modified", "pattern", "pattern_type", "object_marking_refs",
    "granular_markings", "hashes",
})  # fmt: skip
"""What a protected version never changes: where it is itself what is protected, there is none."""

_REQUIRED: Final = {
    "attack-pattern": "name", "campaign": "name", "course-of-action": "name", "grouping": "context object_refs",
    "identity": "name", "incident": "name", "indicator": "pattern pattern_type valid_from", "infrastructure": "name",
    "intrusion-set": "name", "malware": "is_family", "malware-analysis": "product", "note": "content object_refs",
    "observed-data": "first_observed last_observed number_observed", "opinion": "opinion object_refs",
    "report": "name published object_refs", "threat-actor": "name", "tool": "name", "vulnerability": "name",
    "relationship": "relationship_type source_ref target_ref", "sighting": "sighting_of_ref",
    "language-content": "object_ref contents", "marking-definition": "definition_type definition",
    "extension-definition": "name schema version extension_types", "autonomous-system": "number", "directory": "path",
    "domain-name": "value", "email-addr": "value", "email-message": "is_multipart", "ipv4-addr": "value",
    "ipv6-addr": "value", "mac-addr": "value", "mutex": "name", "network-traffic": "protocols", "software": "name",
    "url": "value", "location": "", "artifact": "", "file": "", "process": "", "user-account": "",
    "windows-registry-key": "", "x509-certificate": "",
}  # fmt: skip
REQUIRED: Final = {kind: frozenset(names.split()) for kind, names in _REQUIRED.items()}
"""Per type of the standard: the properties without which it is none (STIX 2.1 §4 to §7)."""

PUBLIC_SOURCES: Final = frozenset({
    "cve", "cwe", "capec", "mitre-attack", "mitre-mobile-attack", "mitre-ics-attack", "mitre-atlas", "mitre-d3fend",
})  # fmt: skip
"""Catalogues to which everybody refers; an external reference to any other source may tell whose it is."""


def is_own(key: str) -> bool:
    """Tell whether a property is none of the standard's: somebody's own, of which anything may be the case."""
    if key.endswith(("_ref", "_refs")):
        return False
    return key not in PLAIN and key not in TEXT

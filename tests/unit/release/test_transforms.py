import json
from typing import Any

import pytest

from mithaq.agreements.vocabulary import FieldClass, Operation
from mithaq.kernel import canonical
from mithaq.kernel.reason import Reason
from mithaq.release.exposure import Policy, exposed, is_pseudonymous_id
from mithaq.release.transforms import Protected, derived_id, protect, pseudonym
from tests.country import indicator
from tests.unit.release.test_exposure import UUID, thing

SECRET, OTHER = b"s" * 32, b"t" * 32
MINISTRY = {"victim-identity": frozenset({"Ministry of Energy"})}


def made(
    stix: dict[str, Any] | bytes,
    operations: dict[FieldClass, Operation],
    *,
    secret: bytes = SECRET,
    renamed: dict[str, str] | None = None,
    known: dict[FieldClass, frozenset[str]] | None = None,
) -> dict[str, Any]:
    body = stix if isinstance(stix, bytes) else canonical.dumps(stix)
    policy = Policy(operations, known or {})
    done = protect(body, policy, secret, renamed or {})
    assert isinstance(done, Protected), done.sentence()
    assert not exposed(done.body, policy) & operations.keys()
    value: dict[str, Any] = json.loads(done.body)
    return value


def refused(stix: dict[str, Any], operations: dict[FieldClass, Operation], **known: Any) -> str:
    done = protect(json.dumps(stix).encode(), Policy(operations, known.get("known", {})), SECRET, {})
    assert isinstance(done, Reason)
    assert done.sentence()
    return done.code


def test_what_shows_nothing_goes_as_it_is() -> None:
    assert made(indicator(1), {"victim-identity": "drop"}) == json.loads(indicator(1))


def test_dropping_takes_the_property_and_keeps_labels_and_pattern() -> None:
    before = json.loads(indicator(1, description="what we saw", created_by_ref=f"identity--{UUID}"))
    after = made(canonical.dumps(before), {"free-text": "drop", "source-identity": "drop"})
    assert {
        key: value for key, value in before.items() if key not in ("id", "name", "description", "created_by_ref")
    } == {key: value for key, value in after.items() if key != "id"}


def test_the_new_id_is_the_same_each_time_and_cannot_be_linked_across_agreements() -> None:
    first = made(indicator(1), {"free-text": "drop"})["id"]
    update = made(indicator(1, modified="2026-11-24T11:00:00.000Z", name="better"), {"free-text": "drop"})["id"]
    assert first == update != json.loads(indicator(1))["id"]
    assert is_pseudonymous_id(first)
    assert made(indicator(1), {"free-text": "drop"}, secret=OTHER)["id"] != first


def test_a_pseudonym_is_the_same_within_an_agreement_and_another_elsewhere() -> None:
    assert pseudonym("Grid Operator", SECRET) == pseudonym("Grid Operator", SECRET) != pseudonym("Grid Operator", OTHER)
    note = thing(
        "note", content="a@grid.example told b@grid.example and a@grid.example", object_refs=[f"malware--{UUID}"]
    )
    first, _, second, _, third = made(note, {"personal-data": "pseudonymise"})["content"].split(" ")
    assert first == third != second
    assert first.endswith("@pseudonym.invalid")


def test_generalising_leaves_what_kind_of_thing_it_was() -> None:
    text = "j.doe@grid.example at 10.1.2.3 (dc01.grid.corp), fd00:1:2:3::4, +966 11 234 5678"
    note = thing("note", content=text, object_refs=[f"malware--{UUID}"])
    operations: dict[FieldClass, Operation] = {"personal-data": "generalise", "internal-address": "generalise"}
    assert made(note, operations)["content"] == (
        "[e-mail address] at 10.1.2.0/24 (host.corp), fd00:1:2::/48, [telephone number]"
    )
    bank = thing("identity", name="Bank of X", identity_class="organization", sectors=["financial-services"])
    assert made(bank, {"victim-identity": "generalise"})["name"] == "organization: financial-services"


def test_truncating_shortens_texts_at_a_word_and_addresses_to_their_net() -> None:
    note = thing("note", content="word " * 40 + "10.1.2.3", abstract="10.1.2.3", object_refs=[f"malware--{UUID}"])
    after = made(note, {"free-text": "truncate", "internal-address": "truncate"})
    assert after["abstract"] == "10.1.2.0/24"
    assert len(after["content"]) <= 80
    assert after["content"].endswith("word…")
    assert made(thing("ipv4-addr", value="10.1.2.3"), {"internal-address": "truncate"})["value"] == "10.1.2.0/24"


def test_a_name_that_is_gone_is_gone_from_every_other_text_too() -> None:
    victim = thing(
        "identity", name="Grid Operator", identity_class="organization", description="the grid operator of the north",
        labels=["sector:energy"], x_note={"Grid Operator": "Grid Operator"},
    )  # fmt: skip
    after = made(victim, {"victim-identity": "pseudonymise"})
    assert "grid operator" not in json.dumps(after).lower()
    note = thing("note", content="hit the MINISTRY of Energy", object_refs=[f"malware--{UUID}"])
    assert made(note, {"victim-identity": "drop"}, known=MINISTRY)["content"] == "hit the [removed]"


def test_where_something_was_seen_is_dropped_or_given_another_name() -> None:
    sighting = thing("sighting", sighting_of_ref=f"indicator--{UUID}", where_sighted_refs=[f"identity--{UUID}"])
    assert "where_sighted_refs" not in made(sighting, {"victim-identity": "drop"})
    policy = Policy({"victim-identity": "pseudonymise"})
    alias = derived_id(f"identity--{UUID}", policy, SECRET)
    assert made(sighting, {"victim-identity": "pseudonymise"})["where_sighted_refs"] == [alias]
    victim = thing("identity", name="Grid Operator", identity_class="organization")
    assert made(victim, {"victim-identity": "pseudonymise"})["id"] == alias, "the sighting still names its identity"


def test_an_alias_of_the_agreement_may_stand_for_the_source() -> None:
    after = made(
        thing("malware", is_family=False, created_by_ref=f"identity--{UUID}"), {"source-identity": "pseudonymise"}
    )
    assert is_pseudonymous_id(after["created_by_ref"])


def test_references_follow_to_the_protected_versions() -> None:
    policy = Policy({"free-text": "drop"})
    secret_malware = f"malware--{UUID}"
    renamed = {secret_malware: derived_id(secret_malware, policy, SECRET)}
    relation = thing(
        "relationship", relationship_type="indicates", source_ref=f"indicator--{UUID}", target_ref=secret_malware
    )
    after = made(relation, {"free-text": "drop"}, renamed=renamed)
    assert (after["source_ref"], after["target_ref"]) == (f"indicator--{UUID}", renamed[secret_malware])
    assert is_pseudonymous_id(after["id"])


def test_a_granular_marking_speaks_only_of_what_is_left() -> None:
    marking = {"marking_ref": f"marking-definition--{UUID}", "selectors": ["description", "labels.[0]"]}
    after = made(indicator(1, description="x y", granular_markings=[marking]), {"free-text": "drop"})
    assert after["granular_markings"] == [{**marking, "selectors": ["labels.[0]"]}]


@pytest.mark.parametrize(
    ("stix", "operations", "code"),
    [
        (thing("threat-actor", name="Bear"), {"free-text": "drop"}, "protect-required"),
        (thing("opinion", object_refs=[f"identity--{UUID}"]), {"victim-identity": "drop"}, "protect-required"),
        (thing("x-acme", x_value="A"), {"source-identity": "drop"}, "protect-required"),
        (thing("location", city="Newtown"), {"victim-identity": "drop"}, "protect-required"),
        (thing("mac-addr", value="00:11:22:33:44:55"), {"internal-address": "truncate"}, "protect-fixed"),
        (thing("email-addr", value="a@grid.example"), {"personal-data": "drop"}, "protect-required"),
        (thing("ipv4-addr", value="10.1.2.3"), {"internal-address": "pseudonymise"}, "protect-fixed"),
        (thing("url", value="http://10.1.2.3/x"), {"internal-address": "drop"}, "protect-fixed"),
        (thing("indicator", pattern="[ipv4-addr:value = '10.1.2.3']"), {"internal-address": "drop"}, "protect-fixed"),
        (thing("tool", name="a@grid.example", x_note=2**60), {"personal-data": "drop"}, "protect-broken"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_without_breaking_the_object_is_refused(
    stix: dict[str, Any], operations: dict[FieldClass, Operation], code: str
) -> None:
    assert refused(stix, operations) == code


def test_a_name_inside_the_pattern_keeps_the_indicator_back() -> None:
    fields = json.loads(indicator(1, pattern="[file:name = 'Ministry of Energy.docm']"))
    assert refused(fields, {"victim-identity": "drop"}, known=MINISTRY) == "protect-fixed"
    named = json.loads(indicator(1, pattern="[url:value = 'http://x.example/hydra9']", x_site="hydra9"))
    assert refused(named, {"victim-identity": "drop"}) == "protect-fixed"


def test_a_short_secret_protects_nothing() -> None:
    with pytest.raises(ValueError, match="secret"):
        protect(indicator(1), Policy({"free-text": "drop"}), b"short", {})

"""Labels: the ids of the standard, the older ones on input, and the strictest of several."""

from __future__ import annotations

import pytest

from mithaq.standards.pap import Pap, pap_of
from mithaq.standards.tlp import Tlp, tlp_of

COPYRIGHT = "marking-definition--fa42a846-8d90-4e51-bc29-71d5b4802168"


def test_the_marking_ids_are_those_of_oasis() -> None:
    assert [tlp.marking_id.removeprefix("marking-definition--") for tlp in Tlp] == [
        "94868c89-83c2-464b-929b-a1a8aa3c8487",
        "bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
        "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
        "939a9414-2ddd-4d32-a0cd-375ea402b003",
        "e828b379-4e03-4974-9ac4-e53a884c97c1",
    ]


@pytest.mark.parametrize(
    ("uuid", "tlp"),
    [
        ("613f2e26-407d-48c7-9eca-b8e91df99dc9", Tlp.CLEAR),
        ("34098fce-860f-48ae-8e50-ebd3cc5e41da", Tlp.GREEN),
        ("f88d31f6-486f-44da-b317-01333bde0b82", Tlp.AMBER),
        ("5e57c739-391a-4eb3-b6be-7d15ca92d5ed", Tlp.RED),
    ],
)
def test_the_markings_of_tlp_1_are_understood(uuid: str, tlp: Tlp) -> None:
    assert tlp_of([f"marking-definition--{uuid}"]) is tlp


def test_the_strictest_of_two_labels_counts() -> None:
    assert tlp_of([Tlp.GREEN.marking_id, Tlp.RED.marking_id, COPYRIGHT]) is Tlp.RED


def test_a_copyright_statement_is_no_label() -> None:
    assert tlp_of([COPYRIGHT]) is None


@pytest.mark.parametrize("tlp", list(Tlp))
def test_a_label_is_read_back_as_it_is_written(tlp: Tlp) -> None:
    assert Tlp.parse(tlp.label) is tlp
    assert Tlp.parse(tlp.label.lower()) is tlp


def test_white_is_clear_and_nonsense_is_nothing() -> None:
    assert Tlp.parse("TLP:WHITE") is Tlp.CLEAR
    assert Tlp.parse("amber strict") is Tlp.AMBER_STRICT
    assert Tlp.parse("purple") is None


def test_the_strictest_pap_label_counts_and_other_labels_do_not() -> None:
    assert pap_of(["malware", "PAP:GREEN", "pap:amber"]) is Pap.AMBER
    assert pap_of(["PAP:WHITE"]) is Pap.CLEAR
    assert pap_of(["malware", "PAP:nonsense"]) is None
    assert Pap.AMBER.label == "PAP:AMBER"

"""What is put together where objects are read is what each of them would say by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mithaq.intelligence.concordance import BETWEEN_TOKENS, Concordance, listed, whole_of
from mithaq.intelligence.places import PART_ROWS, decode, encode, encode_bits, places_of

TOKENS = st.frozensets(st.sampled_from(["", "type:report", "crane", "هجوم", "label:a b", "ref:x"]), min_size=1)
OBJECTS = st.lists(TOKENS, min_size=1, max_size=150)
PLACES = st.sets(st.integers(0, PART_ROWS - 1), min_size=1).map(sorted)


def told(objects: list[frozenset[str]]) -> Concordance:
    found = listed(enumerate(objects))
    tokens = BETWEEN_TOKENS.join(token for token, _ in found).decode()
    return Concordance(len(objects), tokens, [places for _, places in found])


@given(PLACES)
def test_places_are_read_as_they_were_stored(places: list[int]) -> None:
    stored = encode(places)
    assert places_of(decode(stored)) == places
    assert encode_bits(decode(stored)) == stored


@given(OBJECTS)
def test_each_object_has_its_share_of_the_whole(objects: list[frozenset[str]]) -> None:
    whole = told(objects)
    shares = list(whole.shares())
    assert [frozenset(share) for share in shares] == objects
    assert whole.listed() == listed(enumerate(objects))
    assert whole_of(shares) is whole
    assert whole.is_sound()


@given(OBJECTS, st.data())
def test_a_whole_is_all_of_its_shares_in_their_order(objects: list[frozenset[str]], data: st.DataObject) -> None:
    shares, alike = list(told(objects).shares()), list(told(objects).shares())
    other = data.draw(st.lists(st.sampled_from([*shares, *alike, frozenset({"crane"})]), min_size=1))
    assert (whole_of(other) is not None) == (other in (shares, alike))


@given(OBJECTS, st.data())
def test_what_no_reader_says_is_not_sound(objects: list[frozenset[str]], data: st.DataObject) -> None:
    found = listed(enumerate(objects))
    tokens, places = [token.decode() for token, _ in found], [stored for _, stored in found]
    at = data.draw(st.integers(0, len(found) - 1))
    match data.draw(st.sampled_from(["odd", "empty", "beyond", "dense", "twice", "fewer"])):
        case "odd":
            places[at] += b"\0"
        case "empty":
            places[at] = b""
        case "beyond":
            places[at] = encode([len(objects)])
        case "dense":
            places[at] = b"\xff" * 128
        case "twice":
            tokens.append(tokens[at])
            places.append(places[at])
        case _:
            places.pop()
    assert not Concordance(len(objects), BETWEEN_TOKENS.decode().join(tokens), places).is_sound()

"""Stories in which a played nation serves releases, true and false ones; each returns the bytes of its answer.

A story knows the number that is due. Its name is that of its case, without `_fail` or `_pass`.
"""

import json
import zlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from conformance.bench import Bench
from conformance.nation import indicator, now
from conformance.station import Station
from mithaq.exchange.release_document import RELEASE_TYPE
from mithaq.kernel import canonical
from mithaq.kernel.clock import rfc3339
from mithaq.kernel.keystore import Keys
from mithaq.kernel.sealing import OpenKey
from mithaq.kernel.signing import read_envelope, sign_with
from mithaq.standards.tlp import Tlp

Story = Callable[[Bench, Station, int], bytes]


def true_release(bench: Bench, station: Station, due: int) -> bytes:
    """Say something true."""
    return bench.words(station).frame(due, indicator())


def above_ceiling(bench: Bench, station: Station, due: int) -> bytes:
    """Release what the agreement keeps back."""
    return _relabelled(bench, station, due, Tlp.AMBER_STRICT)


def named_red(bench: Bench, station: Station, due: int) -> bytes:
    """Release TLP:RED under an agreement that ends far below."""
    return _relabelled(bench, station, due, Tlp.RED)


def stripped_label(bench: Bench, station: Station, due: int) -> bytes:
    """Carry a wide label around an object that is marked more narrowly."""
    return bench.words(station).frame(due, indicator(object_marking_refs=[Tlp.AMBER_STRICT.marking_id]))


def two_labels(bench: Bench, station: Station, due: int) -> bytes:
    """Mark an object twice; the stricter label counts."""
    return bench.words(station).frame(due, indicator(object_marking_refs=[Tlp.CLEAR.marking_id, Tlp.RED.marking_id]))


def unknown_label(bench: Bench, station: Station, due: int) -> bytes:
    """Carry a label that does not exist; it counts as the strictest."""
    return _changed(bench, station, due, lambda value: value["terms"][0].update(tlp="TLP:MAUVE"))


def duplicate_key(bench: Bench, station: Station, due: int) -> bytes:
    """Say a term twice with two values, so that two readers read two things."""
    words = bench.words(station)
    payload = canonical.dumps(words.document(due, json.dumps(indicator()).encode()))
    twice = payload.replace(b'"tlp":"TLP:GREEN"', b'"tlp":"TLP:RED","tlp":"TLP:GREEN"', 1)
    return words.seal(words.sign(twice), due)


def onward_leak(bench: Bench, station: Station, due: int) -> bytes:
    """Pass on what another nation gave for oneself alone."""
    originator = bench.second if station is bench.first else bench.first

    def leak(value: dict[str, Any]) -> None:
        value["terms"][0].update(originator=originator.nation.code, hops=2)

    return _changed(bench, station, due, leak)


def excluded_content(bench: Bench, station: Station, due: int) -> bytes:
    """Release what the agreement excludes, and say so on the label."""
    return bench.words(station).frame(due, indicator(labels=["PAP:GREEN", "content:classified"]))


def other_purpose(bench: Bench, station: Station, due: int) -> bytes:
    """Release for a purpose that was not agreed."""
    return bench.words(station).frame(due, indicator(), purpose="law-enforcement")


def exercise_as_actual(bench: Bench, station: Station, due: int) -> bytes:
    """Send an exercise under an agreement that knows none."""
    return bench.words(station).frame(due, indicator(), lane="exercise--11111111-1111-4111-8111-111111111111")


def unknown_agreement(bench: Bench, station: Station, due: int) -> bytes:
    """Cite an agreement that nobody has seen."""
    unknown = "agreement--00000000-0000-4000-8000-000000000000"
    return _changed(bench, station, due, lambda value: value["agreement"].update(id=unknown))


def another_text(bench: Bench, station: Station, due: int) -> bytes:
    """Cite the agreement with the hash of another text."""
    return _changed(bench, station, due, lambda value: value["agreement"].update(hash="0" * 64))


def later_version(bench: Bench, station: Station, due: int) -> bytes:
    """Cite a version of the agreement that was never signed."""
    return _changed(bench, station, due, lambda value: value["agreement"].update(version=9))


def from_the_future(bench: Bench, station: Station, due: int) -> bytes:
    """Date a release an hour ahead."""
    return bench.words(station).frame(due, indicator(), at=rfc3339(now() + timedelta(hours=1)))


def kept_too_long(bench: Bench, station: Station, due: int) -> bytes:
    """Pass on what was to be deleted yesterday."""
    originator = bench.second if station is bench.first else bench.first

    def late(value: dict[str, Any]) -> None:
        past = rfc3339(now() - timedelta(days=1))
        value["terms"][0].update(originator=originator.nation.code, delete_after=past, hops=2)

    return _changed(bench, station, due, late)


def replayed_release(bench: Bench, station: Station, due: int) -> bytes:
    """Serve a number that was used before with other bytes."""
    return bench.words(station).frame(max(due - 1, 1), indicator())


def reordered_release(bench: Bench, station: Station, due: int) -> bytes:
    """Serve the number after the one that is due."""
    return bench.words(station).frame(due + 1, indicator())


def equivocation(bench: Bench, station: Station, due: int) -> bytes:
    """Serve two different releases under one number in one answer."""
    words = bench.words(station)
    return words.frame(due + 1, indicator()) + words.frame(due + 1, indicator())


def wrong_recipient(bench: Bench, station: Station, due: int) -> bytes:
    """Seal to the node what was signed for somebody else."""
    other = bench.second if station is bench.first else bench.first
    return bench.words(station).frame(due, indicator(), recipient=other.nation.code)


def wrong_sender(bench: Bench, station: Station, due: int) -> bytes:
    """Serve another nation's true release as if it came from here."""
    other = bench.second if station is bench.first else bench.first
    return bench.words(other).frame(due, indicator())


def wrong_seal(bench: Bench, station: Station, due: int) -> bytes:
    """Seal to a key that is not the node's."""
    words = bench.words(station)
    envelope = words.sign(words.document(due, json.dumps(indicator()).encode()))
    return words.seal(envelope, due, key=OpenKey.generate().seal_key)


def key_swap(bench: Bench, station: Station, due: int) -> bytes:
    """Sign with a key that the node never accepted for this nation."""
    words = bench.words(station)
    payload = canonical.dumps(words.document(due, json.dumps(indicator()).encode()))
    return words.seal(sign_with(Keys.generate().signing, RELEASE_TYPE, payload), due)


def half_signature(bench: Bench, station: Station, due: int) -> bytes:
    """Leave the post-quantum half of the signature out."""
    words = bench.words(station)
    whole = read_envelope(words.sign(words.document(due, json.dumps(indicator()).encode())))
    half = type(whole)(
        whole.payload_type,
        whole.payload,
        tuple(each for each in whole.signatures if each[0].startswith("ed25519")),
    )
    return words.seal(half.encode(), due)


def another_type(bench: Bench, station: Station, due: int) -> bytes:
    """Sign a document of another type and serve it as a release."""
    words = bench.words(station)
    payload = canonical.dumps(words.document(due, json.dumps(indicator()).encode()))
    return words.seal(sign_with(station.nation.keys.signing, "application/vnd.mithaq.receipt+json", payload), due)


def newer_format(bench: Bench, station: Station, due: int) -> bytes:
    """Speak a format that does not exist yet."""
    return bench.words(station).frame(due, indicator(), format_version=99)


def deep_object(bench: Bench, station: Station, due: int) -> bytes:
    """Nest an object so deep that a recursive reader falls."""
    body = b'{"type":"indicator","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return _with_body(bench, station, due, body)


def huge_number(bench: Bench, station: Station, due: int) -> bytes:
    """Write a number of a million digits."""
    body = json.dumps(indicator()).encode()[:-1] + b',"x_number":' + b"9" * 1_000_000 + b"}"
    return _with_body(bench, station, due, body)


def compressed_bomb(bench: Bench, station: Station, due: int) -> bytes:
    """Answer with a quarter of a megabyte that unpacks to a quarter of a gigabyte."""
    del bench, station, due
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(256)), packer.flush()])


def cut_off(bench: Bench, station: Station, due: int) -> bytes:
    """Break off in the middle of a frame."""
    return bench.words(station).frame(due, indicator())[:-100]


def catastrophic_pattern(bench: Bench, station: Station, due: int) -> bytes:
    """Send a pattern on which a backtracking matcher hangs."""
    pattern = "[domain-name:value MATCHES '^(a+)+$' AND url:value MATCHES '(x+x+)+y']"
    return bench.words(station).frame(due, indicator(pattern=pattern, name="a" * 40 + "!"))


def address_to_fetch(bench: Bench, station: Station, due: int) -> bytes:
    """Name addresses that a careless node fetches: here, the sender's own station, where it would be seen."""
    trap = f"{station.nation.address}/trap"
    references = [{"source_name": "trap", "url": trap, "external_id": "1"}]
    return bench.words(station).frame(
        due, indicator(external_references=references, pattern=f"[url:value = '{trap}']", description=f"![x]({trap})")
    )


def stored_script(bench: Bench, station: Station, due: int) -> bytes:
    """Put markup into every text of an object."""
    script = "<script>fetch('//x.example')</script>\u202e"
    return bench.words(station).frame(due, indicator(name=script, description=script, labels=["PAP:GREEN", script]))


STORIES: Final[dict[str, Story]] = {
    story.__name__: story
    for story in (
        true_release, above_ceiling, named_red, stripped_label, two_labels, unknown_label, duplicate_key, onward_leak,
        excluded_content, other_purpose, exercise_as_actual, unknown_agreement, another_text, later_version,
        from_the_future, kept_too_long, replayed_release, reordered_release, equivocation, wrong_recipient,
        wrong_sender, wrong_seal, key_swap, half_signature, another_type, newer_format, deep_object, huge_number,
        compressed_bomb, cut_off, catastrophic_pattern, address_to_fetch, stored_script,
    )
}  # fmt: skip


def _relabelled(bench: Bench, station: Station, due: int, tlp: Tlp) -> bytes:
    words = bench.words(station)
    value = words.document(due, json.dumps(indicator(object_marking_refs=[tlp.marking_id])).encode())
    value["terms"][0].update(tlp=tlp.label)
    return words.seal(words.sign(value), due)


def _changed(bench: Bench, station: Station, due: int, change: Callable[[dict[str, Any]], None]) -> bytes:
    words = bench.words(station)
    value = words.document(due, json.dumps(indicator()).encode())
    change(value)
    return words.seal(words.sign(value), due)


def _with_body(bench: Bench, station: Station, due: int, body: bytes) -> bytes:
    words = bench.words(station)
    return words.seal(words.sign(words.document(due, body)), due)

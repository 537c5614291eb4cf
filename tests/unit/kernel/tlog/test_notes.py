"""Notes, keys, checkpoints and cosignatures: what is written reads back, and nothing looser is read."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithaq.kernel.tlog.checkpoint import Checkpoint, cosign, read_checkpoint, sign_checkpoint, verified
from mithaq.kernel.tlog.errors import BadNote
from mithaq.kernel.tlog.lines import decimal, decode, encode
from mithaq.kernel.tlog.note import MAX_NOTE_BYTES, Note, read_note
from mithaq.kernel.tlog.tree import EMPTY_ROOT
from mithaq.kernel.tlog.vkey import KeyType, NoteKey, VerifierKey

ORIGIN = "cert.xa.example/releases/2026"
LOG = NoteKey(ORIGIN, KeyType.ED25519, b"\1" * 32)
ED25519 = NoteKey("cert.xb.example/witness", KeyType.COSIGNATURE_ED25519, b"\2" * 32)
MLDSA44 = NoteKey("cert.xb.example/witness", KeyType.COSIGNATURE_MLDSA44, b"\3" * 32)
CHECKPOINT = Checkpoint(ORIGIN, 70_560, b"\7" * 32)
SIGNED = sign_checkpoint(CHECKPOINT, LOG)
COSIGNED = SIGNED.joined([cosign(CHECKPOINT, key, 1_700_000_000) for key in (ED25519, MLDSA44)])
ALL = [key.public for key in (LOG, ED25519, MLDSA44)]

LAX: dict[str, Callable[[str], str]] = {
    "a sign before the size": lambda text: text.replace("\n70560\n", "\n+70560\n"),
    "a leading zero": lambda text: text.replace("\n70560\n", "\n070560\n"),
    "digits of another script": lambda text: text.replace("\n70560\n", "\n\u0667\u0660\u0665\u0666\u0660\n"),
    "a space around the size": lambda text: text.replace("\n70560\n", "\n 70560\n"),
    "a size over 63 bits": lambda text: text.replace("\n70560\n", f"\n{2**63}\n"),
    "junk instead of the blank line": lambda text: text.replace("\n\n\u2014", "\njunk\n\u2014"),
    "a space in the blank line": lambda text: text.replace("\n\n\u2014", "\n \n\u2014"),
    "no blank line": lambda text: text.replace("\n\n", "\n"),
    "a hyphen instead of the dash": lambda text: text.replace("\u2014", "-"),
    "two spaces in a signature line": lambda text: text.replace("\u2014 ", "\u2014  "),
    "a no-break space in a signature line": lambda text: text.replace("\u2014 ", "\u2014\u00a0"),
    "carriage returns": lambda text: text.replace("\n", "\r\n"),
    "a tab": lambda text: text.replace("example", "exa\tmple"),
    "a zero byte": lambda text: text.replace("example", "exa\0mple"),
    "no newline at the end": lambda text: text[:-1],
    "an empty line at the end": lambda text: text + "\n",
    "an extension line": lambda text: text.replace("\n\n\u2014", "\nextension\n\n\u2014"),
    "a line too few": lambda text: text.replace("\n70560\n", "\n"),
    "no root": lambda text: text.replace(encode(b"\7" * 32), ""),
    "a short root": lambda text: text.replace(encode(b"\7" * 32), encode(b"\7" * 31)),
    "pad bits that are not zero": lambda text: text.replace("BwcHBwc=", "BwcHBwd="),
    "base64 without padding": lambda text: text.replace("BwcHBwc=", "BwcHBwc"),
    "base64 of the other alphabet": lambda text: text.replace(
        encode(b"\7" * 32), encode(b"\xff" * 32).replace("/", "_")
    ),
    "a line break inside base64": lambda text: text.replace("BwcHBwc=", "BwcH\nBwc="),
    "the same line twice": lambda text: text + text[text.rindex("\u2014") :],
    "an origin with a plus": lambda text: text.replace(ORIGIN + "\n", "cert+xa\n"),
    "an origin with a space of another script": lambda text: text.replace(ORIGIN + "\n", "cert\u3000xa\n"),
    "an empty origin": lambda text: text.replace(ORIGIN + "\n", "\n"),
    "no signature": lambda text: text[: text.index("\u2014")],
    "too many signatures": lambda text: (
        text + "".join(f"\u2014 w{number} {encode(bytes(68))}\n" for number in range(64))
    ),
    "a note over its limit": lambda text: text + f"\u2014 w {encode(bytes(MAX_NOTE_BYTES))}\n",
    "a signature of no bytes": lambda text: text + f"\u2014 w {encode(bytes(4))}\n",
}


@pytest.mark.parametrize("case", LAX)
def test_a_checkpoint_that_is_only_nearly_right_is_refused(case: str) -> None:
    text = COSIGNED.encode().decode()
    assert read_checkpoint(text.encode())
    changed = LAX[case](text)
    assert changed != text
    with pytest.raises(BadNote):
        read_checkpoint(changed.encode())


def test_bytes_that_are_no_utf_8_are_refused() -> None:
    with pytest.raises(BadNote, match="UTF-8"):
        read_note(SIGNED.encode().replace(b"example", b"ex\xffmple"))


def test_an_empty_log_has_the_root_of_nothing() -> None:
    note = sign_checkpoint(Checkpoint(ORIGIN, 0, EMPTY_ROOT), LOG)
    assert read_checkpoint(note.encode())[0].size == 0
    with pytest.raises(BadNote):
        read_checkpoint(note.encode().replace(encode(EMPTY_ROOT).encode(), encode(bytes(32)).encode()))


def test_a_checkpoint_reads_back_with_all_its_signatures() -> None:
    checkpoint, note = read_checkpoint(COSIGNED.encode())
    assert (checkpoint, note) == (CHECKPOINT, COSIGNED)
    times = verified(note, ALL)
    assert [times[key] for key in ALL] == [0, 1_700_000_000, 1_700_000_000]


def test_signatures_of_unknown_keys_are_ignored_and_a_false_one_of_a_known_key_refuses_the_note() -> None:
    assert list(verified(COSIGNED, [LOG.public])) == [LOG.public]
    for place in range(3):
        forged = list(COSIGNED.signatures)
        data = forged[place].data
        forged[place] = type(forged[place])(forged[place].name, forged[place].key_id, data[:-1] + bytes([data[-1] ^ 1]))
        note = Note(COSIGNED.text, tuple(forged))
        with pytest.raises(BadNote, match="does not hold"):
            verified(note, ALL)


def test_a_cosignature_says_its_time_and_its_log_and_nothing_else_fits() -> None:
    for key in (ED25519, MLDSA44):
        good = cosign(CHECKPOINT, key, 1_700_000_000)
        later = type(good)(good.name, good.key_id, (1_700_000_001).to_bytes(8, "big") + good.data[8:])
        other = Checkpoint("cert.xc.example/releases/2026", CHECKPOINT.size, CHECKPOINT.root)
        for text, signature in ((CHECKPOINT.text, later), (other.text, good)):
            with pytest.raises(BadNote, match="does not hold"):
                verified(Note(text, (signature,)), [key.public])
    with pytest.raises(BadNote):
        cosign(CHECKPOINT, LOG, 1_700_000_000)
    with pytest.raises(BadNote):
        cosign(CHECKPOINT, ED25519, 0)


def test_the_time_of_a_cosignature_has_63_bits() -> None:
    good = cosign(CHECKPOINT, ED25519, 2**63 - 1)
    assert verified(Note(CHECKPOINT.text, (good,)), [ED25519.public])
    late = type(good)(good.name, good.key_id, (2**63).to_bytes(8, "big") + good.data[8:])
    with pytest.raises(BadNote):
        verified(Note(CHECKPOINT.text, (late,)), [ED25519.public])


@pytest.mark.parametrize("key", [LOG, ED25519, MLDSA44])
def test_a_verifier_key_reads_back_and_nothing_near_it_does(key: NoteKey) -> None:
    text = str(key.public)
    assert VerifierKey.parse(text) == key.public
    name, _, material = text.split("+", 2)
    raw = decode(material)
    near = [
        text.replace("+", " ", 1), name, text + "=", text.replace(name, "other"),
        f"{name}+{key.public.key_id.hex().upper()}x+{material}",
        *(str(VerifierKey(name, key.public.type, raw[1:-1])) for _ in (1,)),
        f"{name}+00000000+{encode(bytes([2]) + raw[1:])}", f"{name}+00000000+", f"+00000000+{material}",
    ]  # fmt: skip
    for each in near:
        with pytest.raises(BadNote):
            VerifierKey.parse(each)


def test_a_private_key_is_not_printed() -> None:
    assert "secret" in repr(LOG)
    assert "\\x01" not in repr(LOG)


@given(st.text())
def test_a_decimal_is_exactly_what_python_writes(text: str) -> None:
    try:
        number = decimal(text)
    except BadNote:
        return
    assert str(number) == text


@given(st.binary(max_size=70), st.integers(0, 100), st.characters())
def test_base64_has_one_form(data: bytes, place: int, other: str) -> None:
    text = encode(data)
    assert decode(text) == data
    place %= len(text) + 1
    for changed in (text[:place] + other + text[place:], text[:place] + other + text[place + 1 :]):
        try:
            assert encode(decode(changed)) == changed
        except BadNote:
            continue


@given(st.binary(max_size=400) | st.text(max_size=400).map(lambda text: text.encode("utf-8", "ignore")))
def test_hostile_bytes_are_a_note_or_a_refusal(data: bytes) -> None:
    try:
        note = read_note(data)
    except BadNote:
        return
    assert note.encode() == data


@given(st.data())
def test_a_note_with_some_bytes_changed_is_the_same_note_or_refused(data: st.DataObject) -> None:
    raw = bytearray(COSIGNED.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        checkpoint, note = read_checkpoint(bytes(raw))
        signed = verified(note, ALL)
    except BadNote:
        return
    assert note.encode() == bytes(raw)
    assert checkpoint == CHECKPOINT or not signed

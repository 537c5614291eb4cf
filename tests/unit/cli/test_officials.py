"""`mithaq agreement official`, `sign-offline`, `text`, `templates`: drafting and signing as people do it."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Desk, befriend, run

SECRET = b"the minister's own passphrase\n"


def key_of(folder: Path, name: str) -> tuple[str, str]:
    """Draw an official's key; the file of the key, the file of what an agreement names of it."""
    secret, key, public = folder / "official.passphrase", folder / f"{name}.key", folder / f"{name}.official"
    secret.write_bytes(SECRET)
    made = run("--data", str(folder / "no-node"), "--passphrase-file", str(secret), "--json", "agreement", "official",
               "new", str(key), "--name", name, "--office", "Minister")  # fmt: skip
    assert made.code == 0, made
    public.write_text(made.out)
    return str(key), str(public)


def offline(folder: Path, *words: str, stdin: bytes = b"") -> tuple[int, str]:
    line = ("--data", str(folder / "no-node"), "--lang", "en", "--passphrase-file", str(folder / "official.passphrase"))
    said = run(*line, "agreement", "sign-offline", *words, stdin=stdin)
    return said.code, said.err


def test_two_officials_sign_by_files_away_from_the_node(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    befriend(xb, xa)
    keys = [key_of(tmp_path, name) for name in ("Amina", "Karim", "Salma")]
    named = [word for _, public in keys for word in ("--official", public)]
    draft, copy = str(tmp_path / "draft"), str(tmp_path / "copy")
    assert xa("agreement", "draft", "--template", "bilateral", "--threshold", "2", *named, draft).code == 0
    proposed = xa.one("agreement", "propose", draft)
    agreement_id = proposed["id"]
    assert (proposed["signed_by"], proposed["officials"]) == ([], {"XA": {"signed": 0, "needed": 2}})
    xa("agreement", "export", agreement_id, copy)
    for place, (key, _) in enumerate(keys[:2], 1):
        signed = f"{copy}{place}"
        code, told = offline(tmp_path, copy, "--key", key, "--out", signed, stdin=b"y\n")
        assert (code, proposed["hash"] in told, "Nothing labelled above TLP:AMBER+STRICT" in told) == (0, True, True)
        row = xa.one("agreement", "import", signed)
        assert row["officials"]["XA"]["signed"] == place
        assert f"{place} of 2 officials" in xa("agreement", "show", agreement_id).out
    assert row["signed_by"] == ["XA"]
    xa("agreement", "export", agreement_id, f"{copy}-whole")
    xb.one("agreement", "import", f"{copy}-whole")
    assert xb("agreement", "sign", agreement_id).code == 0
    assert xb.one("agreement", "show", agreement_id)["missing"] == []


def test_an_official_who_says_no_or_is_not_named_signs_nothing(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    key, public = key_of(tmp_path, "Amina")
    stranger, _ = key_of(tmp_path, "Nobody")
    draft, copy, out = (str(tmp_path / name) for name in ("draft", "copy", "out"))
    xa("agreement", "draft", "--official", public, draft)
    xa("agreement", "export", xa.one("agreement", "propose", draft)["id"], copy)
    assert offline(tmp_path, copy, "--key", key, "--out", out, stdin=b"n\n")[0] == 130
    code, told = offline(tmp_path, copy, "--key", stranger, "--out", out, "--yes")
    assert (code, "names no official with this key" in told) == (1, True)
    assert "no such file" in offline(tmp_path, copy, "--key", str(tmp_path / "absent"), "--yes")[1]
    assert not Path(out).exists()


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    key, _ = key_of(tmp_path, "Amina")
    before = Path(key).read_bytes()
    again = run("--data", str(tmp_path / "x"), "--passphrase-file", str(tmp_path / "official.passphrase"), "agreement",
                "official", "new", key, "--name", "A", "--office", "B")  # fmt: skip
    assert (again.code, Path(key).read_bytes()) == (1, before)


def test_a_legal_text_is_recognised_by_its_hash(xa: Desk, xb: Desk, tmp_path: Path) -> None:
    befriend(xa, xb)
    arabic, french, draft = tmp_path / "ar.pdf", tmp_path / "fr.pdf", str(tmp_path / "draft")
    arabic.write_bytes("النص القانوني".encode())
    french.write_bytes(b"le texte")
    said = xa(
        "agreement",
        "draft",
        "--legal-text",
        f"ar={arabic}",
        "--legal-text",
        f"fr={french}",
        "--prevailing",
        "ar",
        draft,
    )
    assert said.code == 0
    agreement_id = xa.one("agreement", "propose", draft)["id"]
    assert xa.one("agreement", "text", "check", agreement_id, str(arabic)) | {"sha256": ""} == {
        "sha256": "", "languages": ["ar"], "prevails": True,
    }  # fmt: skip
    assert "another language prevails" in xa("agreement", "text", "check", agreement_id, str(french)).out
    french.write_bytes(b"le texte.")
    assert xa("agreement", "text", "check", agreement_id, str(french)).code == 1
    assert xa("agreement", "draft", "--legal-text", "de=x").code == 2
    assert xa("agreement", "draft", "--prevailing", "fr").code == 2


def test_a_draft_begins_with_a_template_and_ends_with_what_was_asked(xa: Desk, xb: Desk) -> None:
    befriend(xa, xb)
    names = [row["name"] for row in xa.json("agreement", "templates")]
    for name in names:
        document = json.loads(
            xa("agreement", "draft", "--template", name, "--partner", "XB", "--retention-days", "9").out
        )
        assert document["terms"]["retention_days"] == 9
        assert ("emergency_contact" in document["terms"]) == ("contacts" in document["parties"][0])
    assert "the templates are bilateral" in xa("agreement", "draft", "--template", "global").err

"""What is vendored is what was reviewed; the style sheet lays out both directions."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "src" / "mithaq" / "web" / "static"
TEMPLATES = ROOT / "src" / "mithaq" / "web" / "templates"
sys.path.insert(0, str(ROOT / "tools"))

import vendor  # noqa: E402


def test_every_vendored_file_has_the_digest_that_was_reviewed() -> None:
    assert [fault for listing in vendor.LISTS for fault in vendor.faults(listing)] == []


def test_nothing_else_lies_among_the_vendored_files() -> None:
    own = {"app.css", "app.js", "passkey.js", "mark.svg", "vendor.toml"}
    listed = {file["to"] for package in vendor.packages(vendor.LISTS[0]) for file in package["file"]}
    there = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*") if path.is_file()}
    assert there == own | listed


def test_the_style_sheet_names_no_physical_side() -> None:
    css = re.sub(r"/\*.*?\*/", "", (STATIC / "app.css").read_text("utf-8"), flags=re.DOTALL)
    physical = re.findall(
        r"(?<![\w-])(?:left|right|(?:margin|padding|border|inset|scroll)-(?:left|right|top|bottom)[\w-]*"
        r"|top|bottom|width|height|(?:min|max)-(?:width|height)|overflow-[xy])\s*:|:\s*(?:left|right)\b",
        re.sub(r"@media[^{]*", "", css),
    )
    assert physical == []


def test_no_template_styles_an_element_itself_or_holds_a_script() -> None:
    for path in TEMPLATES.glob("*.html"):
        text = path.read_text("utf-8")
        assert " style=" not in text, path.name
        assert not re.search(r"\son\w+=", text), path.name
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path.name
        assert "|safe" not in text.replace(" ", ""), path.name


def test_every_script_and_every_live_element_carries_the_nonce() -> None:
    for path in TEMPLATES.glob("*.html"):
        for tag in re.findall(r"<[a-z]+\s[^>]*?(?:<|>)", path.read_text("utf-8")):
            if tag.startswith("<script"):
                assert 'nonce="{{ nonce }}"' in tag, (path.name, tag)
            if re.search(r"\shx-(?:get|post|sse|swap|trigger|target)", tag):
                assert 'hx-nonce="{{ nonce }}"' in tag, (path.name, tag)

"""Words, plurals, numbers and dates in three languages."""

from datetime import UTC, datetime

import pytest

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason
from mithaq.node.language import HIJRI_MONTHS, LANGUAGES, negotiate, translator

AT = datetime(2026, 11, 23, 11, 8, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("de, ar;q=0.2", "ar"),
        ("de", "en"),
        ("", "en"),
        ("en;q=0, ar;q=0.1", "ar"),
        ("ar;q=abc, fr;q=0.3", "fr"),
        ("en-GB,ar", "en"),
    ],
)
def test_the_best_known_language_of_a_header_is_chosen(header: str, language: str) -> None:
    assert negotiate(header) == language


def test_an_unknown_language_speaks_english() -> None:
    assert translator("xx").language == "en"


def test_arabic_runs_from_right_to_left() -> None:
    assert [translator(language).direction for language in LANGUAGES] == ["ltr", "ltr", "rtl"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_digits_are_latin_in_every_language(language: str) -> None:
    words = translator(language)
    written = words.number(1_234_567) + words.seconds(0.123) + words.moment(AT) + words.hijri(AT)
    assert all(c.isascii() for c in written if c.isdigit())


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_instant_says_that_it_is_utc(language: str) -> None:
    assert "11:08 UTC" in translator(language).moment(AT)


def test_the_hijri_day_follows_umm_al_qura() -> None:
    assert translator("en").hijri(AT) == "13 Jumada al-Thani 1448"


def test_a_day_outside_the_hijri_tables_is_left_out() -> None:
    assert translator("en").hijri(datetime(1900, 1, 1, tzinfo=UTC)) == ""
    assert len(HIJRI_MONTHS) == 12


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.123, "123 ms"), (3.24, "3.2 sec"), (119, "119 sec"), (600, "10 min"), (200_000, "2.3 days")],
)
def test_a_duration_uses_the_unit_a_reader_would(seconds: float, text: str) -> None:
    assert translator("en").seconds(seconds) == text


def test_a_reason_and_its_remedy_are_said_with_their_parameters() -> None:
    reason = Reason("x", "needs %(a)s", {"a": "TLP:RED"}, "ask %(a)s")
    assert translator("en").reason(reason) == "needs TLP:RED"
    assert translator("en").remedy(reason) == "ask TLP:RED"


def test_an_error_names_its_object_and_keeps_its_private_part() -> None:
    error = Error("no such %(kind)s", subject="indicator--1", private="SELECT", kind="object")
    assert translator("fr").error(error) == "indicator--1: no such object"


def test_a_foreign_value_cannot_reorder_an_arabic_sentence() -> None:
    assert translator("ar").gettext("x %(v)s y", v="TLP:RED") == "x \u2068TLP:RED\u2069 y"
    assert translator("en").gettext("x %(v)s y", v="ليلى") == "x \u2068ليلى\u2069 y"
    assert translator("en").gettext("x %(v)s y", v="Layla") == "x Layla y"


def test_an_empty_message_stays_empty() -> None:
    assert translator("ar").gettext("") == ""

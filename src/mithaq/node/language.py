"""Say things in the reader's language: translation, plurals, numbers, dates in both calendars.

Message ids are the English sentences. Everything below the faces carries message ids and parameters; only a
face asks a `Translator` for words. Digits are Latin in every language, so that a number on a page can be
searched and compared with a log.
"""

import gettext as gnu
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.dates import format_datetime
from babel.lists import format_list
from babel.numbers import format_decimal
from babel.units import format_unit
from hijridate import Gregorian

from mithaq.kernel.errors import Error
from mithaq.kernel.reason import Reason

LANGUAGES = {"en": "English", "fr": "Français", "ar": "العربية"}
"""The languages a page can be read in, each under its own name."""

_RIGHT_TO_LEFT = frozenset({"ar", "fa", "ur"})
_CATALOGUES = Path(__file__).resolve().parent.parent / "locale"
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"


def msgid(text: str) -> str:
    """Mark a text as a message id that is translated later, where it is shown."""
    return text


HIJRI_MONTHS = (
    msgid("Muharram"),
    msgid("Safar"),
    msgid("Rabi al-Awwal"),
    msgid("Rabi al-Thani"),
    msgid("Jumada al-Awwal"),
    msgid("Jumada al-Thani"),
    msgid("Rajab"),
    msgid("Shaban"),
    msgid("Ramadan"),
    msgid("Shawwal"),
    msgid("Dhu al-Qadah"),
    msgid("Dhu al-Hijjah"),
)


@dataclass(frozen=True, slots=True)
class Translator:
    """One language's words, numbers and dates."""

    language: str
    catalogue: gnu.NullTranslations

    @property
    def direction(self) -> str:
        """Return `rtl` or `ltr`, as HTML's `dir` wants it."""
        return "rtl" if self.language in _RIGHT_TO_LEFT else "ltr"

    def gettext(self, message: str, /, **params: str | int) -> str:
        """Translate a message id and fill in its placeholders."""
        if not message:
            return ""
        words = self.catalogue.gettext(message)
        return words.replace(")d", ")s") % self._isolated(params) if params else words

    def ngettext(self, one: str, many: str, count: int, /, **params: str | int) -> str:
        """Translate a counted message; `%(count)s` is the number in the language's own notation."""
        words = self.catalogue.ngettext(one, many, count)
        return words % {"count": self.number(count), **self._isolated(params)}

    def reason(self, reason: Reason) -> str:
        """Say why something was refused; a parameter that is itself a known word is said in the language too."""
        return self.gettext(reason.message, **self._said(reason.params))

    def remedy(self, reason: Reason) -> str:
        """Say what would mend a refusal, or nothing."""
        return self.gettext(reason.remedy, **self._said(reason.params))

    def error(self, error: Error) -> str:
        """Say what went wrong, naming the object it is about; private details stay out."""
        sentence = self.gettext(error.message, **error.params)
        return f"{self._isolate(error.subject)}: {sentence}" if error.subject else sentence

    def number(self, value: int | float) -> str:
        """Write a number with the language's separators and Latin digits."""
        return format_decimal(value, locale=_locale(self.language), numbering_system="latn")

    def listing(self, texts: Sequence[str]) -> str:
        """List texts with commas and the language's `and` before the last one."""
        return format_list([self._isolate(text) for text in texts], "standard", locale=_locale(self.language))

    def seconds(self, value: float) -> str:
        """Write a duration: milliseconds below a second, then seconds, minutes, hours, days."""
        for unit, size, limit in _DURATIONS:
            if abs(value) < limit:
                return self._unit(value / size, unit)
        return self._unit(value / 86_400, "duration-day")

    def moment(self, at: datetime) -> str:
        """Write an instant in the Gregorian calendar, in UTC, and say so."""
        return _moment(self.language, at.astimezone(UTC).replace(second=0, microsecond=0))

    def hijri(self, at: datetime) -> str:
        """Write an instant’s day in the Umm al-Qura calendar; nothing outside its tables (1343–1500 AH)."""
        day = at.astimezone(UTC)
        try:
            hijri = Gregorian(day.year, day.month, day.day).to_hijri()
        except OverflowError:
            return ""
        return f"{hijri.day} {self.gettext(HIJRI_MONTHS[hijri.month - 1])} {hijri.year}"

    def _unit(self, value: float, unit: str) -> str:
        rounded = round(value) if value >= 10 else round(value, 1)
        whole = int(rounded) if rounded == int(rounded) else rounded
        return format_unit(whole, unit, length="short", locale=_locale(self.language), numbering_system="latn")

    def _said(self, params: dict[str, str | int]) -> dict[str, str | int]:
        return {name: self.gettext(value) if isinstance(value, str) else value for name, value in params.items()}

    def _isolated(self, params: dict[str, str | int]) -> dict[str, str]:
        return {
            name: self._isolate(value) if isinstance(value, str) else self.number(value)
            for name, value in params.items()
        }

    def _isolate(self, value: str) -> str:
        """Keep a foreign value from reordering the sentence around it (Unicode TR9, explicit isolates)."""
        if self.direction == "rtl" or any(unicodedata.bidirectional(c) in {"R", "AL"} for c in value):
            return f"{_FIRST_STRONG_ISOLATE}{value}{_POP_ISOLATE}"
        return value


_DURATIONS = (
    ("duration-millisecond", 0.001, 1),
    ("duration-second", 1, 120),
    ("duration-minute", 60, 7_200),
    ("duration-hour", 3_600, 172_800),
)


@lru_cache
def translator(language: str) -> Translator:
    """Return the translator of a language; an unknown one speaks English."""
    known = language if language in LANGUAGES else "en"
    return Translator(known, gnu.translation("mithaq", _CATALOGUES, languages=[known], fallback=True))


def negotiate(accept_language: str) -> str:
    """Choose the best known language for an `Accept-Language` header (RFC 9110 §12.5.4), else English."""
    ranked: list[tuple[float, int, str]] = []
    for position, part in enumerate(accept_language.split(",")[:20]):
        tag, _, weight = part.strip().partition(";q=")
        base = tag.strip().lower().split("-")[0]
        if base in LANGUAGES and (quality := _quality(weight)) > 0:
            ranked.append((-quality, position, base))
    return min(ranked)[2] if ranked else "en"


def _quality(weight: str) -> float:
    try:
        return float(weight) if weight else 1.0
    except ValueError:
        return 0.0


@lru_cache
def _locale(language: str) -> Locale:
    return Locale.parse(language)


@lru_cache(maxsize=4096)
def _moment(language: str, at: datetime) -> str:
    day = format_datetime(at, "d MMM y", locale=_locale(language))
    if language in _RIGHT_TO_LEFT:
        return f"{day}، {_FIRST_STRONG_ISOLATE}{at:%H:%M} UTC{_POP_ISOLATE}"
    return f"{day}, {at:%H:%M} UTC"

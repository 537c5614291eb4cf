"""Say message ids in one language, with lists, durations and the vocabulary's words."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from mithaq.node.language import Translator

_DAY_HOURS = 24
_LONGEST_IN_HOURS = 72


@dataclass(frozen=True, slots=True)
class Voice:
    """One language in which sentences about agreements are said."""

    words: Translator

    def say(self, message: str, /, **params: str | int) -> str:
        """Say a message id with its placeholders filled in."""
        return self.words.gettext(message, **params)

    def word(self, known: Mapping[str, str], value: str) -> str:
        """Return the reader's word for a value of a closed list."""
        return self.words.gettext(known[value])

    def each(self, known: Mapping[str, str], values: Collection[str]) -> str:
        """List the reader's words for values, in the order of the closed list."""
        return self.listed([self.word(known, value) for value in known if value in values])

    def listed(self, values: Collection[str]) -> str:
        """List texts as the language does: with commas, and `and` before the last one."""
        return self.words.listing(sorted(values) if isinstance(values, set | frozenset) else list(values))

    def hours(self, hours: int) -> str:
        """Say a duration; whole days are days from the fourth on."""
        if hours > _LONGEST_IN_HOURS and hours % _DAY_HOURS == 0:
            return self.days(hours // _DAY_HOURS)
        return self.words.ngettext("%(count)s hour", "%(count)s hours", hours)

    def days(self, days: int) -> str:
        """Say a number of days."""
        return self.words.ngettext("%(count)s day", "%(count)s days", days)

    def name(self, names: Mapping[str, str]) -> str:
        """Return a name in the reader's language, else in English, else in any."""
        return names.get(self.words.language) or names.get("en") or next(iter(names.values()), "")

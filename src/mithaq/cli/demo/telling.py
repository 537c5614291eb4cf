"""Tell the story in the terminal while it happens, in the reader's language, and draw the table at its end."""

import time
from collections.abc import Mapping, Sequence
from statistics import quantiles
from typing import Any

import click

from mithaq.cli.session import table
from mithaq.node.language import Translator, msgid

_SENTENCES = {
    "attack": msgid("Attack on %(nation)s: a phishing mail, an implant that beacons out, movement from host to host."),
    "found": msgid("%(name)s: %(value)s (%(tlp)s) is known now; the agreement lets it go."),
    "protected": msgid(
        "    %(nation)s is protected: its own sensor met %(value)s and raised a hit, %(ms)s ms after the discovery."
    ),
    "withheld": msgid("Withheld from %(nation)s: %(value)s. Why: %(reasons)s."),
    "confirmed": msgid("The duty officer of %(nation)s confirms the hit on %(value)s."),
    "sighted": msgid("    Its sighting returned to %(first)s under the same agreement."),
    "blocklist": msgid("%(nation)s builds a blocklist that is safe to use: %(lines)s lines."),
    "withdrawn": msgid("%(nation)s was wrong about %(value)s and withdraws it."),
    "withdrawal-known": msgid("    Every partner has dropped %(value)s and confirmed it."),
    "exercise": msgid("%(nation)s plays %(value)s in an exercise (%(lane)s)."),
    "exercise-stayed": msgid(
        "    %(count)s partners detected it inside the exercise; no operational hit, no blocklist changed."
    ),
    "receipts": msgid("%(count)s signed receipts verified."),
    "reading": msgid("%(nation)s reads %(path)s."),
    "imported": msgid("%(count)s indicators of the emulation are known, %(warned)s of them flagged by warning lists."),
    "event": msgid("    %(name)s: %(stored)s objects, %(refused)s refused."),
    "exact": msgid("%(nation)s has found exactly the %(count)s lines of the truth, none missing and none extra."),
    "refused": msgid("%(value)s is detected but not blocked: %(reasons)s."),
    "leaks": msgid("Traces of withheld objects at the partners: %(count)s (a planted one was seen)."),
}


class Teller:
    """Print what happens with the seconds since the beginning."""

    def __init__(self, words: Translator, *, quiet: bool) -> None:
        self._words = words
        self._quiet = quiet
        self._began = time.monotonic()

    def __call__(self, event: str, **params: Any) -> None:
        """Say one event; a parameter may be a text by language, or the reasons of a refusal."""
        said = {name: self._said(value) for name, value in params.items()}
        self.line(self._words.gettext(_SENTENCES[event], **said))

    def _said(self, value: Any) -> str | int:
        match value:
            case Mapping():
                return str(value[self._words.language])
            case tuple():
                return "; ".join(self._words.reason(reason) for reason in value)
            case int():
                return value
            case _:
                return str(value)

    def line(self, text: str) -> None:
        """Print a line with its time."""
        if not self._quiet:
            click.echo(f"{time.monotonic() - self._began:6.1f} s  {text}", err=True)

    def plain(self, text: str) -> None:
        """Print a line as it is."""
        if not self._quiet:
            click.echo(text, err=True)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum of milliseconds.

    >>> spread([100.0, 200.0, 300.0])
    {'p50': 200.0, 'p95': 300.0, 'max': 300.0}
    """
    ordered = sorted(values)
    if not ordered:
        return {"p50": 0.0, "p95": 0.0, "max": 0.0}
    cuts = quantiles(ordered, n=20, method="inclusive") if len(ordered) > 1 else ordered * 19
    p95 = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return {"p50": round(cuts[9], 1), "p95": round(p95, 1), "max": round(ordered[-1], 1)}


def summary(words: Translator, result: dict[str, Any]) -> str:
    """Draw the table of results."""
    protection = result["discovery_to_protection_ms"]
    rows = [
        [words.gettext(msgid("Released objects, by nation")), str(result["released"])],
        [words.gettext(msgid("Withheld objects, by nation")), str(result["withheld"])],
        *(
            [words.gettext(msgid("Hits at %(nation)s"), nation=code), str(count)]
            for code, count in result["hits"].items()
        ),
        [words.gettext(msgid("Receipts verified")), str(result["receipts_verified"])],
        [words.gettext(msgid("Receipts missing")), str(result["receipts_missing"])],
        [
            words.gettext(msgid("Discovery to protection, ms (p50 / p95 / max)")),
            f"{protection['p50']:.0f} / {protection['p95']:.0f} / {protection['max']:.0f}",
        ],
        [words.gettext(msgid("Traces of withheld objects at partners")), str(result["leaks"])],
    ]
    return table([[words.gettext(msgid("What")), words.gettext(msgid("Result"))], *rows])

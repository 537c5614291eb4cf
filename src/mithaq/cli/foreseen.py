"""What the gate would say of an object, told to the person who is about to make it or has just made it."""

from collections.abc import Iterable

from mithaq.cli.layout import reason_lines
from mithaq.cli.session import Session
from mithaq.exchange.planning import Foreseen


def foreseen_lines(session: Session, foreseen: Iterable[Foreseen]) -> list[str]:
    """Say of each recipient whether it gets the object, and if not, every reason and what would mend it."""
    words, lines = session.words.gettext, []
    for each in foreseen:
        told = {"nation": each.recipient, "agreement": each.agreement_id}
        if each.verdict.allowed:
            lines.append(words("%(nation)s gets it under %(agreement)s.", **told))
        elif each.protected:
            lines.append(words("%(nation)s gets a protected version under %(agreement)s.", **told))
        else:
            lines.append(words("%(nation)s does not get it under %(agreement)s:", **told))
            lines += reason_lines(session, each.verdict.reasons, "  ")
    return lines

"""What a constituent may be called, and whether an account lets its program in."""

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from mithaq.kernel.reason import Reason
from mithaq.nations.constituents.model import QUIET, REFUSAL_PAUSE, Account, Constituent
from mithaq.nations.people.rules import usable_name

_ID: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_SECTOR: Final = re.compile(r"[a-z]+(?:-[a-z]+)*")
_VERSION: Final = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,4}")
_ID_CHARACTERS: Final = range(3, 64)
_STEP: Final = timedelta(minutes=1)


def usable(constituent_id: str, names: Mapping[str, str], sectors: Collection[str], contact: str) -> Reason | None:
    """Say why a constituent cannot be written down like this, or None where it can."""
    if not is_short_name(constituent_id):
        return Reason(
            "bad-constituent",
            "an id has 3 to 63 small letters, digits and single hyphens, and begins with a letter",
            remedy="choose an id such as grid-operator",
        )
    if not names:
        return Reason("bad-constituent", "a constituent needs a name in at least one language")
    for text in (*names.values(), contact):
        if reason := usable_name(text):
            return reason
    if not all(_SECTOR.fullmatch(sector) for sector in sectors):
        return Reason("bad-constituent", "a sector is written as in agreements, in small letters and hyphens")
    return None


def is_short_name(text: str) -> bool:
    """Tell whether a text may be an id that people write and that stands in addresses."""
    return len(text) in _ID_CHARACTERS and _ID.fullmatch(text) is not None


def refusal(account: Account, constituent: Constituent, user: str | None, door: str, at: datetime) -> Reason | None:
    """Say why an account does not open a door, or None where it does; `user` as HTTP Basic named it."""
    if user is not None and user != constituent.id:
        return Reason("account-of-another", "the account belongs to another constituent than was named")
    if account.door not in (None, door):
        return Reason("account-of-another-door", "the account opens another door")
    if constituent.disabled_at is not None:
        return Reason("constituent-disabled", "the constituent is disabled")
    if account.revoked_at is not None:
        return Reason("account-revoked", "the account was ended")
    if at >= account.expires_at:
        return Reason("account-expired", "the account has expired")
    return None


def is_sign_in(account: Account, at: datetime) -> bool:
    """Tell whether this use is to be written down as a sign-in."""
    return account.used_at is None or at - account.used_at >= QUIET


def is_use_noted(account: Account, at: datetime) -> bool:
    """Tell whether the last use is known exactly enough already: to a minute."""
    return account.used_at is not None and at - account.used_at < _STEP


def is_refusal_noted(account: Account, at: datetime) -> bool:
    """Tell whether a refusal of this account was written down a moment ago."""
    return account.refused_at is not None and at - account.refused_at < REFUSAL_PAUSE


def is_version(text: str) -> bool:
    """Tell whether a text is a version as MISP's programs compare it: three numbers."""
    return _VERSION.fullmatch(text) is not None

"""Names below which a registry lets everybody register (`com`, `co.uk`): no indicator can mean all of these.

Source: the ICANN section of the Public Suffix List. Its private section (`duckdns.org`, `github.io`) is left out: to
look for everything below such a name is a wish that an analyst may have.
"""

from functools import cache
from typing import Final

from publicsuffixlist import PSLFILE, PublicSuffixList

from mithaq.standards.observable import Observable

_WILD: Final = "*."


def is_registry_suffix(observable: Observable) -> bool:
    """Tell whether an observable is a domain under which a registry lets everybody register.

    Cost: some 0.3 µs; the list itself is asked only of what may stand on it.

    >>> [is_registry_suffix(Observable("domain", name)) for name in ("co.uk", "evil.co.uk", "github.io")]
    [True, False, False]
    """
    if observable.type != "domain":
        return False
    name, rules = observable.value, _rules()
    may_be = "." not in name or name in rules or _WILD + name in rules or _WILD + name.partition(".")[2] in rules
    return may_be and _suffixes().is_public(name)


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(only_icann=True)


@cache
def _rules() -> frozenset[str]:
    """Return every rule of the list as it is written, and as the DNS writes it."""
    with open(PSLFILE, encoding="utf-8") as file:  # noqa: PTH123  # the library's own file
        lines = [line.split(" ")[0].strip().lower() for line in file]
    written = [line for line in lines if line and not line.startswith(("//", "!"))]
    return frozenset((*written, *(_encoded(line) for line in written)))


def _encoded(rule: str) -> str:
    return rule if rule.isascii() else ".".join(label.encode("idna").decode() for label in rule.split("."))

"""Read the addresses that MISP's clients ask for: CakePHP's named parameters, and `.json` at the end."""

from collections import defaultdict
from dataclasses import dataclass, field
from urllib.parse import unquote_plus


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes: the parts of its path, and its named parameters, each with all its values."""

    parts: tuple[str, ...]
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def last(self, name: str) -> str:
        """Return the last value of a named parameter, empty where there is none."""
        return self.named.get(name, ("",))[-1]


def read_place(path: str) -> Place:
    """Read a path below the base address.

    >>> read_place("/events/view/1/deleted[]:0/deleted[]:1/excludeGalaxy:1.json").named["deleted"]
    ('0', '1')
    """
    parts: list[str] = []
    named: dict[str, list[str]] = defaultdict(list)
    for part in path.strip("/").removesuffix(".json").split("/"):
        name, colon, value = part.partition(":")
        if colon and name.removesuffix("[]").isidentifier():
            named[name.removesuffix("[]")].append(unquote_plus(value))
        elif part:
            parts.append(unquote_plus(part))
    return Place(tuple(parts), {name: tuple(values) for name, values in named.items()})

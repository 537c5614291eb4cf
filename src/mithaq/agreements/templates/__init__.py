"""Templates of agreements: complete sets of terms to begin a draft with.

Source: FIRST IEP 2.0; Directive (EU) 2022/2555 Art. 23 (24 h, 72 h, one month); the aims of OIC-CERT (sharing, research
and development, the annual drill).
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mithaq.agreements.errors import BadAgreement

_FOLDER = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Template:
    """One template: texts by language, terms as JSON values, and how it enters into force and goes on."""

    name: str
    title: Mapping[str, str]
    summary: Mapping[str, str]
    terms: Mapping[str, Any]
    least_parties: int
    valid_days: int
    entry_percent: int | None
    renewal: Mapping[str, int] | None

    def entry(self, parties: int) -> dict[str, Any]:
        """Return the rule of entry for so many parties; at least two always have to sign."""
        if self.entry_percent is None:
            return {}
        return {"rule": "count", "count": min(parties, max(2, -(-parties * self.entry_percent // 100)))}


def template_names() -> list[str]:
    """Return the names of all templates."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


@cache
def template(name: str) -> Template:
    """Return a template by its name.

    Raises:
        BadAgreement: there is no such template.
    """
    if name not in template_names():
        raise BadAgreement(
            "there is no template %(name)s; the templates are %(known)s",
            name=name[:40],
            known=", ".join(template_names()),
        )
    value = tomllib.loads((_FOLDER / f"{name}.toml").read_text("utf-8"))
    return Template(
        name,
        value["title"],
        value["summary"],
        value["terms"],
        value["least_parties"],
        value["valid_days"],
        value.get("entry_percent"),
        value.get("renewal"),
    )

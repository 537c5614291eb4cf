"""A node's settings: one TOML file in its data folder."""

import os
from pathlib import Path
from typing import Annotated

import msgspec

from mithaq.kernel.errors import Error

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class BadSettings(Error):
    """A settings file that cannot be read."""

    code = "bad-settings"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a nation decides about its node; every field is explained in `docs/settings.md`."""

    nation: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    names: dict[str, str]
    contact: str
    listen_host: str = "127.0.0.1"
    listen_port: Port = 8470
    public_url: str = ""
    partner_address: str = ""
    language: str = ""
    database: str = ""
    card_valid_days: Annotated[int, msgspec.Meta(ge=1, le=800)] = 365
    permit_documentation_ranges: bool = False
    upload_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30

    @property
    def partner_url(self) -> str:
        """Return the address that goes onto this nation's card."""
        host = f"[{self.listen_host}]" if ":" in self.listen_host else self.listen_host
        return self.partner_address or f"http://{host}:{self.listen_port}"


def read_settings(path: Path) -> Settings:
    """Read the settings of a node; `MITHAQ_DATABASE` overrides the database's address.

    Raises:
        BadSettings: the file is absent, no TOML, or has an unknown or wrong setting.
    """
    try:
        settings = msgspec.toml.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError as error:
        raise BadSettings(
            "there is no node in this folder; run `mithaq init` first", subject=str(path.parent)
        ) from error
    except (msgspec.DecodeError, ValueError) as error:
        raise BadSettings("%(detail)s", subject=path.name, detail=str(error)[:300]) from error
    database = os.environ.get("MITHAQ_DATABASE")
    return msgspec.structs.replace(settings, database=database) if database else settings


def write_settings(path: Path, settings: Settings) -> None:
    """Write a settings file that explains itself."""
    lines = ["# Settings of this Mithaq node. Every field is explained in docs/settings.md.\n"]
    for field in msgspec.structs.fields(settings):
        value = getattr(settings, field.name)
        if field.name != "names":
            lines.append(f"{field.name} = {_toml(value)}\n")
    lines.append("\n[names]\n")
    lines += [f"{language} = {_toml(name)}\n" for language, name in settings.names.items()]
    path.write_text("".join(lines), encoding="utf-8")


def _toml(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return msgspec.json.encode(value).decode()

"""Kinds of options that several commands take: labels, lanes, recipients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from mithaq.intelligence.model import ReleaseInstruction
from mithaq.kernel.errors import Error
from mithaq.kernel.ids import NationId
from mithaq.kernel.lane import Lane
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp


class _Label(click.ParamType[Tlp | Pap]):
    """A label of a protocol, written with or without its prefix."""

    def __init__(self, name: str, labels: type[Tlp] | type[Pap]) -> None:
        self.name = name
        self._labels = labels

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Tlp | Pap:
        if isinstance(value, Tlp | Pap):
            return value
        found = self._labels.parse(str(value))
        if found is None:
            known = ", ".join(label.label for label in self._labels)
            self.fail(f"{value} is none of {known}", param, ctx)
        return found


class _Admiralty(click.ParamType[Admiralty]):
    """A rating of the Admiralty code: a letter from A to F, a digit from 1 to 6, or both."""

    name = "admiralty"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Admiralty:
        if isinstance(value, Admiralty):
            return value
        found = Admiralty.parse(str(value))
        if found is None:
            self.fail(f"{value} is no rating such as B2: A to F, then 1 to 6", param, ctx)
        return found


class _Lane(click.ParamType[Lane]):
    """A lane: actual, test or exercise--<uuid>."""

    name = "lane"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Lane:
        if isinstance(value, Lane):
            return value
        try:
            return Lane.parse(str(value))
        except Error as error:
            self.fail(str(error), param, ctx)


TLP = _Label("tlp", Tlp)
PAP = _Label("pap", Pap)
LANE = _Lane()
ADMIRALTY = _Admiralty()


_Command = TypeVar("_Command", bound=Callable[..., Any])


def release_options(command: _Command) -> _Command:
    """Give a command the options of a release: `agreement`, `recipients` (see `nations_of`) and `purpose`."""
    for option in (
        click.option("--purpose", default="defence", show_default=True, help="The purpose of the release."),
        click.option("--to", "recipients", default=None, help="Only to these parties, for instance XB,XC."),
        click.option("--agreement", default=None, help="Release what is added under this agreement."),
    ):
        command = option(command)
    return command


def nations_of(text: str | None) -> tuple[NationId, ...] | None:
    """Return the nations of a list such as `XB,XC`; None, which means every party, where there is none."""
    if text is None:
        return None
    return tuple(NationId(code.strip().upper()) for code in text.split(",") if code.strip())


def instruction_of(
    agreement: str | None, recipients: tuple[NationId, ...] | None, purpose: str, by: str
) -> ReleaseInstruction | None:
    """Return what the releaser asks for.

    Raises:
        click.UsageError: recipients are named, but no agreement under which they would get it.
    """
    if agreement is None:
        if recipients is not None:
            raise click.UsageError("--to needs --agreement: nothing is released without one")
        return None
    return ReleaseInstruction(agreement, recipients, purpose, by)

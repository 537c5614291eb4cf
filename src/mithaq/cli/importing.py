"""What the commands that import a file share: lists and advisories, and how an import is told."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce, wraps
from pathlib import Path
from typing import Final, Literal

import click
import msgspec

from mithaq.cli.files import open_input, read_input
from mithaq.cli.options import ADMIRALTY, LANE, PAP, TLP, instruction_of, nations_of, release_options
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.intelligence.imports.csaf import import_csaf
from mithaq.intelligence.imports.lists.mapping import MAX_MAPPING_BYTES, Mapping, read_mapping
from mithaq.intelligence.imports.lists.objects import import_list
from mithaq.intelligence.model import ImportReport, ImportTerms
from mithaq.kernel.lane import Lane
from mithaq.standards import csaf
from mithaq.standards.admiralty import Admiralty
from mithaq.standards.pap import Pap
from mithaq.standards.tlp import Tlp

FORMS: Final = ("stix", "misp", "csaf", "list", "csv", "text")
_ALGORITHMS: Final[tuple[Literal["sha256", "sha512"], ...]] = ("sha256", "sha512")


def rules_with_terms(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that imports rules its PATHS and options; it is called with `paths` and `terms`."""

    @wraps(command)
    def with_terms(
        ctx: click.Context,
        paths: tuple[str, ...],
        tlp: Tlp,
        pap: Pap | None,
        admiralty: Admiralty | None,
        agreement: str | None,
        recipients: str | None,
        purpose: str,
        lane: Lane,
    ) -> None:
        session: Session = ctx.obj
        terms = ImportTerms(
            nation=session.node().nation,
            lane=lane,
            tlp=tlp,
            pap=pap,
            purpose=purpose if agreement else None,
            instruction=instruction_of(agreement, nations_of(recipients), purpose, session.actor),
            admiralty=admiralty,
        )
        command(ctx, paths, terms)

    options = (
        click.argument("paths", nargs=-1, required=True),
        click.option("--tlp", type=TLP, required=True, help="The label of every rule, such as green or amber+strict."),
        click.option("--pap", type=PAP, default=None, help="What recipients may do with them, for instance amber."),
        click.option("--admiralty", type=ADMIRALTY, default=None, help="How you rate source and information: B2."),
        release_options,
        click.option("--lane", type=LANE, default="actual", show_default=True),
        click.pass_context,
    )
    return reduce(lambda decorated, option: option(decorated), reversed(options), with_terms)


def mapping_of(form: str, file: str | None, origin: str, valid_days: int) -> Mapping:
    """Return the mapping in a file, or one for a bare list of this origin.

    Raises:
        click.UsageError: a CSV without a mapping: nobody can know its columns.
    """
    if file is not None:
        return msgspec.structs.replace(read_mapping(read_input(file, MAX_MAPPING_BYTES)), form=form)
    if form == "csv":
        raise click.UsageError("--as csv needs --mapping: the file does not say what its columns mean")
    return Mapping(origin=origin, valid_days=valid_days)


def import_advisory(session: Session, file: str, terms: ImportTerms) -> ImportReport:
    """Import a CSAF advisory, held against the digests that lie beside it."""
    node = session.node()
    body = read_input(file, csaf.MAX_BYTES)
    for algorithm in _ALGORITHMS:
        beside = Path(f"{file}.{algorithm}")
        if file != "-" and beside.is_file():
            csaf.check_digest(body, read_input(str(beside), csaf.MAX_SIDECAR_BYTES), algorithm)
    return import_csaf(node.holdings, body, terms=terms, warning_lists=node.warning_lists, at=session.now())


def import_file(session: Session, file: str, mapping: Mapping, terms: ImportTerms) -> ImportReport:
    """Import a list from a file or from standard input."""
    node = session.node()
    with open_input(file) as source:
        return import_list(
            node.holdings,
            source,
            mapping=mapping,
            terms=terms,
            warning_lists=node.warning_lists,
            at=session.now(),
        )


def finish(ctx: click.Context, report: ImportReport) -> None:
    """Tell what an import did; the command fails where it could not be read whole, or nothing of it was accepted."""
    _tell(ctx.obj, report)
    if report.broken or (report.refused_count and not report.stored + report.duplicates):
        ctx.exit(EXIT_FAILED)


def _tell(session: Session, report: ImportReport) -> None:
    """Print the counts for people, everything for programs; name what was refused on standard error."""
    if not session.as_json:
        for name, reason in report.refused[:20]:
            session.say("refused %(object)s: %(reason)s", object=name, reason=session.words.reason(reason))
        for item in report.warned[:20]:
            session.say("%(value)s stands on warning lists: %(lists)s", value=item.value, lists=", ".join(item.lists))
        if report.without_pap:
            session.say(
                "%(count)s without a PAP label: they go as PAP:RED, so to hardly anybody; import again with --pap",
                count=report.without_pap,
            )
        if report.withdrawn:
            session.say(
                "%(count)s taken back: newer versions of their events give them no more", count=report.withdrawn
            )
        if report.broken:
            session.say("the rest could not be read: %(reason)s", reason=session.words.reason(report.broken))
    session.emit(report.as_json(), lambda: _counts(session, report))


def _counts(session: Session, report: ImportReport) -> str:
    return session.words.gettext(
        "%(stored)s stored, %(duplicates)s known already, %(refused)s refused, %(warned)s on warning lists,"
        " %(unmatchable)s not matchable",
        stored=report.stored,
        duplicates=report.duplicates,
        refused=report.refused_count,
        warned=report.warned_count,
        unmatchable=report.unmatchable_count,
    )

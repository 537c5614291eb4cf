"""`mithaq audit`: the release log checked from files alone, by anybody."""

from pathlib import Path
from typing import Any

import click

from mithaq.cli.files import read_input, write_output
from mithaq.cli.layout import Column, labelled, plain, printable, show_rows, word
from mithaq.cli.membership import membership
from mithaq.cli.session import EXIT_FAILED, Session
from mithaq.node.language import msgid

_MAX_POLICY = 1024 * 1024
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_DIFFERENCES = {
    "kind": Column(msgid("difference"), lambda session, value: word(session, f"difference-{value}")),
    "sender": Column(msgid("from")),
    "recipient": Column(msgid("to")),
    "sequence": Column(msgid("number")),
    "release": Column(msgid("release")),
}

_CHECKED = {
    "signatures": msgid("signatures checked"),
    "entries": msgid("entries checked"),
    "tiles": msgid("tiles checked"),
    "records": msgid("records checked"),
    "erased": msgid("records erased, their time being over"),
    "receipts": msgid("receipts checked"),
    "proofs": msgid("proofs checked"),
}


@click.group()
def audit() -> None:
    """Check logs from files alone, compare nations' logs, gather evidence."""


audit.add_command(membership)


@audit.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--log", "origin", default=None, help="The origin of the log; the newest by default.")
@click.option("--agreement", default="", help="The membership log of this agreement instead of the release log.")
@click.pass_obj
def export(session: Session, folder: Path, origin: str | None, agreement: str) -> None:
    """Write one of this nation's logs and its records into DIR, for an auditor or another party."""
    from mithaq.cli.agreement.find import resolve
    from mithaq.exchange.audit.export import export_log
    from mithaq.exchange.membership.service import Membership

    node = session.node()
    if agreement:
        agreement = resolve(node, agreement).document.id
        Membership(node.channel).follow(session.now())
    exported = export_log(node.channel, node.card_bytes(), folder, origin, agreement=agreement)
    session.emit(
        {"folder": str(folder), "log": exported.origin, "leaves": exported.size, "records": exported.records},
        lambda: session.words.gettext(
            "%(file)s: the log %(origin)s, %(leaves)s leaves, %(records)s records.",
            file=str(folder),
            origin=exported.origin,
            leaves=exported.size,
            records=exported.records,
        ),
    )
    if agreement:
        session.say("It is for the parties to the agreement. Verify it: mithaq audit verify %(file)s", file=str(folder))
        return
    session.say(
        "Whoever has this folder reads what you released to whom. Verify it: mithaq audit verify %(file)s",
        file=str(folder),
    )


@audit.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--policy", "policy_file", default=None, help="Your own policy file; the folder's by default.")
@click.pass_obj
def verify(session: Session, folder: Path, policy_file: str | None) -> None:
    """Re-check an exported log in DIR: signatures, every leaf, every record, receipts and proofs. Needs no node."""
    from mithaq.exchange.audit.verify import verify_folder
    from mithaq.kernel.tlog.policy import read_policy

    policy = read_policy(read_input(policy_file, _MAX_POLICY)) if policy_file else None
    verdict = verify_folder(folder, policy)
    value: dict[str, Any] = {
        "verdict": "holds" if verdict.holds else "does not hold",
        "log": verdict.origin,
        "leaves": verdict.size,
        "signed_by": list(verdict.signed_by),
        "checked": dict(verdict.checked),
        "records": dict(verdict.actions),
        "wrong": [f"{what}: {error}" for what, error in verdict.wrong],
    }

    def text() -> str:
        words = session.words
        rows = [
            (words.gettext("verdict"), words.gettext("holds") if verdict.holds else words.gettext("does not hold")),
            (words.gettext("log"), printable(verdict.origin)),
            (words.gettext("leaves"), str(verdict.size)),
            (words.gettext("signed by"), printable(", ".join(verdict.signed_by))),
            *((words.gettext(_CHECKED[name]), str(count)) for name, count in verdict.checked.items()),
        ]
        wrong = [f"{printable(what)}: {printable(words.error(error))}" for what, error in verdict.wrong]
        return "\n".join((labelled(rows), *wrong))

    session.emit(value, text)
    if policy is None:
        session.say("Under the policy in the folder itself. Give your own with --policy, with keys you compared.")
    if not verdict.holds:
        raise click.exceptions.Exit(EXIT_FAILED)


@audit.command()
@click.argument("first", metavar="DIR", type=_FOLDER)
@click.argument("second", metavar="DIR", type=_FOLDER)
@click.pass_obj
def reconcile(session: Session, first: Path, second: Path) -> None:
    """Compare what one nation's log says it sent with what another's says it got, in both directions."""
    from mithaq.exchange.audit.reconcile import reconcile as compare

    found = compare(first, second)
    rows = [
        {
            "kind": each.kind,
            "sender": each.sender,
            "recipient": each.recipient,
            "sequence": each.sequence,
            "release": each.release_id,
        }
        for each in found.differences
    ]
    show_rows(session, rows, _DIFFERENCES, empty=msgid("Both logs say the same."))
    session.say(
        "%(first)s and %(second)s: %(count)s numbers compared, %(differences)s differences.",
        first=found.first,
        second=found.second,
        count=found.compared,
        differences=len(found.differences),
    )
    if found.erased:
        session.say("%(count)s were compared by their digest alone: the record was erased.", count=found.erased)
    if found.differences:
        raise click.exceptions.Exit(EXIT_FAILED)


@audit.command()
@click.argument("release_id", metavar="RELEASE")
@click.argument("file", metavar="FILE")
@click.pass_obj
def evidence(session: Session, release_id: str, file: str) -> None:
    """Write one signed FILE with all there is about RELEASE: itself, its proof, the agreement, cards, receipts."""
    from mithaq.exchange.audit.evidence import gather

    node = session.node()
    data = gather(node.channel, node.card_bytes(), release_id, session.now())
    write_output(file, data)
    if file != "-":
        session.emit(
            {"file": file, "release": release_id, "bytes": len(data)},
            lambda: session.words.gettext("%(file)s: the evidence of %(release)s.", file=file, release=release_id),
        )
    session.say("The file holds the released objects themselves: give it to nobody who may not see them.")


@audit.command()
@click.argument("file", metavar="FILE")
@click.pass_obj
def check(session: Session, file: str) -> None:
    """Verify an evidence FILE from its bytes alone; compare the fingerprints it prints with the nations'."""
    from mithaq.exchange.audit.evidence import MAX_EVIDENCE_BYTES
    from mithaq.exchange.audit.evidence import check as check_evidence

    found = check_evidence(read_input(file, MAX_EVIDENCE_BYTES))
    value = plain(
        {
            "verdict": "holds",
            "release": found.release_id,
            "sender": found.sender,
            "recipient": found.recipient,
            "at": found.at,
            "agreement": found.agreement_id,
            "witnesses": list(found.witnesses),
            "emergency": found.emergency,
            "receipts": list(found.receipts),
            "gathered_by": found.gathered_by,
            "fingerprints": dict(found.fingerprints),
        }
    )

    def text() -> str:
        words = session.words
        rows = [
            (words.gettext("verdict"), words.gettext("holds")),
            (words.gettext("release"), printable(found.release_id)),
            (words.gettext("from"), printable(found.sender)),
            (words.gettext("to"), printable(found.recipient)),
            (words.gettext("when"), words.moment(found.at)),
            (words.gettext("agreement"), printable(found.agreement_id)),
            (words.gettext("witnesses"), printable(", ".join(found.witnesses))),
            (words.gettext("emergency"), printable(found.emergency)),
            (words.gettext("receipt"), ", ".join(word(session, f"outcome-{each}") for each in found.receipts)),
            *((nation, digits) for nation, digits in found.fingerprints.items()),
        ]
        return labelled(rows)

    session.emit(value, text)


@audit.command("begin-anew")
@click.confirmation_option(prompt="Begin a new log? Do it only where partners have cosigned more than is here.")
@click.pass_obj
def begin_anew(session: Session) -> None:
    """Begin a new release log this year, after the restore of a backup has forgotten leaves of the old one."""
    node = session.node()
    node.exchange.begin_log_anew(at=session.now(), actor=session.actor)
    with node.db.read() as connection:
        origin = node.channel.log.origin(connection)
    session.emit({"log": origin}, lambda: session.words.gettext("The log is now %(origin)s.", origin=origin))

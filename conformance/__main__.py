"""`python -m conformance`: make the played nations, draft their agreement with a node, hold the node to the cases."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import click
import httpx

from conformance import nation as played
from conformance.bench import PATIENCE_S, Bench
from conformance.nation import CODES, Nation
from conformance.run import cases, run
from conformance.station import Station


@click.group()
def main() -> None:
    """Hold a node to the partner protocol by playing two partner nations against it."""


@main.command("nations")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--port", default=8590, show_default=True, help="Port of the first nation on this machine.")
def make_nations(folder: Path, port: int) -> None:
    """Make the two nations in FOLDER; the operator of the node adds and confirms their cards."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, code in enumerate(CODES):
        made = Nation.make(code, f"http://127.0.0.1:{port + place}", folder)
        fingerprint = played.node_card(made.card_bytes).fingerprint
        click.echo(f"{folder / f'{code}.card'}\t{fingerprint}")


@main.command("agreement")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--card", type=click.Path(exists=True, path_type=Path), required=True, help="The node's card.")
def draft_agreement(folder: Path, card: Path) -> None:
    """Sign an agreement of both nations with the node; the operator imports, signs and returns nothing."""
    envelope = played.draft(_nations(folder), played.node_card(card.read_bytes()))
    (folder / "agreement.json").write_bytes(envelope.encode())
    click.echo(folder / "agreement.json")


@main.command("list")
def list_cases() -> None:
    """Name every case and what happens in it."""
    for case in cases():
        click.echo(f"{case.name}\t{case.what}")


@main.command("run")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--node", required=True, help="Address of the node, such as http://127.0.0.1:8470.")
@click.option("--case", "names", multiple=True, help="Run this case only; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a case.")
def run_cases(folder: Path, node: str, names: tuple[str, ...], as_json: bool) -> None:
    """Run the cases against NODE; ends with 1 where the node did not do what it has to."""
    chosen = [case for case in cases() if not names or case.name in names]
    if not chosen:
        raise click.UsageError("there is no such case")
    failed = 0
    with bench(folder, node) as ready:
        for outcome in run(ready, chosen):
            failed += bool(outcome.fault)
            text = f"{'FAIL' if outcome.fault else 'ok':4}  {outcome.case.name}  {outcome.fault}".rstrip()
            click.echo(json.dumps(outcome.as_json()) if as_json else text)
    click.echo(f"{len(chosen) - failed} passed, {failed} failed", err=as_json)
    sys.exit(1 if failed else 0)


@contextmanager
def bench(folder: Path, node: str) -> Iterator[Bench]:
    """Open the stations of both nations and wait until the node asks at each.

    Raises:
        ClickException: the node does not ask; the nations are not confirmed, or the agreement is not signed.
    """
    nations = _nations(folder)
    with ExitStack() as stack:
        http = stack.enter_context(httpx.Client(base_url=node, trust_env=False, timeout=PATIENCE_S))
        card = played.node_card(http.get("/partner/v1/card").content)
        agreed = played.agreement((folder / "agreement.json").read_bytes(), nations, card)
        stations = [Station(each, card.verify_key) for each in nations]
        for station in stations:
            server = station.serve(urlsplit(station.nation.address).port or 0)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
        for station in stations:
            if not station.wait(lambda station=station: bool(station.cursors), PATIENCE_S):  # type: ignore[misc]
                raise click.ClickException(f"the node does not ask {station.nation.code}; was its card confirmed?")
        yield Bench(card, agreed, stations, http)


def _nations(folder: Path) -> list[Nation]:
    return [Nation.load(code, folder) for code in CODES]


if __name__ == "__main__":
    main()

"""An unmodified TAXII client of a partner nation, against a node founded and run by its commands."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import taxii2client.v21 as taxii
from requests.exceptions import HTTPError

from tests.running import RunningNode, founded, serving, until

pytestmark = pytest.mark.functional
VALUES = ("sign-in.post-rimal.example", "198.51.100.77")


@dataclass
class Nations:
    """A running node and a partner without a link, whose archives somebody carries."""

    xa: RunningNode
    xb: RunningNode
    folder: Path
    agreement: str

    def desk(self, *words: str) -> None:
        """Run a command of the partner, whose node does not run."""
        self.xb.run("--passphrase-file", str(self.xb.passphrase_file), *words)

    def carry(self) -> None:
        """Carry what is due to the partner there, and its receipts back."""
        there, back = self.folder / "to-xb", self.folder / "to-xa"
        self.xa.run("partner", "export-archive", "XB", "--to", str(there))
        self.desk("partner", "import-archive", str(there))
        self.desk("partner", "export-archive", "XA", "--to", str(back))
        self.xa.run("partner", "import-archive", str(back))


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    folder = tmp_path_factory.mktemp("nations")
    xa, xb = founded(folder), founded(folder, "XB")
    both = Nations(xa, xb, folder, "")
    with serving(xa):
        cards = folder / "xa.card", folder / "xb.card"
        xa.run("card", "export", str(cards[0]))
        both.desk("card", "export", str(cards[1]))
        fingerprint = xa.json("partner", "add", str(cards[1]))[0]["fingerprint"]
        xa.run("partner", "confirm", "XB", "--fingerprint", fingerprint)
        both.desk("partner", "add", str(cards[0]))
        both.desk("partner", "confirm", "XA", "--fingerprint", xa.json("card", "show")[0]["fingerprint"])
        draft, signed, back = (folder / name for name in ("draft.json", "signed-by-xa", "signed-by-both"))
        xa.run("agreement", "draft", "--with", "XB", "--title-en", "Joint defence", str(draft))
        both.agreement = xa.json("agreement", "propose", str(draft))[0]["id"]
        xa.run("agreement", "export", both.agreement, str(signed))
        both.desk("agreement", "import", str(signed))
        both.desk("agreement", "sign", both.agreement)
        both.desk("agreement", "export", both.agreement, str(back))
        assert xa.json("agreement", "import", str(back))[0]["state"] == "in-force"
        xa.run("release", "order", both.agreement)
        yield both


def test_taxii2_client_reads_what_its_nation_has_confirmed_until_the_agreement_is_suspended(nations: Nations) -> None:
    xa = nations.xa
    for value in VALUES:
        xa.run("indicator", "add", value, "--tlp", "TLP:GREEN", "--pap", "PAP:GREEN")
    secret = xa.run("partner", "token", "XB", nations.agreement, "--name", "opencti").stdout.strip()
    server = taxii.Server(f"{xa.url}/taxii2/", user="XB", password=secret)
    (collection,) = server.default.collections
    assert (collection.title, collection.can_read, collection.can_write) == ("Joint defence", True, False)
    assert collection.get_objects() == {"more": False, "objects": []}

    until(lambda: xa.json("partner", "show", "XB")[0]["waiting"] == len(VALUES), 30, xa.log)
    nations.carry()
    until(lambda: len(collection.get_objects()["objects"]) == len(VALUES), 30, xa.log)
    pages = taxii.as_pages(collection.get_objects, per_request=1)
    patterns = [each["pattern"] for page in pages for each in page["objects"]]
    assert all(any(value in pattern for pattern in patterns) for value in VALUES)
    assert len(collection.get_manifest()["objects"]) == len(VALUES)

    xa.run("agreement", "suspend", nations.agreement)
    with pytest.raises(HTTPError, match="401"):
        collection.get_objects()
    xa.run("agreement", "resume", nations.agreement)
    with pytest.raises(HTTPError, match="401"):
        collection.get_objects()
    (account,) = xa.json("partner", "accounts", "XB")
    assert (account["state"], account["ended_for"][0]["code"]) == ("revoked", "agreement-suspended")

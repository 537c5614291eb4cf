"""Verify or fetch the files that come from npm packages, as each `vendor.toml` lists them.

`python tools/vendor.py check` needs no network; `fill` runs `npm pack` in a temporary folder.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LISTS = (ROOT / "src/mithaq/web/static/vendor.toml", ROOT / "tests/ui/static/vendor.toml")


def packages(listing: Path) -> list[dict[str, Any]]:
    """Read the packages that one `vendor.toml` names."""
    found: list[dict[str, Any]] = tomllib.loads(listing.read_text("utf-8"))["package"]
    return found


def faults(listing: Path) -> Iterator[str]:
    """Yield a sentence for every listed file that is absent or differs from its digest."""
    for package in packages(listing):
        for file in package["file"]:
            path = listing.parent / file["to"]
            if not path.is_file():
                yield f"{path.relative_to(ROOT)}: missing, run tools/vendor.py fill"
            elif hashlib.sha256(path.read_bytes()).hexdigest() != file["sha256"]:
                yield f"{path.relative_to(ROOT)}: differs from the sha256 in vendor.toml"


def fill(listing: Path) -> None:
    """Fetch every package of the list and write its files in place."""
    for package in packages(listing):
        with tempfile.TemporaryDirectory() as folder:
            wanted = f"{package['name']}@{package['version']}"
            packed = subprocess.run(
                ["npm", "pack", "--silent", wanted], cwd=folder, check=True, capture_output=True, text=True
            )
            with tarfile.open(Path(folder) / packed.stdout.strip().splitlines()[-1]) as archive:
                for file in package["file"]:
                    _extract(archive, f"package/{file['from']}", listing.parent / file["to"])


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    member = archive.extractfile(name)
    if member is None:
        raise SystemExit(f"{name} is no file in the package")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(member.read())


def main(argv: list[str]) -> int:
    """Run `check` or `fill` over all lists."""
    if argv not in (["check"], ["fill"]):
        print("usage: vendor.py check|fill", file=sys.stderr)
        return 2
    if argv == ["fill"]:
        for listing in LISTS:
            fill(listing)
    found = [fault for listing in LISTS for fault in faults(listing)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

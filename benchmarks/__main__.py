"""`python -m benchmarks [NAME] [--json] [--quick | --full] [--seed N] [--list]`.

Every other module of this folder that has a `measure(size, options) -> Result` is a benchmark; one that has an
`arguments(parser)` takes options of its own. Without a name all run, each in a process of its own. The exit code tells
whether they ran, whatever the figures say.
"""

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from benchmarks.measure import Result, Size, machine

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all benchmarks, without importing what they measure."""
    return sorted(path.stem for path in _FOLDER.glob("*.py") if "\ndef measure(" in path.read_text("utf-8"))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.{name}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what the README states.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="one of --list; all without it")
    parser.add_argument("--json", action="store_true", help="print one JSON object a benchmark and nothing else")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", dest="size", const="quick", help="a smoke test")
    size.add_argument("--full", action="store_const", dest="size", const="full", help="the largest sizes")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of generated data (default 1)")
    parser.add_argument("--list", action="store_true", help="name all benchmarks")
    parser.set_defaults(size="small")
    return parser


def report(name: str, result: Result) -> dict[str, object]:
    """Return the one shape in which all figures are printed."""
    return {
        "benchmark": name,
        "figures": dict(result.figures),
        "peers": {peer: dict(figures) for peer, figures in result.peers.items()},
        "machine": machine(),
        "runs": result.runs,
    }


def _print_table(name: str, result: Result) -> None:
    print(f"{name}  (median of {result.runs})")
    for key, value in result.figures.items():
        print(f"  {key:32} {value:>14,.6g}")
    for peer, figures in result.peers.items():
        for key, value in figures.items():
            print(f"  {peer + ': ' + key:32} {value:>14,.6g}")


def _run_one(name: str, arguments: list[str]) -> int:
    module = _module(name)
    parser = _parser()
    if hasattr(module, "arguments"):
        module.arguments(parser)
    options = parser.parse_args(arguments)
    result: Result = module.measure(Size(options.size, options.seed), options)
    if options.json:
        print(json.dumps(report(name, result)))
    else:
        _print_table(name, result)
    return 0


def _run_all(arguments: list[str]) -> int:
    failed = [
        name
        for name in names()
        if subprocess.run([sys.executable, "-m", "benchmarks", name, *arguments], check=False).returncode
    ]
    if failed:
        print(f"did not run: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def main(arguments: list[str]) -> int:
    """Run one benchmark, or all."""
    options, _ = _parser().parse_known_args(arguments)
    if options.list:
        print("\n".join(names()))
        return 0
    if options.name is None:
        return _run_all(arguments)
    if options.name not in names():
        print(f"no benchmark is named {options.name}; there are: {', '.join(names())}", file=sys.stderr)
        return 2
    return _run_one(options.name, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

import pytest

from tools.check_tree import RULES, File, Rule, faults, files, folders_have_readme, one_gate, sizes

_LONG = "def work() -> None:\n" + "    print(1)\n" * 81
_WIDE = "class Everything:\n" + "".join(f"    def do_{n}(self) -> None: ...\n" for n in range(16))
_WITH_PROPERTIES = "class Record:\n" + "".join(f"    @property\n    def p{n}(self) -> int: ...\n" for n in range(16))

PLANTED = {
    "a folder named for nothing": File("src/mithaq/utils/text.py", ""),
    "a module named for nothing": File("src/mithaq/release/helpers.py", ""),
    "a capability without its page": File("src/mithaq/research/__init__.py", ""),
    "a page that became a book": File("src/mithaq/release/README.md", "words\n" * 81),
    "a file nobody reads in one go": File("src/mithaq/release/rules.py", "x = 1\n" * 501),
    "a function nobody reads in one go": File("src/mithaq/release/rules.py", _LONG),
    "a class that does everything": File("src/mithaq/release/rules.py", _WIDE),
    "a service that reads a clock": File("src/mithaq/release/service.py", "at = datetime.now(UTC)\n"),
    "a Released beside the gate": File("src/mithaq/exchange/sending/service.py", "Released(1)\n"),
    "the gate's key in other hands": File("src/mithaq/web/pages.py", "from mithaq.release.model import _GATE\n"),
    "a path of one machine": File("docs/start.md", "run it in /root/mithaq\n"),
    "the host of a registry": File("README.md", "pip install -i https://pypi.org/simple mithaq\n"),
    "something put off": File("src/mithaq/release/rules.py", "x = 1  # TODO: more\n"),
    "a broad except without a reason": File("src/mithaq/release/rules.py", "try: ...\nexcept: ...  # noqa: BLE001"),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found_and_named(planted: File) -> None:
    found = [fault for fault in faults([planted]) if not fault.startswith("ask:")]
    assert found
    assert all(fault.startswith(planted.path.rsplit("/", 1)[0]) for fault in found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_has_a_planted_fault(rule: Rule) -> None:
    assert any(fault for planted in PLANTED.values() for fault in rule([planted]))


def test_what_the_rules_mean_to_allow_is_allowed() -> None:
    fine = [
        File("src/mithaq/release/__init__.py", ""),
        File("src/mithaq/release/README.md", "# release\n"),
        File("src/mithaq/release/rules.py", "from mithaq.release.model import _GATE\nReleased(1, _GATE)\n"),
        File("src/mithaq/release/model.py", _WITH_PROPERTIES),
        File("src/mithaq/kernel/clock.py", "at = datetime.now(UTC)\n"),
        File("src/mithaq/web/templates/base.html", "<p>"),
        File(
            "src/mithaq/cli/roles.py", "try: ...\nexcept Exception:  # noqa: BLE001 - the outermost boundary\n    ...\n"
        ),
    ]
    assert faults(fine) == []


def test_between_the_limits_the_rules_only_ask() -> None:
    found = list(sizes([File("src/mithaq/release/rules.py", "x = 1\n" * 450)]))
    assert found == ["ask: src/mithaq/release/rules.py: 450 lines"]


@pytest.fixture(scope="module")
def tree() -> list[File]:
    return files()


def test_the_tree_keeps_the_rules(tree: list[File]) -> None:
    assert len(tree) > 100
    assert [fault for fault in faults(tree) if not fault.startswith("ask:")] == []


def test_only_the_rules_of_the_gate_make_what_may_leave(tree: list[File]) -> None:
    assert any("_GATE" in file.text for file in tree if file.path == "src/mithaq/release/rules.py")
    assert list(one_gate(tree)) == []


def test_a_capability_of_this_tree_without_its_page_is_missed(tree: list[File]) -> None:
    others = [file for file in tree if file.path != "src/mithaq/release/README.md"]
    assert "src/mithaq/release/README.md: missing" in list(folders_have_readme(others))

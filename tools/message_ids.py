"""Find every message id of the program: where it is shown, and where it is born.

A message is *shown* by a Jinja template (`{% trans %}`, `_()`) or a call of `SHOWN`. It is *born* in an `Error` of the
kernel (every subclass), in a `Reason`, and in what else `BORN` names. A function that gives a parameter of its own on
as the message of a birth is a birth itself, whatever it is called. What is born must be a text that stands in the
sources, or it could not be translated: anything else is a fault.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from jinja2.ext import babel_extract

SHOWN = ("msgid", "gettext", "say", "words")
"""Calls whose first argument is a message id, where it is written there; `ngettext` takes two."""

Places = dict[str, int | None]
"""Which parameters of a call are messages, and where they stand; None for one that is given by name alone."""

BORN: dict[str, Places] = {
    "Reason": {"message": 1, "remedy": 3},
    "Clause": {"message": 2, "remedy": 3},
    "TermRule": {"sentence": 2},
    "Sentence": {"sentence": 0},
    "Flaw": {"message": 2, "remedy": 3},
}
RESTORED = ("kernel/reason.py", "exchange/kept_reasons.py")
"""Files in which a reason is built again from one that was kept."""

_ERROR: Places = {"message": 0}
_HANDED_ON = frozenset({"message", "remedy"})
"""Attributes of what was born already."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef
Id = str | tuple[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A message id, or a plural pair, and the file that it stands in."""

    path: Path
    message: Id


@dataclass(frozen=True, slots=True)
class Fault:
    """A birth whose message is no text of the sources."""

    path: Path
    line: int
    given: str


@dataclass(frozen=True, slots=True)
class _Call:
    """A call, with the functions around it, the innermost first, and its class."""

    node: ast.Call
    functions: tuple[_Function, ...]
    within: str


@dataclass(slots=True, eq=False)
class _Module:
    """One file: what it calls, defines and imports, and which of its functions are births."""

    path: Path
    tree: ast.Module
    calls: list[_Call] = field(default_factory=list)
    classes: dict[str, list[ast.expr]] = field(default_factory=dict)
    functions: set[str] = field(default_factory=set)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)
    births: dict[str, Places] = field(default_factory=dict)


def in_templates(folder: Path) -> Iterator[Found]:
    """Yield the message ids of all Jinja templates below a folder."""
    for path in sorted(folder.glob("**/*.html")):
        with path.open("rb") as file:
            options = {"trimmed": "true", "silent": "false"}
            for _, _, message, _ in babel_extract(file, ("_", "gettext", "ngettext"), [], options):
                usable = tuple(part for part in message if part) if isinstance(message, tuple) else message
                if usable:
                    yield Found(path, usable)  # type: ignore[arg-type]


def in_sources(package: Path) -> Iterator[Found | Fault]:
    """Yield the message ids of all files of a package, and each birth whose message does not stand there."""
    modules = {_dotted(path, package): _read(path) for path in sorted(package.rglob("*.py"))}
    for module in modules.values():
        yield from (Found(module.path, message) for call in module.calls for message in _shown(call.node))
    yield from _Births(modules).all()


class _Births:
    """Follow messages from the births that are known to the functions that give them on, until no new one is found."""

    def __init__(self, modules: dict[str, _Module]) -> None:
        self._modules = modules
        self._defining: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for name, module in modules.items():
            for each in module.functions:
                self._defining[each].append((name, each))
        self._errors = {("mithaq.kernel.errors", "Error")}
        while more := set(self._more_errors()) - self._errors:
            self._errors |= more

    def all(self) -> Iterator[Found | Fault]:
        """Yield each message with its file, and each fault."""
        known = -1
        told: list[Found | Fault] = []
        while known != (
            known := sum(len(places) for each in self._modules.values() for places in each.births.values())
        ):
            told = [
                each
                for name, module in self._modules.items()
                if not module.path.as_posix().endswith(RESTORED)
                for call in module.calls
                for each in self._of(name, module, call)
            ]
        yield from told

    def _more_errors(self) -> Iterator[tuple[str, str]]:
        for name, module in self._modules.items():
            for each, bases in module.classes.items():
                if any(place in self._errors for base in bases for place in self._meant(name, base)):
                    yield name, each

    def _of(self, name: str, module: _Module, call: _Call) -> Iterator[Found | Fault]:
        places = self._places(name, call)
        arguments = call.node.args
        given = [arguments[at] for at in places.values() if at is not None and at < len(arguments)]
        given += [each.value for each in call.node.keywords if each.arg in places]
        for expression in given:
            for text in self._texts(name, call, expression):
                if text is None:
                    yield Fault(module.path, expression.lineno, ast.unparse(expression))
                elif text:
                    yield Found(module.path, text)

    def _places(self, name: str, call: _Call) -> Places:
        called = call.node.func
        if _name(called) == "__init__":
            return _ERROR if (name, call.within) in self._errors else {}
        places = dict(BORN.get(_name(called), {}))
        for module, each in self._meant(name, called):
            if (module, each) in self._errors or self._is_kind_of_error(name, call, each):
                places |= _ERROR
            places |= self._modules[module].births.get(each, {})
        return places

    def _is_kind_of_error(self, name: str, call: _Call, called: str) -> bool:
        """Tell whether what is called is a parameter that is annotated as the type of an error."""
        for function in call.functions:
            for each in (*function.args.args, *function.args.kwonlyargs):
                if each.arg == called and isinstance(each.annotation, ast.Subscript):
                    return any(kind in self._errors for kind in self._meant(name, each.annotation.slice))
        return False

    def _meant(self, name: str, expression: ast.expr) -> list[tuple[str, str]]:
        """Return what a name may mean, as modules and names there: of a method of something, each of that name."""
        module = self._modules[name]
        if isinstance(expression, ast.Name):
            return self._defined(name, expression.id)
        if not isinstance(expression, ast.Attribute):
            return []
        of, each = _name(expression.value), expression.attr
        imported = ".".join(filter(None, module.imports.get(of, ())))
        if imported in self._modules:
            return self._defined(imported, each)
        if of in ("self", "cls") and each in module.functions:
            return [(name, each)]
        return self._defining[each]

    def _defined(self, name: str, each: str) -> list[tuple[str, str]]:
        while name in self._modules and each in self._modules[name].imports:
            name, each = self._modules[name].imports[each]
        return [(name, each)] if name in self._modules else []

    def _texts(self, name: str, call: _Call, expression: ast.expr) -> Iterator[str | None]:
        """Yield the texts that an expression may be; None where it may be something else."""
        match expression:
            case ast.Constant(str() as text):
                yield text
            case ast.IfExp():
                yield from self._texts(name, call, expression.body)
                yield from self._texts(name, call, expression.orelse)
            case ast.Name():
                yield from self._named(name, call, expression)
            case ast.Attribute() if expression.attr in _HANDED_ON:
                pass
            case ast.Call() if _name(expression.func) in SHOWN:
                pass
            case _:
                yield None

    def _named(self, name: str, call: _Call, expression: ast.Name) -> Iterator[str | None]:
        for function in call.functions:
            places, defaults = _parameters(function)
            if expression.id in places:
                births = self._modules[name].births.setdefault(function.name, {})
                births[expression.id] = places[expression.id]
                if expression.id in defaults:
                    yield from self._texts(name, call, defaults[expression.id])
                return
            if values := list(_assigned(ast.walk(function), expression.id)):
                for value in values:
                    yield from self._texts(name, call, value)
                return
        values = [
            value
            for module, each in self._defined(name, expression.id)
            for value in _assigned(self._modules[module].tree.body, each)
        ]
        if not values:
            yield None
        for value in values:
            yield from self._texts(name, call, value)


def _read(path: Path) -> _Module:
    module = _Module(path, ast.parse(path.read_text("utf-8")))
    waiting: list[tuple[ast.AST, tuple[_Function, ...], str]] = [(module.tree, (), "")]
    while waiting:
        node, functions, within = waiting.pop()
        match node:
            case ast.Call():
                module.calls.append(_Call(node, functions, within))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                module.functions.add(node.name)
                functions = (node, *functions)
            case ast.ClassDef():
                module.classes[node.name] = node.bases
                within = node.name
            case ast.ImportFrom():
                module.imports |= {each.asname or each.name: (node.module or "", each.name) for each in node.names}
        waiting += [(child, functions, within) for child in ast.iter_child_nodes(node)]
    return module


def _shown(call: ast.Call) -> Iterator[Id]:
    match _name(call.func), call.args:
        case "ngettext", [ast.Constant(str() as one), ast.Constant(str() as many), *_]:
            yield one, many
        case name, [ast.Constant(str() as text), *_] if name in SHOWN and text:
            yield text


def _parameters(function: _Function) -> tuple[Places, dict[str, ast.expr]]:
    """Return a function's parameters with their places in a call, and the defaults of those that have one."""
    spec = function.args
    positional = [*spec.posonlyargs, *spec.args]
    own = positional[:1] and positional[0].arg in ("self", "cls")
    places: Places = {each.arg: at - bool(own) for at, each in enumerate(positional)}
    places |= dict.fromkeys(each.arg for each in spec.kwonlyargs)
    defaults = dict(zip([each.arg for each in positional][::-1], spec.defaults[::-1], strict=False))
    defaults |= {each.arg: value for each, value in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if value}
    return places, defaults


def _assigned(nodes: object, name: str) -> Iterator[ast.expr]:
    for node in nodes:  # type: ignore[attr-defined]
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _matched(target, node.value, name)
        elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
            yield from _matched(node.target, node.value, name)


def _matched(target: ast.expr, value: ast.expr, name: str) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple):
        values = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
        for each, its in zip(target.elts, values, strict=True):
            yield from _matched(each, its, name)
    elif isinstance(target, ast.Name) and target.id == name:
        yield value


def _dotted(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""

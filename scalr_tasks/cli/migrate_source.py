"""The modules below a folder, parsed: what `scalr-tasks migrate` looks at, and what it has to say of them.

Reads next: `migrate_plan.py` for what becomes of each.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

_SKIPPED: Final = frozenset({".venv", "venv", "node_modules", "build", "dist", "__pycache__"})
_OLD_HOMES: Final = frozenset({"scalr_queue", "scalr_tasks.integrations.scalr_queue"})


@dataclass(frozen=True, slots=True)
class Note:
    """Something that a person must look at."""

    path: Path
    line: int
    text: str

    def __str__(self) -> str:
        """Return the note as compilers write theirs."""
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(slots=True)
class Source:
    """One module."""

    path: Path
    name: str
    """As it is imported, with the folder on the path."""
    text: str
    tree: cst.Module
    lines: dict[cst.CSTNode, int]
    notes: list[Note] = field(default_factory=list)

    def note(self, node: cst.CSTNode | None, text: str) -> None:
        """Say that a person must look at a node."""
        self.notes.append(Note(self.path, self.lines.get(node, 1) if node is not None else 1, text))

    @property
    def functions(self) -> dict[str, cst.FunctionDef]:
        """The functions at the top of the module."""
        return {node.name.value: node for node in self.tree.body if isinstance(node, cst.FunctionDef)}

    @property
    def bound(self) -> set[str]:
        """Every name that is bound at the top of the module."""
        names = {name for _, _, name in self.imports()}
        for node in self.tree.body:
            match node:
                case cst.FunctionDef(name=name) | cst.ClassDef(name=name):
                    names.add(name.value)
                case cst.SimpleStatementLine(body=[cst.Assign(targets=targets), *_]):
                    names |= {each.target.value for each in targets if isinstance(each.target, cst.Name)}
                case cst.SimpleStatementLine(body=[cst.AnnAssign(target=cst.Name(value=name)), *_]):
                    names.add(name)
        return names

    def imports(self) -> Iterator[tuple[str, str, str]]:
        """Yield every import of the module, nested ones too: module, name in it (or ""), name here."""
        for node in _all(self.tree, cst.ImportFrom, cst.Import):
            if isinstance(node, cst.Import):
                for alias in node.names:
                    name = alias.evaluated_name
                    yield name, "", alias.evaluated_alias or name.split(".")[0]
            elif isinstance(node, cst.ImportFrom) and not isinstance(node.names, cst.ImportStar):
                home = _home_of(node, self.name)
                for alias in node.names:
                    yield home, alias.evaluated_name, alias.evaluated_alias or alias.evaluated_name

    def local_name(self, homes: Iterable[str], name: str) -> str | None:
        """Return what something imported is called here."""
        wanted = set(homes)
        return next((here for home, there, here in self.imports() if home in wanted and there == name), None)

    @property
    def old_enqueue(self) -> str | None:
        """What the old `enqueue` is called here."""
        return self.local_name(_OLD_HOMES, "enqueue")


def read_sources(target: Path) -> tuple[list[Source], list[Note]]:
    """Parse every module below a folder, or one file; what cannot be parsed becomes a note."""
    if target.is_file():
        files, root = [target], Path()
    else:
        files = [path for path in sorted(target.rglob("*.py")) if not _SKIPPED & set(path.relative_to(target).parts)]
        root = target
    sources, notes = [], []
    for path in files:
        try:
            text = path.read_bytes().decode()
            wrapper = MetadataWrapper(cst.parse_module(text), unsafe_skip_copy=True)
        except (cst.ParserSyntaxError, UnicodeDecodeError) as error:
            notes.append(Note(path, getattr(error, "raw_line", 1), "cannot be read as Python; not touched"))
            continue
        positions = wrapper.resolve(PositionProvider)
        lines = {node: place.start.line for node, place in positions.items()}
        sources.append(Source(path, _module_name(path, root), text, wrapper.module, lines))
    return sources, notes


def _module_name(path: Path, root: Path) -> str:
    relative = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    parts = list(relative.with_suffix("").parts)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return ".".join(parts)


def _home_of(node: cst.ImportFrom, here: str) -> str:
    home = "" if node.module is None else dotted(node.module)
    if not node.relative:
        return home
    base = here.split(".")[: -len(node.relative)]
    return ".".join([*base, home] if home else base)


def dotted(node: cst.BaseExpression) -> str:
    """Return `a.b.c` of a name or of an attribute, else an empty text."""
    match node:
        case cst.Name(value=name):
            return name
        case cst.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr.value}"
    return ""


def _all(tree: cst.CSTNode, *kinds: type[cst.CSTNode]) -> Iterator[cst.CSTNode]:
    if isinstance(tree, kinds):
        yield tree
    for child in tree.children:
        yield from _all(child, *kinds)


def every(tree: cst.CSTNode, *kinds: type[cst.CSTNode]) -> list[cst.CSTNode]:
    """Return every node of these kinds, however deep."""
    return list(_all(tree, *kinds))


def circles(sources: Iterable[Source]) -> dict[str, set[str]]:
    """Return which modules each module imports, directly or through others."""
    known = {source.name: source for source in sources}
    direct = {
        name: {found for home, there, _ in source.imports() for found in (home, f"{home}.{there}") if found in known}
        for name, source in known.items()
    }
    reached: dict[str, set[str]] = {}
    for name in known:
        seen: set[str] = set()
        waiting = [name]
        while waiting:
            for found in direct[waiting.pop()] - seen:
                seen.add(found)
                waiting.append(found)
        reached[name] = seen
    return reached

"""The package as a reader of its files sees it: modules, imports, functions. Nothing is imported."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "scalr_tasks"


@dataclass(frozen=True)
class Module:
    name: str
    source: str
    file: str
    is_package: bool = False

    @property
    def tree(self) -> ast.Module:
        return _parsed(self.source)


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def package_modules() -> Mapping[str, Module]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        found[name] = Module(name, path.read_text("utf-8"), str(path.relative_to(ROOT)), is_package)
    return found


def files_of_tests() -> list[Path]:
    """Every Python file under `tests/`, the typing probes apart: those are inputs of type checkers."""
    return [path for path in sorted((ROOT / "tests").rglob("*.py")) if "probes" not in path.parts]


def repository_files() -> Iterator[Path]:
    """Every file of the repository that is written by hand."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        made = any(part in {"__pycache__", "build", "dist"} or part.endswith(".egg-info") for part in parts)
        hidden = parts[0].startswith(".") and parts[0] not in {".ci", ".gitignore"}
        if path.is_file() and not made and not hidden:
            yield path


def imports(module: Module, known: Mapping[str, Module]) -> set[str]:
    """Modules of the package, and outside ones, that a module names: at any depth, for types only, or lazily."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(level=level) if level:
                found.add("." * level + (node.module or ""))
            case ast.ImportFrom(module=str(origin), names=names):
                found |= {_resolved(origin, alias.name, known) for alias in names}
            case ast.Call(func, [ast.Constant(str(target)), *_]) if _last_name(func) in {"import_module", "__import__"}:
                found.add(target)
            case ast.Constant(str(text)) if module.name == PACKAGE and text in known:
                found.add(text)  # the facade's table of lazy names
    return found


def _resolved(origin: str, name: str, known: Mapping[str, Module]) -> str:
    return f"{origin}.{name}" if f"{origin}.{name}" in known else origin


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def public_definitions(
    module: Module,
) -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Public functions and classes at the top of a module, and the public methods of those classes."""
    for node in module.tree.body:
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or node.name.startswith("_"):
            continue
        yield f"{module.name}.{node.name}", node
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, (ast.FunctionDef, ast.AsyncFunctionDef)) and not member.name.startswith("_"):
                    yield f"{module.name}.{node.name}.{member.name}", member


def docstring_nodes(tree: ast.AST) -> set[int]:
    """Ids of the nodes that are documentation: a text that stands as a statement of its own."""
    return {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }

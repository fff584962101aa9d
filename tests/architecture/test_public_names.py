"""What others may use is documented and annotated, without exception."""

import ast

from tests.architecture.source import Module, package_modules, public_definitions

Function = ast.FunctionDef | ast.AsyncFunctionDef


def undocumented(module: Module) -> list[str]:
    documented = {name for name, node in public_definitions(module) if ast.get_docstring(node)}
    # Of several overloads, and of a property with a setter, one text is enough.
    return sorted({name for name, _ in public_definitions(module)} - documented)


def unannotated(module: Module) -> list[str]:
    found = []
    for name, node in public_definitions(module):
        if isinstance(node, ast.ClassDef):
            found += [
                f"{name}.__init__({missing})" for init in constructors(node) for missing in missing_annotations(init)
            ]
        else:
            found += [f"{name}({missing})" for missing in missing_annotations(node)]
    return found


def constructors(node: ast.ClassDef) -> list[Function]:
    return [
        member for member in node.body if isinstance(member, ast.FunctionDef) and member.name in {"__init__", "__new__"}
    ]


def missing_annotations(node: Function) -> list[str]:
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    arguments += [star for star in (node.args.vararg, node.args.kwarg) if star]
    missing = [
        argument.arg for argument in arguments if not argument.annotation and argument.arg not in {"self", "cls"}
    ]
    return missing + ([] if node.returns else ["return"])


def test_every_module_says_what_it_is() -> None:
    assert [module.file for module in package_modules().values() if not ast.get_docstring(module.tree)] == []


def test_every_public_name_is_documented() -> None:
    assert [name for module in package_modules().values() for name in undocumented(module)] == []


def test_every_public_name_is_annotated() -> None:
    assert [name for module in package_modules().values() for name in unannotated(module)] == []


def test_a_missing_docstring_or_annotation_is_found() -> None:
    module = Module(
        "m",
        "class A:\n    'Doc.'\n    def __init__(self, x) -> None: ...\n    def f(self): 'Doc.'\ndef g() -> int: ...",
        "m",
    )

    assert undocumented(module) == ["m.g"]
    assert unannotated(module) == ["m.A.__init__(x)", "m.A.f(return)"]

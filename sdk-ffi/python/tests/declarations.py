"""Strict declarations of the generated binding, made from its source: the generator's own annotations are not strict.

    python tests/declarations.py GENERATED.py > passkey_accounts/_native/passkey_accounts_ffi.pyi
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

HEAD = '''"""What the generated binding declares (made by tests/declarations.py; a test compares)."""

from datetime import datetime, timedelta
from enum import Enum

'''


def declarations(source: str) -> str:
    """The declarations of a generated module."""
    module = ast.parse(source)
    classes: dict[str, list[ast.ClassDef]] = {}
    lines: list[str] = []
    for node in module.body:
        if isinstance(node, ast.ClassDef):
            classes.setdefault(node.name, []).append(node)
    for name, found in classes.items():
        if name.startswith("_") or name.endswith(("Protocol", "Impl")) or name == "InternalError":
            continue
        lines += class_of(name, found)
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name in {"body_too_large"}:
            lines.append(signature(node, "", is_method=False))
    return HEAD + "\n".join(lines) + "\n"


def class_of(name: str, found: list[ast.ClassDef]) -> list[str]:
    """One class; where it is an error, of two definitions."""
    bases = [ast.unparse(base) for base in found[0].bases]
    last = found[-1]
    if "enum.Enum" in bases:
        members = [node.targets[0] for node in last.body if isinstance(node, ast.Assign)]
        return [f"class {name}(Enum):", *(f"    {ast.unparse(member)} = ..." for member in members), ""]
    is_error = bases == ["Exception"]
    lines = [f"class {name}(Exception):" if is_error else f"class {name}:"]
    for node in last.body:
        if isinstance(node, ast.ClassDef):
            lines += variant(node, is_error)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines += method(node)
    return [*(lines if len(lines) > 1 else [f"{lines[0]} ..."]), ""]


def variant(node: ast.ClassDef, is_error: bool) -> list[str]:
    """A variant of an enum that carries something."""
    made = next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")
    names = [(arg.arg, type_of(arg, node.name)) for arg in made.args.args[1:]]
    base = "(Exception)" if is_error else ""
    lines = [f"    class {node.name}{base}:"]
    lines += [f"        {name}: {kind}" for name, kind in names]
    parameters = ", ".join(["self", *(f"{name}: {kind}" for name, kind in names)])
    return [*lines, f"        def __init__({parameters}) -> None: ..."]


def method(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """A public method; of a record, its members and how it is made."""
    arguments = node.args
    if node.name == "__init__":
        if arguments.vararg or (len(arguments.args) == 1 and not arguments.kwonlyargs):
            return []
        members = [f"    {arg.arg}: {type_of(arg)}" for arg in arguments.kwonlyargs]
        return [*members, signature(node, "    ", is_method=True)]
    if node.name.startswith("_") or re.match(r"is_[A-Z]", node.name):
        return []
    is_of_class = any(ast.unparse(one) == "classmethod" for one in node.decorator_list)
    return [*(["    @classmethod"] if is_of_class else []), signature(node, "    ", is_method=True)]


def signature(node: ast.FunctionDef | ast.AsyncFunctionDef, indent: str, *, is_method: bool) -> str:
    """A function's line."""
    arguments = node.args
    parameters = [arguments.args[0].arg] if is_method else []
    parameters += [f"{arg.arg}: {type_of(arg)}" for arg in arguments.args[is_method:]]
    if arguments.kwonlyargs:
        parameters.append("*")
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
            parameters.append(f"{arg.arg}: {type_of(arg)}{'' if default is None else ' = ...'}")
    returned = "None" if node.name == "__init__" or node.returns is None else spelt(ast.unparse(node.returns))
    keyword = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    return f"{indent}{keyword} {node.name}({', '.join(parameters)}) -> {returned}: ..."


def type_of(arg: ast.arg, of: str = "") -> str:
    """The type of an argument. Those of errors have none."""
    if arg.annotation is not None:
        return spelt(ast.unparse(arg.annotation))
    return "int" if (of, arg.arg) == ("Proof", "status") else ERRORS[arg.arg]


def spelt(annotation: str) -> str:
    """A type in today's spelling."""
    text = annotation.strip("'\"").replace("typing.", "").replace("Datetime", "datetime").replace("Timestamp", "datetime").replace("Duration", "timedelta")
    text = re.sub(r"\b(List|Sequence)\[", "list[", text)
    text = re.sub(r"\bDict\[", "dict[", text)
    while (found := re.search(r"Optional\[((?:[^\[\]]|\[[^\]]*\])*)\]", text)) is not None:
        text = f"{text[: found.start()]}{found[1]} | None{text[found.end() :]}"
    return text.replace("'", "").replace('"', "")


ERRORS = {
    "code": "str",
    "reason": "str",
    "retryable": "bool",
    "status": "int | None",
    "retry_after_ms": "int | None",
    "gap": "Gap | None",
}

if __name__ == "__main__":
    sys.stdout.write(declarations(Path(sys.argv[1]).read_text()))

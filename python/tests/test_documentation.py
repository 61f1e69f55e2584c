"""Everything that programs may use says what it is: to help(), to editors, and to the documentation's pages."""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import itertools
from pathlib import Path
from typing import Any

import pytest

import libraft
from libraft import _libraft

PACKAGE = Path(libraft.__file__).parent
MODULES = ["libraft", "libraft.aio", "libraft.replicated"]


def stub_docs() -> dict[str, str | None]:
    """What the stubs say of each class, function, method and attribute of the extension module."""
    docs = {}
    for node in ast.parse((PACKAGE / "_libraft.pyi").read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            docs[node.name] = ast.get_docstring(node)
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, ast.FunctionDef):
                    docs[f"{node.name}.{member.name}"] = ast.get_docstring(member)
    return {name: doc for name, doc in docs.items() if not name.split(".")[-1].startswith("_")}


def runtime_docs() -> dict[str, str | None]:
    """What the same say of themselves."""
    docs = {}
    for name, value in vars(_libraft).items():
        if name.startswith("_") or not callable(value):
            continue
        docs[name] = inspect.getdoc(value)
        if isinstance(value, type):
            for attribute in vars(value):
                if not attribute.startswith("_"):
                    docs[f"{name}.{attribute}"] = inspect.getdoc(getattr(value, attribute))
    return docs


def test_the_extension_module_says_what_its_stubs_say() -> None:
    runtime, stubs = runtime_docs(), stub_docs()
    assert len(stubs) > 120 and runtime.keys() == stubs.keys()
    assert {name: (doc, stubs[name]) for name, doc in runtime.items() if doc != stubs[name] or not doc} == {}


def described(body: list[ast.stmt]) -> set[str]:
    """The names that are given a value or a type in these lines, with a text below."""
    names = set()
    for line, below in itertools.pairwise(body):
        target: ast.expr | None = line.target if isinstance(line, ast.AnnAssign) else None
        target = line.targets[0] if isinstance(line, ast.Assign) else target
        if not isinstance(target, ast.Name) or not isinstance(below, ast.Expr):
            continue
        if isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            names.add(target.id)
    return names


def class_lines(kind: type) -> list[ast.stmt]:
    source = Path(inspect.getsourcefile(kind) or "")
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            return node.body
    raise AssertionError(f"{kind} is not in {source}")


def fields(kind: type) -> set[str]:
    """What a record or an enumeration has."""
    if issubclass(kind, enum.Enum):
        return set(kind.__members__)
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")}
    return set(getattr(kind, "_fields", ()))


@pytest.mark.parametrize("module", MODULES)
def test_every_class_function_and_method_is_described(module: str) -> None:
    missing = []
    loaded: Any = importlib.import_module(module)
    assert inspect.getdoc(loaded) and loaded.__all__
    for name in loaded.__all__:
        value = getattr(loaded, name)
        if not callable(value) or not getattr(value, "__module__", "").startswith("libraft"):
            continue
        own = vars(value).get("__doc__") if isinstance(value, type) else value.__doc__
        if not own or own.startswith(f"{name}("):
            missing.append(name)
        for attribute, member in vars(value).items() if isinstance(value, type) else ():
            # One that a base class describes is described.
            function = callable(member) or isinstance(member, property | staticmethod | classmethod)
            if not function or attribute.startswith("_") or inspect.getdoc(getattr(value, attribute)):
                continue
            # The protocol for storages names methods of libraft.Storage, and says so.
            if name != "Storage" or not inspect.getdoc(getattr(libraft.Storage, attribute)):
                missing.append(f"{name}.{attribute}")
    assert missing == []


def test_every_field_of_a_record_and_every_member_of_an_enumeration_is_described() -> None:
    missing, seen = [], 0
    for name in libraft.__all__:
        kind = getattr(libraft, name)
        if isinstance(kind, type) and fields(kind):
            names = described(class_lines(kind))
            missing += [f"{name}.{field}" for field in sorted(fields(kind) - names)]
            seen += len(names)
    assert seen > 200 and missing == []

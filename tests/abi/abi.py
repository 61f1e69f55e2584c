#!/usr/bin/env python3
"""The binary interface of the library, as its header describes it to a compiler.

    tests/abi/abi.py check    compares include/libraft.h with tests/abi/abi.txt
    tests/abi/abi.py bless    writes abi.txt anew, if nothing in it breaks programs that there are
    tests/abi/abi.py bless --break    also if something does

The description has a line for each function with the types of its arguments, for each constant with its
value, for each struct with its size, and for each field with its place and type. The header is made from
the sources of the library, which a test of ffi/ sees to, so that what it says is what the library does.
(abidiff, which reads the library itself, needs debugging information that our release builds leave out,
and would see Rust's types besides.)

What was compiled for the committed description has to work with the library as it is now. So nothing in it
may change or go. What may come is whatever no such program can meet: functions, constants and types, and
fields at the end of a struct that begins with its size (ffi/src/sized.rs). A field more in any other struct
breaks programs, since they make arrays of them, or read arrays that we make.

Exit codes: 0, nothing has changed; 1, an addition that has to be written down; 2, a break.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
INCLUDE = HERE.parent.parent / "include"
DESCRIPTION = HERE / "abi.txt"

# Keys such as `field raft_bytes.len`, and what there is to say of each.
Description = dict[str, str]


def main() -> int:
    parser = argparse.ArgumentParser(description="compare the binary interface with its description")
    parser.add_argument("command", choices=["check", "bless"])
    parser.add_argument("--break", dest="breaks", action="store_true", help="write a break down, too")
    parser.add_argument("--include", type=Path, default=INCLUDE, help="where libraft.h is")
    parser.add_argument("--description", type=Path, default=DESCRIPTION, help="the committed description")
    args = parser.parse_args()
    now = describe(args.include)
    before = read(args.description) if args.description.exists() else {}
    breaks, additions = compare(before, now)
    for line in breaks:
        print(f"break: {line}")
    for line in additions:
        print(f"addition: {line}")
    if args.command == "bless":
        if breaks and not args.breaks:
            print("nothing was written: programs that there are would break. See ARCHITECTURE.md, The binary interface")
            return 2
        args.description.write_text("".join(f"{key}: {value}\n" for key, value in now.items()), encoding="utf-8")
        return 0
    if breaks:
        print("Programs that there are would break. See ARCHITECTURE.md, The binary interface")
        return 2
    if additions:
        print("That breaks nothing. Write it down: tests/abi/run --bless")
        return 1
    return 0


def compare(before: Description, now: Description) -> tuple[list[str], list[str]]:
    """What breaks programs, and what is new and breaks none."""
    breaks = [f"{key} is gone" for key in before if key not in now]
    additions = []
    for key, value in now.items():
        if before.get(key) == value:
            continue
        kind, name = key.split(" ", 1)
        if key not in before:
            struct = f"struct {name.split('.')[0]}"
            fresh = kind != "field" or struct not in before
            if fresh or (grows(now, struct) and is_beyond(value, before, struct)):
                additions.append(f"{key}: {value}")
            else:
                breaks.append(f"{key} has come into a {struct} that programs know")
        elif kind == "struct" and grows(now, key) and int(value) > int(before[key]):
            additions.append(f"{key} has {value} bytes, and had {before[key]}")
        else:
            breaks.append(f"{key} was `{before[key]}` and is `{value}`")
    return breaks, additions


def grows(description: Description, struct: str) -> bool:
    """Whether a struct begins with its size, so that the library knows what the caller has."""
    return description.get(f"field {struct.removeprefix('struct ')}.size") == "size_t, 8 bytes at 0"


def is_beyond(field: str, before: Description, struct: str) -> bool:
    """Whether a field lies behind all that a struct had, padding included: by its size a program could not
    tell a library that fills it in from one that does not."""
    return place(field)[0] >= int(before[struct])


def place(field: str) -> tuple[int, int]:
    found = re.search(r", (\d+) bytes at (\d+)$", field)
    assert found, field
    return int(found[2]), int(found[1])


def read(path: Path) -> Description:
    """A description as it was written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines)


def describe(include: Path) -> Description:
    """What the header says: types by clang's syntax tree, numbers by a program that prints them."""
    tree = json.loads(clang(include, "-fsyntax-only", "-Xclang", "-ast-dump=json"))
    # Some types have names in two steps: raft_role is int32_t, which is what programs have compiled.
    aliases: dict[str, str] = {}
    functions: Description = {}
    types: Description = {}
    fields: dict[str, list[tuple[str, str]]] = {}
    for node in tree["inner"]:
        name = node.get("name", "")
        if not name.startswith("raft_"):
            continue
        match node["kind"]:
            case "TypedefDecl":
                target = resolve(node["type"]["qualType"], aliases)
                if target != f"struct {name}":
                    aliases[name] = target
                    types[f"type {name}"] = target
            case "RecordDecl" if node.get("completeDefinition"):
                fields[name] = [
                    (field["name"], resolve(field["type"]["qualType"], aliases))
                    for field in node["inner"]
                    if field["kind"] == "FieldDecl"
                ]
            case "FunctionDecl":
                functions[f"function {name}"] = resolve(node["type"]["qualType"], aliases)
    records = {node.get("name", "") for node in tree["inner"] if node["kind"] == "RecordDecl"}
    opaque = sorted(name for name in records - fields.keys() if name.startswith("raft_"))
    assert functions and fields and opaque and types, "clang's tree is not as it was"
    description = numbers(include, fields)
    return description | types | {f"type {name}": "opaque" for name in opaque} | dict(sorted(functions.items()))


def resolve(written: str, aliases: dict[str, str]) -> str:
    """A type as it is written, in terms of the C standard's types and our structs."""
    return re.sub(r"\braft_\w+", lambda found: aliases.get(found[0], found[0]), written)


def numbers(include: Path, fields: dict[str, list[tuple[str, str]]]) -> Description:
    """Constants, sizes and places, from a program that is compiled against the header."""
    macros = re.findall(r"^#define (RAFT_\w+) ", clang(include, "-E", "-dM"), re.MULTILINE)
    assert macros, "there are constants"
    lines = ['#include "libraft.h"', "#include <stdio.h>", "int main(void) {"]
    for name in sorted(macros):
        lines.append(
            f'    printf({name} < 0 ? "constant {name}: %lld\\n" : "constant {name}: %llu\\n", {name} + 0ull);'
        )
    for struct, members in fields.items():
        lines.append(f'    printf("struct {struct}: %zu\\n", sizeof(struct {struct}));')
        for field, kind in members:
            lines.append(
                f'    printf("field {struct}.{field}: {kind}, %zu bytes at %zu\\n",'
                f" sizeof(((struct {struct} *)0)->{field}), offsetof(struct {struct}, {field}));"
            )
    lines.append("    return 0;\n}\n")
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/numbers"
        command = ["gcc", "-std=c99", "-Wall", "-Werror", f"-I{include}", "-x", "c", "-", "-o", program]
        subprocess.run(command, input="\n".join(lines), text=True, check=True)
        printed = subprocess.run([program], text=True, check=True, capture_output=True).stdout
    return dict(line.split(": ", 1) for line in printed.splitlines())


def clang(include: Path, *options: str) -> str:
    command = ["clang", "-std=c99", "-Wall", "-Werror", f"-I{include}", *options, "-x", "c", "-"]
    run = subprocess.run(command, input='#include "libraft.h"\n', text=True, check=True, capture_output=True)
    return run.stdout


if __name__ == "__main__":
    sys.exit(main())

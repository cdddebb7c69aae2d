"""Mutants of source files that tests should kill: `python -m tests.mutate PATH... -- TEST...`.

Input: files to mutate, tests that belong to them; before the two dashes `--sample N` (all by default),
`--seed N`, `--timeout SECONDS` of one run. Output: a line for each mutant that survived, and the rate.

A mutant is one edit in a copy of the repository: a comparison, an arithmetic or a boolean operator
swapped, a `not` dropped, a number plus one or doubled, `min` and `max` swapped, a call for its effect
left out. Text and annotations stay. A survivor is a missing test, or an edit that changes nothing.
"""

import argparse
import ast
import copy
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from warehouse import settings

LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "builds", "raw", "dist", "tables", "__pycache__", ".*_cache"
)

OPERATORS: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,), ast.Mult: (ast.Div,), ast.Div: (ast.Mult,), ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}  # fmt: skip
NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum"}


def list_edits(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""
    yield from (operator() for operator in OPERATORS.get(type(node), ()))
    match node:
        case ast.UnaryOp(op=ast.Not()):
            yield node.operand
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            yield from map(ast.Constant, {number + 1, number * 2} - {number})
        case ast.Name(id=name) if name in NAMES:
            yield ast.Name(NAMES[name], node.ctx)
        case ast.Attribute(attr=name) if name in NAMES:
            yield ast.Attribute(node.value, NAMES[name], node.ctx)
        case ast.Expr(value=ast.Call()):
            yield ast.Pass()


def list_places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yield for every node its parent, and the field and index at which the parent holds it."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if isinstance(value, list):
                yield from ((parent, name, i) for i, one in enumerate(value) if isinstance(one, ast.AST))
            elif isinstance(value, ast.AST) and name not in ("annotation", "returns"):
                yield parent, name, None


def list_mutants(source: str) -> Iterator[tuple[str, str]]:
    """Yield what each mutant of a source is, with its line, and the mutant's own source."""
    tree = ast.parse(source)
    for number, (parent, name, index) in enumerate(list_places(tree)):
        value = getattr(parent, name)
        node = value if index is None else value[index]
        for edit in list_edits(node):
            changed = copy.deepcopy(tree)
            place = list(list_places(changed))[number][0]
            if index is None:
                setattr(place, name, edit)
            else:
                getattr(place, name)[index] = edit
            # An operator has no line and says little without its operands.
            before, after = (node, edit) if hasattr(node, "lineno") else (parent, place)
            told = f"{getattr(before, 'lineno', 0)}: {ast.unparse(before)} -> {ast.unparse(after)}"
            yield told, ast.unparse(changed)


def is_killed(folder: Path, tests: Sequence[str], timeout: float) -> bool:
    """Return whether a test fails in a copy of the repository, or does not end."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return True
    return run.returncode != 0


def main(arguments: Sequence[str]) -> int:
    """Try the mutants one at a time; the exit code is 1 if any survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate")
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--timeout", type=float, default=120.0)
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options, tests = parser.parse_args(arguments[:split]), arguments[split + 1 :]
    mutants = [(path, *mutant) for path in options.paths
               for mutant in list_mutants((settings.ROOT / path).read_text())]  # fmt: skip
    count = min(options.sample or len(mutants), len(mutants))
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(settings.ROOT, Path(scratch) / "copy", ignore=LEFT_OUT))
        if is_killed(folder, tests, options.timeout):
            parser.error("the tests fail, or do not end, before anything is changed")
        for path, edit, text in random.Random(options.seed).sample(mutants, count):  # noqa: S311
            original = (folder / path).read_text()
            (folder / path).write_text(text)
            if not is_killed(folder, tests, options.timeout):
                survivors += 1
                print(f"{path}:{edit}", flush=True)
            (folder / path).write_text(original)
    print(f"{count - survivors} of {count} mutants killed")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

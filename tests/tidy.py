"""How `test_tidy` reads the tree and keeps its rules: the machinery, without a single rule."""

import ast
import functools
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parent.parent

Tree = dict[str, str]


@dataclass(frozen=True, slots=True)
class Complaint:
    """A place and what to write there instead."""

    path: str
    line: int
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.advice}"


@dataclass(frozen=True, slots=True)
class Check:
    """A rule, the trees it has to refuse and one it has to let pass."""

    run: Callable[[Tree], Iterator[Complaint]]
    mutants: tuple[Tree, ...]
    sound: Tree


CHECKS: dict[str, Check] = {}
Rule = Callable[[Tree], Iterator[Complaint]]
OneFile = Callable[[str, str], Iterator[tuple[int, str]]]


def check(*mutants: Tree, sound: Tree | None = None) -> Callable[[Rule], Rule]:
    """Register a rule about the whole tree."""

    def register(rule: Rule) -> Rule:
        CHECKS[rule.__name__] = Check(rule, mutants, sound or {})
        return rule

    return register


def check_each(
    pattern: str, *mutants: str, sound: str = "", but: tuple[str, ...] = ()
) -> Callable[[OneFile], OneFile]:
    """Register a rule about single files: those that match `pattern` and none of `but`."""
    path = pattern.replace("*", "x")

    def register(rule: OneFile) -> OneFile:
        def run(tree: Tree) -> Iterator[Complaint]:
            for name, text in tree.items():
                if fnmatch(name, pattern) and not any(fnmatch(name, one) for one in but):
                    yield from (Complaint(name, *found) for found in rule(name, text))

        refused = tuple({path: mutant} for mutant in mutants)
        CHECKS[rule.__name__] = Check(run, refused, {path: sound})
        return rule

    return register


@functools.cache
def the_tree() -> Tree:
    """Read every text file that is or could be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    names = listed.stdout.decode().split("\0") if not listed.returncode else walk()
    return {name: text for name in sorted(names) if (text := read_text(name)) is not None}


def walk() -> list[str]:
    """List the files of a tree that is no git checkout, such as an unpacked archive."""
    hidden = re.compile(r"(^|/)(\.venv[^/]*|__pycache__|\.\w+_cache|\.hypothesis|build|dist)/")
    names = (str(path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file())
    return [name for name in names if not hidden.search(name)]


def read_text(name: str) -> str | None:
    """Read one file, or nothing if it is binary or gone."""
    try:
        return (ROOT / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


@functools.cache
def parse(text: str) -> ast.Module:
    """Parse Python once."""
    return ast.parse(text)


def docstrings(module: ast.Module) -> set[int]:
    """Name the string nodes that are documentation: any string that is a statement of its own."""
    return {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Find every function, methods and inner ones included."""
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def lines_matching(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    """Number the lines in which a pattern is found."""
    for number, line in enumerate(text.splitlines(), 1):
        if pattern.search(line):
            yield number

"""Taste as a test: the house rules that a machine can check, each with what to write instead.

A check is a function of a tree (path -> text) that yields complaints. Beside it stands a mutant, a
tiny tree it has to refuse, and where the line is fine, a sound tree it has to let pass. Who imports
whom is import-linter's (pyproject.toml); what ruff says is ruff's.
"""

import ast
import functools
import hashlib
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.tidy import (
    CHECKS,
    ROOT,
    Complaint,
    Tree,
    check,
    check_each,
    docstrings,
    functions,
    lines_matching,
    parse,
    the_tree,
    walk,
)

SRC = "src/perdure/"

SOURCE_LINES_MAX = 400
TEST_LINES_MAX = 600
FUNCTION_LINES_MAX = 50
LINE_CHARACTERS_MAX = 100
POSITIONAL_MAX = 5
EXPORTS_MAX = 15
README_LINES_MAX = 110

# What `import perdure` offers; a change here is a change of the product: CHANGELOG, docs.
PUBLIC = {
    *("open", "connect", "Store", "AsyncStore", "PerdureError"),
    *("Conflict", "NotFound", "Invalid", "Forbidden", "Forgotten"),
    *("Tampered", "LockedOut", "Unavailable", "TooLarge", "Internal"),
}

# (check, path) -> reason. May only shrink: when one goes, lower the number; never raise it.
EXCEPTIONS: dict[tuple[str, str], str] = {}
EXCEPTIONS_MAX = 0

# --- sizes ------------------------------------------------------------------------------------


@check_each("src/*.py", "x = 1\n" * (SOURCE_LINES_MAX + 1), sound="x = 1\n" * SOURCE_LINES_MAX)
def source_files_are_short(_path: str, text: str) -> Iterator[tuple[int, str]]:
    if (lines := len(text.splitlines())) > SOURCE_LINES_MAX:
        yield lines, f"{lines} lines: split it by concern, at most {SOURCE_LINES_MAX}"


@check_each("tests/*.py", "x = 1\n" * (TEST_LINES_MAX + 1), sound="x = 1\n" * TEST_LINES_MAX)
def files_of_tests_are_short(_path: str, text: str) -> Iterator[tuple[int, str]]:
    if (lines := len(text.splitlines())) > TEST_LINES_MAX:
        yield lines, f"{lines} lines: split it by behaviour, at most {TEST_LINES_MAX}"


@check_each(
    "*.py",
    "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX + 1),
    sound='def f():\n    """D\n\n\n    """\n' + "    x = 1\n" * FUNCTION_LINES_MAX,
)
def functions_are_short(_path: str, text: str) -> Iterator[tuple[int, str]]:
    for function in functions(parse(text)):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = body[-1].end_lineno - body[0].lineno + 1 if body and body[-1].end_lineno else 0
        if lines > FUNCTION_LINES_MAX:
            advice = f"{function.name} has {lines} lines: move leaves out, keep the branches"
            yield function.lineno, f"{advice}, at most {FUNCTION_LINES_MAX}"


@check(
    {"x.py": "x" * (LINE_CHARACTERS_MAX + 1)},
    {"x.sql": "x" * (LINE_CHARACTERS_MAX + 1)},
    sound={"x.py": "x" * LINE_CHARACTERS_MAX, "x.md": "x" * 200},
)
def lines_are_short(tree: Tree) -> Iterator[Complaint]:
    long = re.compile(r".{%d}" % (LINE_CHARACTERS_MAX + 1))  # noqa: UP031 - braces
    for path, text in tree.items():
        if path.endswith((".py", ".sql")):
            for number in lines_matching(long, text):
                yield Complaint(path, number, f"break the line, at most {LINE_CHARACTERS_MAX}")


@check_each(
    "src/*.py",
    "def f(a, b, c, d, e, f): ...",
    "def f(a, b, c, d, e, f, *, g): ...",
    sound="class C:\n    def f(self, a, b, c, d, e, *, f): ...",
)
def positional_parameters_are_few(_path: str, text: str) -> Iterator[tuple[int, str]]:
    for function in functions(parse(text)):
        names = [one.arg for one in (*function.args.posonlyargs, *function.args.args)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > POSITIONAL_MAX:
            advice = f"{function.name} takes {count} by position: put `*` before the details"
            yield function.lineno, f"{advice}, at most {POSITIONAL_MAX}"


def exports(text: str) -> list[str] | None:
    """Read a literal `__all__`."""
    for node in parse(text).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(one, ast.Name) and one.id == "__all__" for one in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


@check_each("src/*.py", f"__all__ = {[str(n) for n in range(EXPORTS_MAX + 1)]}", sound="x = 1")
def exports_are_few(_path: str, text: str) -> Iterator[tuple[int, str]]:
    if (names := exports(text)) and len(names) > EXPORTS_MAX:
        yield 1, f"{len(names)} names in __all__: offer at most {EXPORTS_MAX}"


@check({SRC + "__init__.py": "__all__ = ['open']"}, {SRC + "__init__.py": "x = 1"}, {})
def the_public_names_are_pinned(tree: Tree) -> Iterator[Complaint]:
    path = SRC + "__init__.py"
    names = set(exports(tree.get(path, "")) or ())
    if names != PUBLIC:
        yield Complaint(path, 1, f"__all__ and PUBLIC differ by {sorted(names ^ PUBLIC)}")


@check({}, {"README.md": "x\n" * (README_LINES_MAX + 1)}, sound={"README.md": "x\n"})
def the_readme_is_short(tree: Tree) -> Iterator[Complaint]:
    lines = len(tree.get("README.md", "").splitlines())
    if not 0 < lines <= README_LINES_MAX:
        yield Complaint("README.md", lines, f"{lines} lines: write 1 to {README_LINES_MAX}")


# --- Python -----------------------------------------------------------------------------------


@check_each("*.py", "x = 1\n", sound='"""What is here, and what is not."""\n')
def modules_say_what_they_hold(_path: str, text: str) -> Iterator[tuple[int, str]]:
    if not ast.get_docstring(parse(text)):
        yield 1, "begin with a docstring: what is here and what deliberately is not"


# Statements, not prose: "Select a soul" and "update the state" are no SQL. Nor is a lone call of
# one of the server's own functions, a lock or a process number: it names no table.
SQL = re.compile(
    r"""(?isx)^\s*(?:explain\s+(?:query\s+plan\s+|analyze\s+)?)?(?:
    select\s+(?!(?:a|an|the|one|which|your)\b|pg_\w+\([^)]*\)\s*$)
      (?:.*\bfrom\b|[\w.]+\(|[\d:*'"%?$]|$)
    | with\s+(?:recursive\s+)?\w+\s+as\s*\( | insert\s+(?:or\s+\w+\s+)?into\b
    | update\s+\S+\s+set\b | delete\s+from\b
    | (?:create|alter|drop)\s+(?:(?:or|replace|temp|temporary|unique|virtual)\s+)*
      (?:table|index|role|policy|trigger|view|function|schema|database)\b
    | (?:grant|revoke)\s+(?:select|insert|update|delete|all|usage|execute)\b
    )"""
)


@check_each(
    SRC + "*.py",
    "x = 'select 1'",
    "x = f'SELECT {columns} FROM t'",
    "x = 'select ' + columns",
    'x = """\n  insert or ignore into t values (1)"""',
    "x = f'update {t} set y = 1'",
    "x = 'delete from t'",
    "x = 'select pg_size(x) from t'",
    "x = 'create unique index i on t (x)'",
    "x = 'with a as (values (1)) table a'",
    "x = 'explain query plan select * from t'",
    sound='"""Select from what is there."""\nx = ["Select a soul from the list", "update", '
    '"pragma user_version", "select pg_backend_pid()", "begin immediate", "commit"]\n'
    'y = re.compile("create table")',
)
def sql_lives_in_sql_files(_path: str, text: str) -> Iterator[tuple[int, str]]:
    module = parse(text)
    prose, found = docstrings(module), set()
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "re.compile":
            prose |= {id(one) for one in ast.walk(node)}  # it reads SQL, it does not write it
    for node in ast.walk(module):
        value = ""
        if id(node) in prose:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (one.value if isinstance(one, ast.Constant) else "x" for one in node.values)
            value = "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            value = node.value
        if SQL.match(value):
            found.add(node.lineno)  # type: ignore[attr-defined]
    for line in sorted(found):
        yield line, "name the statement in queries.sql and call it by its name"


@check_each(
    SRC + "*.py",
    "def f():\n    print(1)",
    sound="def f(out):\n    out.write('print(1)')",
    but=(SRC + "cli/*", SRC + "*demo*"),
)
def only_the_cli_prints(_path: str, text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
            yield node.lineno, "return it, raise it or log it: only the cli prints"


ASKING = {
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
    ("time", "time"), ("time", "time_ns"), ("uuid", "uuid1"), ("uuid", "uuid4"),
}  # fmt: skip


@check_each(
    SRC + "*.py",
    "import datetime\nx = datetime.datetime.now()",
    "from datetime import datetime\nx = datetime.utcnow()",
    "import time\nx = time.time()",
    "from time import time",
    "import uuid\nx = uuid.uuid4()",
    "from uuid import uuid4",
    "import random",
    "from random import choice",
    sound="import time\nfrom time import monotonic\nx = time.monotonic()\ny = tx.now",
    but=(SRC + "kernel/clock.py",),
)
def only_the_clock_knows_the_time(_path: str, text: str) -> Iterator[tuple[int, str]]:
    advice = "take tx.now and tx.new_id(), or the store's clock: tests have to set them"
    for node in ast.walk(parse(text)):
        asked = False
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            asked = (name, node.attr) in ASKING
        elif isinstance(node, ast.ImportFrom):
            pairs = {(node.module or "", one.name) for one in node.names}
            asked = node.module == "random" or bool(pairs & ASKING)
        elif isinstance(node, ast.Import):
            asked = any(one.name == "random" for one in node.names)
        if asked:
            yield node.lineno, advice  # type: ignore[attr-defined]


@check_each(
    "*.py",
    "try:\n    f()\nexcept:\n    raise",
    "try:\n    f()\nexcept Exception:\n    pass",
    "try:\n    f()\nexcept (OSError, BaseException):\n    ...",
    "for x in y:\n    try:\n        f()\n    except Exception:\n        continue",
    "import contextlib\nwith contextlib.suppress(Exception):\n    f()",
    sound="try:\n    f()\nexcept Exception:\n    log()\n    raise\nexcept OSError:\n    pass",
)
def nothing_is_swallowed(_path: str, text: str) -> Iterator[tuple[int, str]]:
    advice = "name the errors you expect and say what happens to them"
    for node in ast.walk(parse(text)):
        if isinstance(node, ast.ExceptHandler):
            idle = all(
                isinstance(one, ast.Pass | ast.Continue)
                or (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
                for one in node.body
            )
            if node.type is None or (idle and catches_all(node.type)):
                yield node.lineno, advice
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            yield from ((node.lineno, advice) for one in node.args if catches_all(one))


def catches_all(node: ast.expr) -> bool:
    """Tell whether an except clause names Exception or BaseException."""
    return bool(re.search(r"\b(Base)?Exception\b", ast.unparse(node)))


@check(
    {SRC + "kernel/x.py": "import apsw"},
    {SRC + "kernel/x.py": "from perdure.store import x"},
    {SRC + "kernel/a/x.py": "def f():\n    import psycopg"},
    {SRC + "domains/a/x.py": "import apsw"},
    {SRC + "engines/postgres.py": "import apsw"},
    {SRC + "engines/sqlite_x.py": "from psycopg_pool import ConnectionPool"},
    {SRC + "store.py": "import sqlite3"},
    sound={
        SRC + "kernel/x.py": "import re, msgspec\nfrom perdure.errors import X\nfrom . import y",
        SRC + "engines/postgres.py": "from psycopg.rows import x",
    },
)
def foreign_packages_stay_where_they_belong(tree: Tree) -> Iterator[Complaint]:
    homes = {"apsw": "engines/sqlite", "psycopg": "engines/postgres", "sqlite3": "-"}
    homes |= {"psycopg_pool": homes["psycopg"], "psycopg_binary": "-"}
    for path, text in tree.items():
        if not fnmatch(path, SRC + "*.py"):
            continue
        for line, name in imported(text):
            top, inner = name.partition(".")[0], ".".join(name.split(".")[:2])
            if top in homes and not path.startswith(SRC + homes[top]):
                yield Complaint(path, line, f"{top} is imported by {homes[top]} alone")
            elif path.startswith(SRC + "kernel/") and not (
                top in sys.stdlib_module_names
                or inner in {"msgspec", "perdure.errors", "perdure.kernel"}
                or name.startswith("msgspec.")
            ):
                yield Complaint(path, line, f"the kernel does without {name}: pass it in")


def imported(text: str) -> Iterator[tuple[int, str]]:
    """List absolute imports with their lines."""
    for node in ast.walk(parse(text)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module


@check(
    {"x.py": "# TOD" + "O later"},
    {SRC + "x.sql": "-- FIXM" + "E"},
    {"docs/x.md": "XX" + "X"},
    sound={"x.py": "todos = 1", "x.txt": "TOD" + "O"},
)
def nothing_is_left_for_later(tree: Tree) -> Iterator[Complaint]:
    mark = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")
    for path, text in tree.items():
        if path.endswith((".py", ".sql", ".md", ".toml", "Makefile")):
            for number in lines_matching(mark, text):
                yield Complaint(path, number, "do it, or file an issue and leave no mark")


# --- SQL --------------------------------------------------------------------------------------

CROSS_SUBJECT_ROLES = {"admin", "reader"}  # may leave :subject out, never the slice
OWNERS = {"subject", "user_id"}  # a table with one of these columns belongs to subjects
BLOCK = re.compile(r"^-- name: (\w+)(?: \((\w+)\))?", re.MULTILINE)
TABLE = re.compile(r"(?is)\bcreate\s+table\s+(?:if\s+not\s+exists\s+)?\"?(\w+)\"?\s*\((.*?)\n\)")
USED_TABLE = re.compile(r"(?i)\b(?:from|join|into|update)\s+(?:only\s+)?\"?(\w+|\{table\})")
A_TABLE = {SRC + "a/migrations/1.sql": "create table t (\n  slice int,\n  subject text\n);"}
A_USER = {SRC + "a/x.py": "queries.one"}
SLICED = "where slice = :slice"
OWNED = f"{SLICED} and subject = :subject"


@dataclass(frozen=True, slots=True)
class Block:
    """A named statement of a queries file."""

    path: str
    line: int
    name: str
    role: str
    text: str


def blocks(tree: Tree) -> Iterator[Block]:
    """Split every queries file into its statements."""
    for path, text in tree.items():
        if fnmatch(path, SRC + "*queries*.sql"):
            found = list(BLOCK.finditer(text))
            for this, after in zip(found, [*found[1:], None], strict=True):
                body = text[this.end() : after.start() if after else None]
                line = text.count("\n", 0, this.start()) + 1
                yield Block(path, line, this[1], this[2] or "", body)


@check(
    {**A_TABLE, SRC + "a/queries.sql": f"-- name: one\nselect * from t {SLICED};"},
    {**A_TABLE, SRC + "a/queries.sql": "-- name: one\ndelete from t where subject = :subject;"},
    {**A_TABLE, SRC + "a/queries.sql": "-- name: one (admin)\nselect count(*) from t;"},
    {**A_TABLE, SRC + "a/queries.sql": f"-- name: one (service)\nselect 1 from t {SLICED};"},
    {SRC + "a/queries.sql": "-- name: one\nselect 1 from {table} where subject = :subject;"},
    {**A_TABLE, SRC + "a/queries.sql": "-- name: one\n-- exempt:\nselect * from t;"},
    sound={
        **A_TABLE,
        SRC + "a/queries.sql": f"-- name: one\nselect * from t {OWNED};\n"
        f"-- name: two (reader)\nselect * from t {SLICED};\n"
        "-- name: three\n-- exempt: the planner's own table\nselect * from t;\n"
        "-- name: four\nselect * from other;\n",
    },
)
def owned_tables_are_asked_by_slice_and_subject(tree: Tree) -> Iterator[Complaint]:
    owned = {"{table}"}
    for path, text in tree.items():
        if fnmatch(path, SRC + "*.sql"):
            for name, body in TABLE.findall(text):
                if OWNERS & set(re.findall(r"(?m)^\s*\"?(\w+)", body)):
                    owned.add(name.lower())
    for block in blocks(tree):
        statement = re.sub(r"--.*", "", block.text)
        used = {name.lower() for name in USED_TABLE.findall(statement)}
        if not used & owned or re.search(r"-- exempt: *\S", block.text):
            continue
        missing = [one for one in (":slice", ":subject") if not re.search(one + r"\b", statement)]
        if block.role in CROSS_SUBJECT_ROLES:
            missing = [] if re.search(r"\bslice\b", statement) else ["slice"]
        if missing:
            advice = f"{block.name} has to name {' and '.join(missing)}"
            yield Complaint(block.path, block.line, f"{advice}, or `-- exempt: why`")


@check(
    {SRC + "a/queries.sql": "-- name: one\nselect 1;"},
    {SRC + "a/queries.sql": "-- name: one\nselect 1;", SRC + "a/x.py": "# one\nqueries.one_more"},
    sound={**A_USER, SRC + "a/queries.sql": "-- name: one\nselect 1;"},
)
def every_query_is_used(tree: Tree) -> Iterator[Complaint]:
    code = "\n".join(text for path, text in tree.items() if fnmatch(path, SRC + "*.py"))
    used = set(re.findall(r"(?<=[.\"'])[A-Za-z_]\w*", code))
    for block in blocks(tree):
        if block.name not in used:
            yield Complaint(block.path, block.line, f"nobody asks {block.name}: remove it")


@check(
    {**A_USER, SRC + "a/queries.sql": "-- name: one\nselect 1;\n-- name: one\nselect 2;"},
    {**A_USER, SRC + "a/queries.postgres.sql": "-- name: one\nselect 1;"},
    sound={
        SRC + "a/queries.sql": "-- name: one\nselect 1;",
        SRC + "a/queries.postgres.sql": "-- name: one\n-- Differs because: x.\nselect 1;",
    },
)
def a_query_is_written_once(tree: Tree) -> Iterator[Complaint]:
    seen = set()
    for block in blocks(tree):
        if (block.path, block.name) in seen:
            yield Complaint(block.path, block.line, f"{block.name} is here twice: rename one")
        seen.add((block.path, block.name))
        if not block.path.endswith("/queries.sql") and "Differs because" not in block.text:
            yield Complaint(block.path, block.line, "say `-- Differs because: ...` or share it")


# --- the tree ---------------------------------------------------------------------------------

HOST = re.compile(r"\b(?:[a-z0-9-]+\.)+[a-z]{2,}\b")
# The first bytes of blake2b of well-known registries' names: this file may not name them either.
REGISTRIES = """
    086035f80d1f 0eeffd7aa44a 14469dca4d52 2910baed8d7a 2d6512c7c072 4243670d1b0a 481a43b0864f
    4966027dfe99 5f137e1ac07c 5f9167b11325 6768d7d8c017 67cf73a13e3c 75016bd57d2e 792ac710a0b5
    876f280b7ffe 8e3b599a1872 993bd25de670 a1c978b51522 a3ee7f27724c ac9828e2daf8 acca464ab715
    b39f5c660a5c c90e62573615 d306d65d5c80 df4a648251ce
"""
PLANTED = "planted-registry" + ".example"  # in two, so that the check lets this file pass


def digest(host: str) -> str:
    return hashlib.blake2b(host.encode(), digest_size=6).hexdigest()


@functools.cache
def registries() -> set[str]:
    """Add the hosts that this machine's package clients are set up with."""
    settings = [value for name, value in os.environ.items() if re.search("INDEX|REGISTRY", name)]
    home, etc = Path.home(), Path("/etc")
    files = [etc / "pip.conf", home / ".config/pip/pip.conf", home / ".pip/pip.conf"]
    files += [etc / "apt/sources.list", *etc.glob("apt/sources.list.d/*.sources")]
    settings += [path.read_text("utf-8", "replace") for path in files if path.is_file()]
    hosts = re.findall(r"https?://(?:[^/@\s]*@)?([\w.-]+)", "\n".join(settings))
    return set(REGISTRIES.split()) | {
        digest(host.lower()) for host in (*hosts, PLANTED) if "." in host
    }


@check(
    {"x.txt": f"see https://{PLANTED}/simple"},
    {"docs/x.md": f"files.{PLANTED.upper()}"},
    sound={"x.md": "see https://sqlite.org/wal.html and 127.0.0.1:5432"},
)
def no_registry_is_named(tree: Tree) -> Iterator[Complaint]:
    for path, text in tree.items():
        for number, line in enumerate(text.lower().splitlines(), 1):
            for host in HOST.findall(line) if "." in line else ():
                labels = host.split(".")
                above = (".".join(labels[start:]) for start in range(len(labels) - 1))
                if any(digest(one) in registries() for one in above):
                    yield Complaint(path, number, "name the package, not the registry's host")


@check(
    {"x.md": "cd " + "/" + "root/perdure"},
    {"x.toml": 'path = "' + "/" + 'work/main"'},
    sound={"x.md": "tests/work/x, $HOME/work and https://example.org/root/"},
)
def no_machine_is_named(tree: Tree) -> Iterator[Complaint]:
    place = re.compile(r"(?<![\w./:$}~-])/(?:work|root)(?=[/\s\"'`),;]|$)")
    for path, text in tree.items():
        for number in lines_matching(place, text):
            yield Complaint(path, number, "write a path relative to the tree or a temporary one")


@check(
    {},
    {"requirements-dev.txt": "apsw==1\n    # via perdure\n"},
    {"requirements-dev.txt": "--find-links x\napsw==1 \\\n    --hash=sha256:0\n"},
    {"requirements-dev.txt": "apsw @ https://example.org/apsw.whl \\\n    --hash=sha256:0\n"},
    {"requirements-dev.txt": "apsw>=1 \\\n    --hash=sha256:0\n"},
    sound={
        f"requirements-{one}.txt": "a==1 \\\n    --hash=sha256:0\n"
        for one in ("dev", "bench", "at-rest")
    },
)
def pins_have_hashes_and_no_hosts(tree: Tree) -> Iterator[Complaint]:
    for path in (f"requirements-{one}.txt" for one in ("dev", "bench", "at-rest")):
        if path not in tree:
            yield Complaint(path, 0, "is missing: `make pins`")
        text = re.sub(r"(?m)^\s*#.*\n", "", tree.get(path, "")).replace("\\\n", " ")
        for number, line in enumerate(text.splitlines(), 1):
            if not re.fullmatch(r"[\w.\[\]-]+==\S+( ; [^#]*?)?(\s+--hash=sha256:\w+)+\s*", line):
                yield Complaint(path, number, f"`make pins` writes no such line: {line[:50]!r}")


# --- the tests --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CHECKS)
def test_the_house_is_tidy(name: str) -> None:
    told = [str(one) for one in CHECKS[name].run(the_tree()) if (name, one.path) not in EXCEPTIONS]
    assert not told, "\n" + "\n".join(told)


@pytest.mark.parametrize(
    ("name", "number"), [(name, n) for name, one in CHECKS.items() for n in range(len(one.mutants))]
)
def test_every_check_refuses_its_mutants(name: str, number: int) -> None:
    assert list(CHECKS[name].run(CHECKS[name].mutants[number]))


@pytest.mark.parametrize("name", [name for name, one in CHECKS.items() if one.sound])
def test_every_check_lets_sound_text_pass(name: str) -> None:
    assert [str(one) for one in CHECKS[name].run(CHECKS[name].sound)] == []


def test_every_check_has_a_mutant() -> None:
    assert [name for name, one in CHECKS.items() if not one.mutants] == []


def test_the_exceptions_only_shrink() -> None:
    assert len(EXCEPTIONS) == EXCEPTIONS_MAX, "one less: lower EXCEPTIONS_MAX; one more: never"
    assert all(len(reason.split()) > 2 for reason in EXCEPTIONS.values()), "say why"


def test_every_exception_is_still_needed() -> None:
    needed = {(name, told.path) for name, one in CHECKS.items() for told in one.run(the_tree())}
    assert set(EXCEPTIONS) <= needed, f"remove {sorted(set(EXCEPTIONS) - needed)}"


def test_the_tree_is_read(tmp_path: Path) -> None:
    assert {"pyproject.toml", "tests/test_tidy.py", SRC + "errors.py"} <= set(the_tree())
    assert "tests/test_tidy.py" in walk()


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = {name.removeprefix("src/") for name in the_tree() if name.startswith(SRC)}
    assert "perdure/py.typed" in wanted
    assert any(name.endswith(".sql") for name in wanted)
    assert wanted <= held

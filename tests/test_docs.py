"""The documentation is true: its code runs, its reference is the code's, it names everything."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

import perdure
from perdure import errors
from perdure.faces import FACES
from perdure.store import PACKAGES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([\w./-]+)(?:#[\w-]+)?\)")
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]


WITH_CODE = [page for page in PAGES if CODE.search(page.read_text("utf-8"))]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.name)
def test_the_code_of_a_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, block in enumerate(CODE.findall(page.read_text("utf-8"))):
        exec(compile(block, f"{page.name}, block {number}", "exec"), {})


def test_the_reference_is_generated_from_the_code() -> None:
    made = runpy.run_path(str(DOCS / "generate.py"))["page"]()
    assert made == (DOCS / "reference.md").read_text("utf-8"), "run: python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = [
        link for link in LINK.findall(page.read_text("utf-8")) if not (page.parent / link).exists()
    ]
    assert missing == []


def test_every_table_stands_in_the_data_layout() -> None:
    text = (DOCS / "data-layout.md").read_text("utf-8")
    tables = {
        table
        for _, folder in PACKAGES
        for path in folder.glob("migrations/*.postgres.sql")
        for table in re.findall(r"create table if not exists (\w+)", path.read_text("utf-8"))
    }
    assert [table for table in sorted(tables) if f"`{table}`" not in text] == []
    assert len(tables) > len(FACES)


def test_every_error_and_exported_name_is_documented() -> None:
    text = (DOCS / "reference.md").read_text("utf-8")
    assert [e.code for e in errors.ALL if f"`{e.code}`" not in text] == []
    assert [n for n in perdure.__all__ if n not in text and n != "PerdureError"] == []


def test_a_page_that_lies_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "lie.md"
    page.write_text("```python\nassert 1 == 2\n```\n[x](nowhere.md)\n", "utf-8")
    with pytest.raises(AssertionError):
        exec(CODE.findall(page.read_text("utf-8"))[0], {})
    assert LINK.findall(page.read_text("utf-8")) == ["nowhere.md"]

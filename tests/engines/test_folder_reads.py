"""A folder holds files of subjects that were written, and of nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest

import perdure


def test_asking_about_a_stranger_makes_no_file(tmp_path: Path) -> None:
    with perdure.open(f"{tmp_path}/selves/") as store:
        with pytest.raises(perdure.NotFound):
            store.subject("stranger").souls.current()
        assert list(tmp_path.glob("selves/agents/*")) == []
        store.subject("ada").souls.publish(core_identity="Curious.")
        assert store.subject("ada").souls.current().version == 1
        assert len(list(tmp_path.glob("selves/agents/*/memory.sqlite"))) == 1
    with perdure.open(f"{tmp_path}/selves/") as store:
        assert store.subject("ada").souls.current().version == 1

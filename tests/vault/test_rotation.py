"""Moving to another master key: online, repeated, interrupted, and nothing left of the old one."""

from __future__ import annotations

import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from perdure.errors import Conflict, Invalid, LockedOut, Unavailable
from perdure.kernel.sealing import Owner
from perdure.vault import (
    Environment,
    KeyFile,
    Keyring,
    Master,
    Passphrase,
    Wrapped,
    keystore,
    rotation,
)
from perdure.vault.rotation import Moved, rewrap, rotate
from perdure.vault.status import status
from tests.tidy import ROOT
from tests.vault.kills import NAMES, check, sealed_in
from tests.vault.rings import Place

ENV = "PERDURE_MASTER_KEY"


def entry(epoch: int) -> str:
    return f"{epoch}:{b64encode(bytes([epoch]) * 32).decode()}"


def test_rotation_moves_every_key_and_touches_no_sealed_data(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAGE_ROWS", 2)
    told: list[tuple[str, int, int]] = []
    with place.ring(create=True) as ring:
        sealed = sealed_in(ring)
        old = (place.folder / "master.key").read_bytes().split()[-1]
        moved = rotate(ring, progress=lambda *each: told.append(each))
        assert moved == Moved(epoch=2, keys=5, left_to_do="")
        assert told == [("keys", 2, 5), ("keys", 4, 5), ("keys", 5, 5)]
        check(ring, sealed)
    assert old not in place.bytes()
    with place.ring() as again:
        check(again, sealed)
        assert status(again).keys_by_epoch == {2: 6}
        assert again.rotate() == 3
        check(again, sealed)


def test_an_old_copy_of_the_key_store_is_dead_after_a_rotation(file_place: Place) -> None:
    with file_place.ring(create=True) as ring:
        sealed_in(ring)
    copy = (file_place.folder / "keys.db").read_bytes()
    with file_place.ring() as ring:
        rotate(ring)
    (file_place.folder / "keys.db").write_bytes(copy)
    with pytest.raises(LockedOut, match="holds another key"), file_place.ring():
        pass


def test_other_processes_go_on_during_and_after_a_rotation(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAGE_ROWS", 2)
    with place.ring(create=True) as ring, place.ring() as other:
        sealed = sealed_in(ring)
        made: list[Owner] = []

        def meanwhile(what: str, done: int, total: int) -> None:
            check(other, sealed)
            made.append(other.owner(f"new at {done}", create=True))
            other._cache.remove(made[-1].subject)

        rotate(ring, progress=meanwhile)
        check(other, sealed)
        assert set(status(ring).keys_by_epoch) == {2}
        assert [other.owner_of(one.subject) is not None for one in made] == [True] * 3


@pytest.mark.parametrize("is_stubborn", [False, True])
def test_a_key_wrapped_by_the_old_epoch_meanwhile_is_moved_as_well(
    place: Place, monkeypatch: pytest.MonkeyPatch, is_stubborn: bool
) -> None:
    monkeypatch.setattr(rotation, "PASSES_MAX", 3)
    with place.ring(create=True) as ring:
        sealed = sealed_in(ring)
        whole, passes = rotation._pass, list[int]()

        def part(*args: Any) -> int:
            passes.append(1)
            return whole(*args) if len(passes) > 1 and not is_stubborn else 0

        monkeypatch.setattr(rotation, "_pass", part)
        if is_stubborn:
            with pytest.raises(Conflict):
                rotate(ring)
            assert status(ring).is_rotating
            monkeypatch.setattr(rotation, "_pass", whole)
        assert rotate(ring).keys == 5
        check(ring, sealed)


@pytest.mark.parametrize("to", ["key file", "environment", "passphrase", "key service"])
def test_keys_go_over_to_any_other_master(
    place: Place, to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV, entry(2))
    masters: dict[str, Master] = {
        "key file": KeyFile(place.folder / "b.key"),
        "environment": Environment(ENV),
        "passphrase": Passphrase("another"),
        "key service": Wrapped(lambda key: key[::-1], lambda key: key[::-1]),
    }
    with place.ring(create=True) as ring:
        sealed = sealed_in(ring)
        moved = rewrap(ring, masters[to])
        assert (moved.epoch, moved.keys) == (2, 5)
        assert ("key service" in moved.left_to_do) is (to == "key service")
        check(ring, sealed)
    assert not (place.folder / "master.key").exists()
    with place.ring(masters[to]) as again:
        check(again, sealed)
        assert rewrap(again, masters[to]) == Moved(2, 0, "")
        assert status(again).source == to
    with pytest.raises(LockedOut), place.ring():
        pass


def test_what_the_operator_must_do_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV, entry(1))
    with place.ring(Environment(ENV), create=True) as ring:
        sealed = sealed_in(ring)
        with pytest.raises(Invalid, match="holds no key for epoch 2: add '2:'"):
            rotate(ring)
        assert not status(ring).is_rotating
        monkeypatch.setenv(ENV, f"{entry(1)},{entry(2)}")
        assert "remove every entry but '2:'" in rotate(ring).left_to_do
        monkeypatch.setenv(ENV, entry(2))
        left = rewrap(ring, Passphrase("new")).left_to_do
        assert "remove every entry from" in left
        check(ring, sealed)
        with pytest.raises(Invalid, match="rewrap to a new passphrase"):
            rotate(ring)
        assert "forget the old passphrase" in rewrap(ring, Passphrase("newer")).left_to_do
        check(ring, sealed)


def test_a_failed_beginning_leaves_the_masters_as_they_were(place: Place) -> None:
    def refuse(_: bytes) -> bytes:
        raise OSError

    with place.ring(create=True) as ring:
        with pytest.raises(Unavailable):
            rewrap(ring, Wrapped(refuse, refuse))
        assert ring.epochs.masters == (place.file,)
        assert rotate(ring).epoch == 2


def interrupted(ring: Keyring, calls: int, work: Callable[[], object]) -> bool:
    """Do some work whose n-th unit of work fails; say whether it came so far."""
    write, left = ring.engine.write, iter(range(calls))

    def failing(*args: Any, **kwargs: Any) -> Any:
        if next(left, None) is None:
            raise Unavailable("the disk is full")
        return write(*args, **kwargs)

    ring.engine.write = failing  # type: ignore[method-assign]
    try:
        work()
    except Unavailable:
        return True
    finally:
        ring.engine.write = write  # type: ignore[method-assign]
    return False


@pytest.mark.parametrize("to", [None, "b.key"])
def test_what_was_interrupted_is_ended_by_the_same_call(
    place: Place, to: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAGE_ROWS", 2)
    with place.ring(create=True) as ring:
        sealed = sealed_in(ring)
        for calls in range(1, 6):
            master = None if to is None else KeyFile(place.folder / f"{calls}{to}")

            def work(master: Master | None = master) -> Moved:
                return rotate(ring) if master is None else rewrap(ring, master)

            assert interrupted(ring, calls, work)
            assert status(ring).is_rotating
            check(ring, sealed)
            assert work().epoch == status(ring).epoch == calls + 1
            check(ring, sealed)
            assert len(ring.epochs.masters) == 1
        assert not interrupted(ring, 20, lambda: rotate(ring))


def test_a_move_under_way_is_ended_before_another(place: Place) -> None:
    with place.ring(create=True) as ring:
        sealed = sealed_in(ring)
        b, c = KeyFile(place.folder / "b.key"), KeyFile(place.folder / "c.key")
        assert interrupted(ring, 1, lambda: rewrap(ring, b))
        with pytest.raises(Conflict, match="being moved to another master"):
            rewrap(ring, c)
    with place.ring() as old:
        check_without_new(old, sealed)
        with pytest.raises(LockedOut):
            rotate(old)
    with place.ring(also=(b,)) as both:
        check(both, sealed)
        assert rewrap(both, b).epoch == 2
    with place.ring(b) as new:
        check(new, sealed)


def check_without_new(ring: Keyring, sealed: dict[str, bytes]) -> None:
    """With the old master alone what is old is read; nothing new can be wrapped."""
    assert [ring.owner(name, create=False).subject for name in sealed]
    with pytest.raises(LockedOut):
        ring.owner("somebody new", create=True)


def test_who_ends_it_last_changes_nothing(place: Place) -> None:
    with place.ring(create=True) as ring:
        sealed = sealed_in(ring)
        rotate(ring)
        (first,) = ring.engine.read("", keystore.epochs)
        rotate(ring)
        left = ring.engine.write("", lambda each: rotation._finish(ring, first, each))
        assert left == ""
        check(ring, sealed)


def test_an_epoch_destroyed_between_two_looks_is_no_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.ring(create=True) as ring:
        sealed = sealed_in(ring)
        handle = ring.owner(NAMES[0], create=False).subject
        stale = ring.engine.read("", lambda session: keystore.by_handle(session, handle))
        page = ring.engine.read(
            "", partial(rotation._page, {"epoch": 2, "after": "", "number": 0, "most": 9})
        )
        rotate(ring)
    with place.ring() as late:  # it knows the new epoch alone
        with monkeypatch.context() as patch:
            patch.setattr(keystore, "by_token", lambda *_, **__: stale)
            assert late.owner(NAMES[0], create=False).subject == handle
        monkeypatch.setattr(rotation, "_page", lambda *_: page)
        assert rotation._pass(late, 2, rotation.quiet) == 0
        with pytest.raises(LockedOut):
            rotation._pass(late, 3, rotation.quiet)
        monkeypatch.undo()
        check(late, sealed)


def test_two_who_rotate_at_once_end_in_one_state(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "PAGE_ROWS", 1)
    failures: list[BaseException] = []

    def work(ring: Keyring, gate: threading.Barrier) -> None:
        gate.wait()
        try:
            for _ in range(3):
                rotate(ring)
        except BaseException as error:
            failures.append(error)

    with place.ring(create=True) as one, place.ring() as two:
        sealed, gate = sealed_in(one), threading.Barrier(2)
        threads = [threading.Thread(target=work, args=(ring, gate)) for ring in (one, two)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        check(one, sealed)
    with place.ring() as again:
        check(again, sealed)
        found = status(again)
        assert not found.is_rotating
        assert found.keys_by_epoch == {found.epoch: 6}
        assert 4 <= found.epoch <= 7


@pytest.mark.slow
@pytest.mark.parametrize("work", ["rotate", "file", "environment"])
def test_killed_at_any_step_it_ends_in_the_same_state(work: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.vault.kills", work, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "steps" in done.stdout
    assert len(NAMES) == 5

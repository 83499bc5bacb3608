"""Only type checkers read this: the exact types of both faces (`make types`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import assert_type

import perdure
from perdure.domains import souls
from perdure.domains.souls import Diff, Milestone, Soul
from perdure.kernel import NONE, Recorded, Transaction, event
from perdure.kernel.follow import Checkpoint
from perdure.store import Subject


@event()
class Greeted:
    """An event of an application."""

    name: str


def turn(tx: Transaction) -> int:
    """Make a unit over a domain and an event of one's own."""
    assert_type(souls.publish(tx, core_identity="x"), Soul)
    assert_type(souls.current(tx), Soul)
    assert_type(tx.append("greeting-a", Greeted("Ada"), expected=NONE), Recorded)
    assert_type(tx.append("greeting-a", Greeted(name="Ada")).version, int)
    assert_type(tx.events("greeting-a"), Iterator[Recorded])
    return tx.version("greeting-a")


def in_the_sync_face(store: perdure.Store) -> None:
    ada = store.subject("ada")
    assert_type(ada, Subject)
    assert_type(ada.souls.publish(core_identity="x", trim=True), Soul)
    assert_type(ada.souls.current(), Soul)
    assert_type(ada.souls.history(most=3), list[Soul])
    assert_type(ada.souls.diff(1, 2), Diff)
    assert_type(ada.souls.milestones.add("x", lesson_learned="y"), Milestone)
    assert_type(ada.souls.milestones.list(), list[Milestone])
    assert_type(ada.souls.prompt(budget=100), str)
    assert_type(ada.transact(turn), int)
    assert_type(ada.once("key").transact(turn), int)
    assert_type(store.log.read(), Iterator[Recorded])
    assert_type(store.log.head(), Checkpoint)
    with ada.transaction() as tx:
        assert_type(tx, Transaction)
    with perdure.open("memory:") as opened:
        assert_type(opened, perdure.Store)


async def in_the_async_face(store: perdure.AsyncStore) -> None:
    ada = store.subject("ada")
    assert_type(await ada.souls.publish(core_identity="x", trim=True), Soul)
    assert_type(await ada.souls.current(), Soul)
    assert_type(await ada.souls.history(most=3), list[Soul])
    assert_type(await ada.souls.milestones.list(), list[Milestone])
    assert_type(await ada.transact(turn), int)
    assert_type(await ada.once("key").transact(turn), int)
    assert_type(store.log.read(), AsyncIterator[Recorded])
    assert_type(await store.log.head(), Checkpoint)
    async with perdure.connect("memory:") as opened:
        assert_type(opened, perdure.AsyncStore)


def what_a_checker_refuses(store: perdure.Store, later: perdure.AsyncStore) -> None:
    store.souls.publish(core_identity=1)  # type: ignore[arg-type]  # pyright: ignore
    store.souls.publish("positional")  # type: ignore[call-arg]  # pyright: ignore
    store.souls.lost()  # type: ignore[attr-defined]  # pyright: ignore
    store.transact(lambda: None)  # type: ignore[misc,arg-type]  # pyright: ignore
    later.souls.current().version  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore

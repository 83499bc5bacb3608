"""Operations and their faces: a rule is written once, and called sync, async or inside a
transaction.

    class Souls(Face[M]):
        publish = writes(operations.publish)

``ada.souls.publish(...)`` runs it as a unit of work of its own, in the face of the store it came
from, with the exact types of the function. Inside a transaction one calls the function itself:
``operations.publish(tx, ...)``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, ClassVar, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from .transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")


class Sync:
    """Marks the face whose calls return their result."""


class Async:
    """Marks the face whose calls are awaited."""


M = TypeVar("M", Sync, Async)


class Runner(Protocol):
    """Runs one operation as one unit of work; it returns the result or an awaitable of it."""

    def call(
        self, operation: Operation[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any: ...

    def repeatable(self, key: str) -> Runner:
        """Give a runner of the sync face whose calls may be retried: they run once for the key."""
        ...


class Face(Generic[M]):
    """The operations of a domain, for one subject of one open store."""

    groups: ClassVar[dict[str, type[Face[Any]]]] = {}

    def __init__(self, runner: Runner) -> None:
        self._runner = runner


class Operation(Generic[P, T]):
    """A function of a transaction, and how it wants to be run."""

    def __init__(
        self, function: Callable[Concatenate[Transaction, P], T], *, is_write: bool, is_long: bool
    ) -> None:
        self.function = function
        self.is_write = is_write
        self.is_long = is_long
        self.name = function.__name__
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def path(self) -> str:
        """Return the function's name with the domain's in front, as the audit shows it."""
        module = self.function.__module__.removeprefix("perdure.domains.")
        return f"{module.removesuffix('.operations')}.{self.function.__name__}"

    @property
    def signature(self) -> inspect.Signature:
        """Return the parameters behind the transaction, with resolved types."""
        signature = inspect.signature(self.function, eval_str=True)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(self, tx: Transaction, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.function(tx, *args, **kwargs)

    @overload
    def __get__(self, face: None, owner: type) -> Operation[P, T]: ...
    @overload
    def __get__(self, face: Face[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, face: Face[Async], owner: type) -> Callable[P, Awaitable[T]]: ...

    def __get__(self, face: Face[Any] | None, owner: type) -> Any:
        if face is None:
            return self
        call = face._runner.call  # noqa: SLF001  (a face is nothing but its runner)

        def bound(*args: Any, **kwargs: Any) -> Any:
            return call(self, args, kwargs)

        bound.__name__, bound.__doc__ = self.name, self.__doc__
        face.__dict__[self.name] = bound
        return bound


def reads(
    function: Callable[Concatenate[Transaction, P], T], *, is_long: bool = False
) -> Operation[P, T]:
    """Declare an operation that only reads; a long one never runs inside a coroutine."""
    return Operation(function, is_write=False, is_long=is_long)


def writes(function: Callable[Concatenate[Transaction, P], T]) -> Operation[P, T]:
    """Declare an operation that may append events."""
    return Operation(function, is_write=True, is_long=False)


def operations(face: type[Face[Any]]) -> Iterator[tuple[str, Operation[Any, Any]]]:
    """Give every operation of a face with its dotted name, in the order of its declaration."""
    for name, value in vars(face).items():
        if isinstance(value, Operation):
            yield name, value
    for group, inner in face.groups.items():
        yield from ((f"{group}.{name}", operation) for name, operation in operations(inner))

"""What every object with a key inside has in common: it is never written out."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Says its class and nothing else, and refuses to be pickled or copied."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} holds keys and is never pickled or copied")

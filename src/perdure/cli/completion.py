"""``perdure completion``: scripts for bash, zsh and fish, made from the tree of commands.

Each script is a table from the words typed so far to the words that may follow; the logic around
it is a few lines for each shell.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Final

from .terminal import Out
from .tree import NONE, Group, Parser, actions, children, leaf, walk

Words = Mapping[str, list[tuple[str, str]]]

_BASH: Final = """_perdure() {
  local path=perdure word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    case " $(_perdure_words "$path") " in
      *" $word "*) [[ $word == -* ]] || path="$path $word" ;;
    esac
  done
  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
  case $before in --store|--svg) COMPREPLY=($(compgen -f -- "$current")); return ;; esac
  COMPREPLY=($(compgen -W "$(_perdure_words "$path")" -- "$current"))
}
_perdure_words() {
  case $1 in
%s
  esac
}
complete -o default -F _perdure perdure
"""
_ZSH: Final = """#compdef perdure
_perdure() {
  local path_so_far=perdure word
  for word in ${words[2,CURRENT-1]}; do
    [[ $word != -* && " $(_perdure_words "$path_so_far") " == *" $word "* ]] \\
      && path_so_far="$path_so_far $word"
  done
  case ${words[CURRENT-1]} in --store|--svg) _files; return ;; esac
  compadd -- ${=$(_perdure_words "$path_so_far")}
}
_perdure_words() {
  case $1 in
%s
  esac
}
compdef _perdure perdure
"""
_FISH: Final = """function __perdure_at
  set -l so_far perdure
  for word in (commandline -opc)[2..]
    contains -- "$so_far $word" $__perdure_paths; and set so_far "$so_far $word"
  end
  test "$so_far" = "$argv[1]"
end
set -g __perdure_paths %s
complete -c perdure -f
complete -c perdure -l store -r -F
%s
"""


def add_to(group: Group[Parser], root: Parser) -> None:
    """Add the command; it completes the whole tree it stands in."""

    def run(args: argparse.Namespace, out: Out) -> None:
        script = SHELLS[args.shell](_table(root))
        if out.as_json:
            out.document({"shell": args.shell, "script": script})
        else:
            out.say(script.rstrip())

    parser = leaf(group, "completion", run, needs=NONE, about="Print a completion script.")
    parser.add_argument(
        "shell", choices=list(SHELLS),
        help="bash: source <(perdure completion bash); zsh: the same;"
        " fish: perdure completion fish | source",
    )  # fmt: skip


def _table(root: Parser) -> Words:
    """Give for each command the words that may follow, with their meaning."""
    return {
        parser.prog: [
            *((name, inner.description or "") for name, inner in children(parser)),
            *(
                (word, action.help or "")
                for action in actions(parser)
                for word in action.option_strings or map(str, action.choices or ())
            ),
        ]
        for parser in walk(root)
    }


def _cases(words: Words) -> str:
    lines = (
        f"    '{path}') echo '{' '.join(w for w, _ in row)}' ;;" for path, row in words.items()
    )
    return "\n".join(lines)


def _fish(words: Words) -> str:
    lines = [
        f"complete -c perdure -n '__perdure_at \"{path}\"'"
        + (f" -l {word[2:]}" if word.startswith("--") else f" -a {word}")
        + f" -d {_quoted(meaning)}"
        for path, row in words.items()
        for word, meaning in row
    ]
    return _FISH % (" ".join(map(_quoted, words)), "\n".join(lines))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SHELLS: Final[Mapping[str, Callable[[Words], str]]] = {
    "bash": lambda words: _BASH % _cases(words),
    "zsh": lambda words: _ZSH % _cases(words),
    "fish": _fish,
}

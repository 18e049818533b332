"""Write names into commands that are shown to be copied into a shell."""

from __future__ import annotations

import shlex


def shell_word(text: str) -> str:
    r"""A text as one word of a shell, which runs nothing in it: names of files may come from strangers.

    Characters that can't be printed are spelt as bash and zsh read them.

    >>> shell_word("p/00001"), shell_word("a b"), shell_word("$(rm x)"), shell_word("a\nb")
    ('p/00001', "'a b'", "'$(rm x)'", "$'a\\x0ab'")
    """
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_escaped(character) for character in text) + "'"


def _escaped(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))

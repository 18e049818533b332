"""Make a finding small, so that a person sees what matters in it."""

from __future__ import annotations

from tests.fuzz.target import Target
from tests.fuzz.targets import try_input


def reduce(target: Target, data: bytes) -> bytes:
    """The input with every piece removed that the failure does not need.

    Args:
        target: whose contract the input breaks.
        data: the input.

    Returns:
        A shorter input that raises an exception of the same class.

    Raises:
        ValueError: The input breaks nothing.
    """
    failure = _failure(target, data)
    if failure is None:
        raise ValueError("this input breaks nothing")
    size = len(data) // 2
    while size:
        place = 0
        while place < len(data):
            shorter = data[:place] + data[place + size :]
            if _failure(target, shorter) is failure:
                data = shorter
            else:
                place += size
        size //= 2
    return data


def _failure(target: Target, data: bytes) -> type[Exception] | None:
    try:
        try_input(target, data)
    except Exception as error:
        return type(error)
    return None

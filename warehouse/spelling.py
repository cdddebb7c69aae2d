"""Spellings of a name that mean the same.

Input: a text. Output: what all its spellings share.
"""


def fold(text: str) -> str:
    """Return the letters and digits of a text, in lower case."""
    return "".join(filter(str.isalnum, text.casefold()))

"""What a value of the settings must look like: its type, and a check with the words for what fails it."""

import re
from collections.abc import Callable
from typing import Annotated, Any

Check = tuple[str, Callable[[Any], bool]]


def at_least(number: int) -> Check:
    return f"a whole number, {number} or more", lambda value: value >= number


def one_of(*values: str) -> Check:
    return " or ".join(values), lambda value: value in values


def _check(words: str, is_so: Callable[[Any], bool]) -> Check:
    return words, is_so


def _is_below(text: str) -> bool:
    return text != "" and not text.startswith("/") and ".." not in text.split("/")


def _is_receiver(text: str) -> bool:
    return "\0" not in text and re.match(r"/.|https?://[^\s/]\S*$", text) is not None


def _is_named(text: str) -> bool:
    return text.startswith("/") and "\0" not in text and text.rsplit("/", 1)[1] not in ("", ".", "..")


Path = Annotated[str, _check("an absolute path", lambda text: text.startswith("/") and "\0" not in text)]
NamedFolder = Annotated[str, _check("an absolute path that ends in a folder's name", _is_named)]
Folder = Annotated[str, _check("a path below a tier, without ..", _is_below)]
Name = Annotated[str, _check("a name", lambda text: re.fullmatch(r"[A-Za-z0-9_+.-]+", text) is not None)]
Line = Annotated[str, _check("one line of text", lambda text: re.fullmatch(r"[^\x00-\x1f\x7f]+", text) is not None)]
Count = Annotated[int, at_least(0)]
Receiver = Annotated[str, _check("an absolute path of a command, or a URL of http or https", _is_receiver)]
Percent = Annotated[float, _check("a percentage", lambda number: 0 <= number <= 100)]

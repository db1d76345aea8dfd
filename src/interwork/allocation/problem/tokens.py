"""Numbers of a benchmark file one after another, each with its line: an error names where it stands.

Words stand apart by any white space, commas or semicolons; what follows a `#` is a comment.
"""

from typing import NoReturn

from interwork.core.errors import BadInput

APART = str.maketrans(",;", "  ")
MOST = 5_000_000
"""Numbers in a file; above, it is no benchmark of this kind."""
LARGEST = 10**9


class Tokens:
    """A reading position in a text of whitespace-separated numbers."""

    def __init__(self, text: str, name: str, *, comment: str = "#", first_line: int = 1) -> None:
        self.name = name
        self.words: list[str] = []
        self.lines: list[int] = []
        for number, line in enumerate(text.splitlines(), first_line):
            said = line.partition(comment)[0] if comment else line
            found = said.translate(APART).split()
            self.words += found
            self.lines += [number] * len(found)
        self.at = 0
        if len(self.words) > MOST:
            self.fail(f"has {len(self.words)} numbers, more than {MOST}")

    @property
    def line(self) -> int:
        """Tell the line of the next word, or the last one."""
        if not self.lines:
            return 1
        return self.lines[min(self.at, len(self.lines) - 1)]

    @property
    def is_done(self) -> bool:
        """Tell whether every word was read."""
        return self.at >= len(self.words)

    @property
    def is_in_line(self) -> bool:
        """Tell whether the next word stands in the line of the one before."""
        return 0 < self.at < len(self.lines) and self.lines[self.at] == self.lines[self.at - 1]

    def fail(self, what: str) -> NoReturn:
        """Refuse the file, naming the line."""
        raise BadInput(
            f"{self.name}, line {self.line}: {what}.",
            remedy="Give an unchanged benchmark file; `interwork bench allocation --help` names the formats.",
        )

    def word(self, what: str) -> str:
        """Read the next word, whatever it is."""
        if self.at >= len(self.words):
            self.fail(f"the file ends where {what} should stand")
        self.at += 1
        return self.words[self.at - 1]

    def integer(self, what: str, least: int = 0, most: int = LARGEST) -> int:
        """Read a whole number within limits."""
        word = self.word(what)
        value = _whole(word)
        if value is None:
            self.at -= 1
            self.fail(f"{what} should be a whole number, not {word[:20]!r}")
        if not least <= value <= most:
            self.at -= 1
            self.fail(f"{what} is {value}, which is not within {least} to {most}")
        return value

    def integers(self, count: int, what: str, least: int = 0) -> list[int]:
        """Read so many whole numbers."""
        if self.at + count > len(self.words):
            self.at = max(0, len(self.words) - 1)
            self.fail(f"the file ends where {what} should stand")
        return [self.integer(what, least) for _ in range(count)]

    def number(self, what: str) -> float:
        """Read a finite number."""
        word = self.word(what)
        try:
            value = float(word)
        except ValueError:
            self.at -= 1
            self.fail(f"{what} should be a number, not {word[:20]!r}")
        if not abs(value) <= LARGEST:
            self.at -= 1
            self.fail(f"{what} is {word[:20]}, which is out of range")
        return value

    def done(self) -> None:
        """Refuse what follows where nothing should."""
        if not self.is_done:
            self.fail(f"{self.words[self.at][:20]!r} follows where the file should end")


def _whole(word: str) -> int | None:
    """Read a whole number, also one written as `3.0`; None for anything else."""
    try:
        return int(word)
    except ValueError:
        whole, point, rest = word.partition(".")
        return _whole(whole) if point and whole and not rest.strip("0") else None

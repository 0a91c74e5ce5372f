"""HTML of a mail as plain text: words and line breaks, nothing that could run, load or hide.

Whoever writes the mail chooses its HTML, so reading it must take no longer than its length asks for. Python's own
parser looks for the end of a tag again and again where there is none: a mail of 60 kB takes it a minute.
"""

import re
from html import unescape

SILENT = frozenset({"head", "script", "style", "template", "title", "object", "svg", "math"})
"""Elements whose content is no text for a reader."""

RAW = frozenset({"script", "style", "title"})
"""Elements that hold no tags: only their own end ends them."""

BREAKS = frozenset({"br", "tr", "hr"})
BLOCKS = frozenset(
    {"address", "article", "blockquote", "div", "dl", "dt", "dd", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"header", "li", "ol", "p", "pre", "section", "table", "ul"}
)

# Each begins where it matches and goes on to its end or that of the document, so that nothing is looked at twice.
MARKUP = re.compile(
    r"""<!--(?:-?>|.*?(?:--!?>|\Z))
    | <(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]*+)(?P<rest>(?:=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))|[^>])*+)(?:>|\Z)
    | <[!?/][^>]*+(?:>|\Z)""",
    re.DOTALL | re.VERBOSE,
)
RAW_END = {name: re.compile(rf"</{name}[\s/>]", re.IGNORECASE) for name in RAW}


class Reader:
    """Collects the text of a document, however broken it is."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.silent = 0

    def feed(self, html: str) -> None:
        """Read a whole document."""
        at = 0
        while found := MARKUP.search(html, at):
            self._text(html[at : found.start()])
            at, name = found.end(), (found["name"] or "").lower()
            if found["end"]:
                self._end(name)
            elif found["rest"] is not None and found["rest"].endswith("/"):
                self._break(name)  # <svg/> opens nothing
            elif name:
                self._start(name)
                at = _end_of(RAW_END[name], html, at) if name in RAW else at
        self._text(html[at:])

    def _start(self, name: str) -> None:
        if name in SILENT:
            self.silent += 1
        elif name == "body":
            self.silent = 0  # it ends a head that does not end itself
        self._break(name)
        if name in BLOCKS:
            self.words.append("\n- " if name == "li" else "\n")

    def _break(self, name: str) -> None:
        if name in BREAKS:
            self.words.append("\n")

    def _end(self, name: str) -> None:
        if name in SILENT:
            self.silent = max(0, self.silent - 1)
        elif name in BLOCKS:
            self.words.append("\n")
        elif name in {"td", "th"}:
            self.words.append(" ")

    def _text(self, data: str) -> None:
        if not self.silent:
            self.words.append(re.sub(r"\s+", " ", unescape(data)))


def _end_of(pattern: re.Pattern[str], html: str, at: int) -> int:
    found = pattern.search(html, at)
    return found.start() if found else len(html)


def of(html: str) -> str:
    """The text of an HTML document; links lose their addresses, pictures and comments vanish."""
    reader = Reader()
    reader.feed(html)
    lines = (" ".join(line.split()) for line in "".join(reader.words).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

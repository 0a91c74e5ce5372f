"""HTML of a mail as plain text: words and line breaks, nothing that could run, load or hide."""

import re
from html.parser import HTMLParser

SILENT = frozenset({"head", "script", "style", "template", "title", "object", "svg", "math"})
"""Elements whose content is no text for a reader."""

BREAKS = frozenset({"br", "tr", "hr"})
BLOCKS = frozenset(
    {"address", "article", "blockquote", "div", "dl", "dt", "dd", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6"}
    | {"header", "li", "ol", "p", "pre", "section", "table", "ul"}
)


class Reader(HTMLParser):
    """Collects the text of a document, however broken it is."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.words: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT:
            self.silent += 1
        elif tag in BREAKS or tag in BLOCKS:
            self.words.append("\n")
        if tag == "li":
            self.words.append("- ")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag in BLOCKS:
            self.words.append("\n")
        elif tag in {"td", "th"}:
            self.words.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # <svg/> opens nothing.
        if tag in BREAKS:
            self.words.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.words.append(re.sub(r"\s+", " ", data))


def of(html: str) -> str:
    """The text of an HTML document; links lose their addresses, pictures and comments vanish."""
    reader = Reader()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.words).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()

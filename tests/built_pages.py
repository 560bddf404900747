"""What a built page of HTML refers to, and what is wrong with a folder of such pages."""

import functools
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    ("img", "src"),
    ("script", "src"),
    ("iframe", "src"),
    ("source", "src"),
    ("video", "src"),
    ("link", "href"),
}
IN_STYLE = re.compile(r"url\(\s*[\"']?([^\"')]+)|@import\s+[\"']([^\"']+)")


class Page(HTMLParser):
    """A page's ids, its links, what it loads, where it turns to, and its pictures without a description."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loads, self.undescribed, self.turns = set(), [], [], [], {}
        self.inside = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.inside, known = tag, dict(attrs)
        self.ids |= {known[name] for name in ("id", "name") if known.get(name)}
        if tag == "a" and known.get("href"):
            self.links.append(known["href"])
            kind = {"left-prev", "right-next"} & {*(known.get("class") or "").split()}
            self.turns |= dict.fromkeys(kind, known["href"])
        self.loads += [known[name] for t, name in LOADED if t == tag and known.get(name)]
        self.loads += _in_style(known.get("style") or "")
        if tag == "img" and known.get("alt", "").strip() in (
            "",
            known.get("src"),
        ):  # docutils repeats the address
            self.undescribed.append((known.get("src") or known.get("id") or "")[:80])

    def handle_data(self, data):
        if self.inside == "style":
            self.loads += _in_style(data)


def _in_style(style):
    return [one or other for one, other in IN_STYLE.findall(style)]


@functools.cache
def read(path):
    """Many links lead to the same page."""
    return Page(path)


def is_elsewhere(target):
    """Whether this is on another host."""
    return bool(urlsplit(target).netloc)


def dead(path, folder):
    """The links of a page, and the files it loads, that are not there. The web is not followed."""
    page = read(path)
    for target in page.links + page.loads:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        inside = there.is_relative_to(folder.resolve()) and there.is_file()
        anchor = unquote(parts.fragment)
        if not inside or (anchor and there.suffix == ".html" and anchor not in read(there).ids):
            yield target


def foreign(path):
    """What a page or a style sheet would load from other hosts."""
    text = path.read_text(encoding="utf-8")
    loads = _in_style(text) if path.suffix == ".css" else read(path).loads
    return [target for target in loads if is_elsewhere(target)]


def html(folder: Path):
    """The pages of a built book, without the theme's own snippets."""
    return sorted(path for path in folder.rglob("*.html") if "_static" not in path.relative_to(folder).parts)

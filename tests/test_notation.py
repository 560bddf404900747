"""docs/notation.md says what every symbol means, and formulas obey it: no symbol without a meaning, none with two."""

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "notation.md").read_text(encoding="utf-8")
FILES = [
    "docs/design.md",
    *(f"chapters/{file.name}" for file in sorted((ROOT / "chapters").glob("[0-9]*.md"))),
]
DECORATIONS = {"hat", "tilde", "bar", "mathcal", "mathbb", "mathbf", "mathsf"}
GREEK = re.findall(
    r"\w+",
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi varpi rho varrho "
    "sigma varsigma tau upsilon phi varphi chi psi omega ell "
    "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega",
)
WORDS = r"\\(?:text|operatorname\*?|begin|end|tag|label)\s*\{[^{}]*\}"
TOKEN = re.compile(r"\\[A-Za-z]+|\\.|[^\s]")
OPERATORS = {"d"}  # the differential


class Symbol(NamedTuple):
    """A letter with its decorations, and what makes it another symbol: \\hat{V}, th, ^* or none."""

    letter: str
    label: str  # a subscript in roman type is a part of the name
    short: str  # a subscript of one token may be: \\tau_m; else it is an index
    star: str
    indices: list

    def name(self, names):
        with_short = f"{self.letter}_{self.short}{self.star}"
        if not self.label and self.short and with_short in names:
            return with_short
        return self.letter + (f"_{self.label}" if self.label else "") + self.star


class Reader:
    """The symbols of one formula."""

    def __init__(self, formula):
        self.tokens, self.at, self.found = TOKEN.findall(re.sub(WORDS, " ", formula)), 0, []
        while self.at < len(self.tokens):
            self._step()

    def _peek(self):
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def _take(self):
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""

    def _group(self):
        """The tokens of {...}, or the next one."""
        taken, depth = [self._take()], 0
        if taken[0].lstrip("\\") in DECORATIONS | {"mathrm"}:
            return [*taken, "{", *self._group(), "}"]
        if taken[0] != "{":
            return taken
        depth, taken = 1, []
        while depth and self.at < len(self.tokens):
            token = self._take()
            depth += (token == "{") - (token == "}")
            taken.append(token)
        return taken[:-1]

    def _atom(self):
        """The next symbol without its subscript; None if what comes next is none."""
        token = self._take()
        if token == "\\mathrm":
            return f"\\mathrm{{{''.join(self._group())}}}"
        if token.lstrip("\\") in DECORATIONS:
            inside = "".join(self._group())
            if re.fullmatch(r"\\?[A-Za-z]+|\\math\w+\{\w\}", inside):
                return f"{token}{{{inside}}}"
            self.found += Reader(f"{{{inside}}}").found  # of a whole expression
            return None
        return token if re.fullmatch("[A-Za-z]", token) or token[1:] in GREEK else None

    def _step(self):
        atom = self._atom()
        if atom is None:
            return
        label = short = star = ""
        indices = []
        while self._peek() in ("_", "^", "'"):
            mark = self._take()
            group = self._group() if mark != "'" else []
            inside = " ".join(group)
            if mark == "_":
                label = "".join(re.findall(r"(?<!_ )\\mathrm \{ ([^}]*) \}", inside)).replace(" ", "")
                short = group[0] if len(group) == 1 else ""
                indices = Reader(re.sub(r"(?<!_ )\\mathrm \{ [^}]* \}", " ", inside)).found
            elif inside == "*":
                star = "^*"
            elif mark == "^":
                self.found += Reader(inside).found
        self.found.append(Symbol(atom, label, short, star, indices))


def unknown(formula, known):
    """The symbols of a formula that are not known."""
    return [name for symbol in Reader(formula).found for name in _unknown(symbol, known)]


def _unknown(symbol, known):
    name = symbol.name(known)
    if name not in known | OPERATORS:
        yield name
    if name == symbol._replace(short="").name(known):  # its subscript is no part of the name
        for index in symbol.indices:  # V_{thr}: h and r have a meaning, but not as indices
            no_index = re.fullmatch("[a-z]", index.letter) and index.letter not in [*INDICES, "y"]
            yield from [index.letter] if no_index else _unknown(index, known)


def formulas(text):
    """What stands between dollars, outside of code."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"`[^`]*`", "", text)
    return [a or b for a, b in re.findall(r"\$\$(.*?)\$\$|\$([^$]+)\$", text, re.DOTALL)]


def _name(formula):
    """What a row of the page calls its symbol: a subscript always belongs to it."""
    (symbol,) = Reader(formula).found
    return symbol.name([f"{symbol.letter}_{symbol.short}{symbol.star}"])


def section(title):
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _rows(title):
    return [line.strip("| ").split(" | ") for line in section(title).splitlines() if line.startswith("| ")][
        2:
    ]


TABLE = [_name(row[0].strip("$")) for row in _rows("Symbols")]
INDICES = [_name(row[0].strip("$")) for row in _rows("Indices")]
LOCAL = [(row[0], _name(row[1].strip("$"))) for row in _rows("Letters of one chapter")]


def known(file):
    """What a file's formulas may use."""
    chapter = Path(file).name[:2]
    return {*TABLE, *INDICES, *(name for number, name in LOCAL if number == chapter)}


def test_no_symbol_stands_on_the_page_twice():
    everywhere = TABLE + INDICES
    assert sorted(everywhere) == sorted(set(everywhere))
    assert sorted(LOCAL) == sorted(set(LOCAL))
    assert not {name for _, name in LOCAL} & set(everywhere)
    assert len(TABLE) > 80
    assert len(INDICES) >= 10


def test_the_page_knows_its_own_symbols():
    """Those in explanations too. The last column holds the papers' letters, which are not ours."""
    symbols = "\n".join(line.rsplit("|", 2)[0] for line in section("Symbols").splitlines())
    page = PAGE.split("\n## Symbols")[0] + symbols + section("Indices")
    assert [name for formula in formulas(page) for name in unknown(formula, {*TABLE, *INDICES})] == []
    for chapter, symbol, meaning in _rows("Letters of one chapter"):
        for formula in formulas(symbol + meaning):
            assert unknown(formula, known(chapter)) == [], (chapter, formula)


@pytest.mark.parametrize("file", FILES)
def test_every_symbol_has_a_meaning(file):
    text = (ROOT / file).read_text(encoding="utf-8")
    found = {formula: unknown(formula, known(file)) for formula in formulas(text)}
    assert {formula: names for formula, names in found.items() if names} == {}
    used = {s.name(known(file)) for formula in formulas(text) for s in Reader(formula).found}
    local = {name for number, name in LOCAL if number == Path(file).name[:2]}
    assert local <= used, "docs/notation.md lists letters that the chapter does not use"


@pytest.mark.parametrize(
    ("good", "bad", "name"),
    [
        (r"u_t = \tau\, v_{t-1} + I_t", r"u_t = \tau\, v_{t-1} + H_t", "H"),
        (r"V_\mathrm{th} > V_\mathrm{reset}", r"V_\mathrm{th} > V_\mathrm{r}", "V_r"),
        (r"a_t = \Theta(u_t - V_\mathrm{th})", r"a_t = \Theta(u_t - V_{thr})", "r"),
        (r"\mathcal P \subseteq \mathcal{A}", r"\mathcal{Q} \subseteq \mathcal{A}", r"\mathcal{Q}"),
        (r"\hat x_n", r"\hat{W}_n", r"\hat{W}"),
        (r"\sum_{i \in \mathcal C_j} w_{ij}", r"\sum_{i \in \mathcal D_j} w_{ij}", r"\mathcal{D}"),
        (r"e^{-t/\tau_m}", r"e^{-t/\tau_\mathrm{mem}}", r"\tau_mem"),
        (r"\tau_m \tilde\Theta(0)^2", r"\tau_m \tilde\Phi(0)^2", r"\tilde{\Phi}"),
        (r"\frac{\partial L}{\partial w_{i'j'co}}", r"\frac{\partial L}{\partial w_{i'j'ey}} \psi", r"\psi"),
        (r"z_{(n_\mathrm{in} + 1)}", r"z_{(n_\mathrm{end} + 1)}", "n_end"),
        (r"S_{\mathrm{code}, lk}", r"S_{\mathrm{mode}, lk}", "S_mode"),
        (r"z_{(n)} \le z^*_n \text{ Eq. x}", r"z_{(n)} \le x^*_n", "x^*"),
    ],
)
def test_a_symbol_without_a_meaning_is_found(good, bad, name):
    names = {*TABLE, *INDICES}
    assert unknown(good, names) == []
    assert unknown(bad, names)[-1] == name


def test_a_damaged_chapter_is_found():
    text = (ROOT / "chapters/02_cosine_fraction.md").read_text(encoding="utf-8")
    damaged = text.replace(r"T_\mathrm{end}", r"T_\mathrm{stop}", 1)
    assert damaged != text
    assert [n for f in formulas(damaged) for n in unknown(f, known("chapters/02_cosine_fraction.md"))] == [
        "T_stop"
    ]


def test_code_is_not_read_and_letters_are_local_to_their_chapter():
    assert formulas("```\n$a$\n```\nand `$b$` and $c$, $$d\ne$$") == ["c", "d\ne"]
    assert unknown(r"\zeta", known("08_fire.md")) == []
    assert unknown(r"\zeta", known("09_reset_bptt.md")) == [r"\zeta"]


def test_words_are_in_order_and_lead_to_their_chapter():
    entries = re.split(r"^- ", section("Words"), flags=re.MULTILINE)[1:]
    terms = [re.match(r"\*\*([^*]+)\*\*", entry)[1].lower() for entry in entries]
    assert len(terms) >= 28
    assert terms == sorted(terms)
    for entry in entries:
        numbers = re.findall(r"\[(\d\d)\]\(\.\./chapters/(\d\d)_\w+\.md\)", entry)
        assert numbers, entry
        assert all(shown == file for shown, file in numbers), entry


def test_symbols_are_first_used_in_a_chapter_that_exists():
    for line in section("Symbols").splitlines()[5:]:
        if line:
            link = r"\[(\d\d\]\(\.\./chapters/\d\d_\w+|design\]\(design)\.md\)"
            assert re.fullmatch(rf"\| \$[^$]+\$ \| [^|]+ \| [^|]*\| {link} \| [^|]*\|", line), line

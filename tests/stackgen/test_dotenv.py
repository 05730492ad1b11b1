"""`.env` means the same here and in Docker Compose, or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stackgen.dotenv import parse_dotenv, quote, set_value

ANY_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(ANY_TEXT)
def test_every_value_that_is_quoted_reads_back_unchanged(value):
    """Quotes, $, #, newlines and unicode come out as they went in."""
    parsed = parse_dotenv(f"BEFORE=1\nNAME={quote(value)}\nAFTER=2\n")
    assert not parsed.problems
    assert parsed.values() == {"BEFORE": "1", "NAME": value, "AFTER": "2"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=plain", "plain"),
        ("export A=1", "1"),
        ("A = spaced ", "spaced"),
        ("A=x # comment", "x"),
        ("A=x#no-comment", "x#no-comment"),
        ("A='x # y' # comment", "x # y"),
        (r"A='it\'s'", "it's"),
        (r'A="a\"b\n\tc"', 'a"b\n\tc'),
        ("A='$HOME'", "$HOME"),
        ("A=$$HOME", "$HOME"),
        (r'A="\$HOME"', "$HOME"),
        ("A='two\nlines'", "two\nlines"),
        ("\ufeffA=bom", "bom"),
        ("A=crlf\r", "crlf"),
        ("A=", ""),
    ],
)
def test_a_value_is_read_as_compose_reads_it(text, value):
    """Each form that both sides agree on."""
    assert parse_dotenv(text).values() == {"A": value}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("A", 1, "has no value"),
        ("A: 1", 1, "has no value"),
        ("=1", 1, "is no name"),
        ("a-b=1", 1, "has no value"),
        ("A=$HOME", 1, "holds a $"),
        ("A=${HOME}", 1, "holds a $"),
        ('\nA="$HOME"', 2, "holds a $"),
        ("A='open\nB=1", 1, "never closed"),
        ("A='x' y", 1, "behind its closing quote"),
        ("A=1\nA=2", 2, "already set in line 1"),
        (r'A="\0123"', 1, "octal"),
        ("A=\0", 1, "NUL"),
    ],
)
def test_what_compose_would_read_otherwise_is_refused_with_a_remedy(text, line, reason):
    """A value must not depend on who reads it."""
    (problem,) = parse_dotenv(text).problems
    assert reason in problem.reason
    assert problem.remedy
    assert problem.line == line


@given(ANY_TEXT)
def test_no_text_makes_the_parser_raise(text):
    """Garbage gives problems, never a traceback."""
    parse_dotenv(text)


@given(ANY_TEXT, ANY_TEXT)
def test_setting_a_value_leaves_every_other_line_as_it_was(old, new):
    """Comments, order and blank lines survive."""
    text = f"# comment\nA=1\n\nNAME={quote(old)}\nB='x\ny'\n# end"
    changed = set_value(text, "NAME", new)
    assert changed == f"# comment\nA=1\n\nNAME={quote(new)}\nB='x\ny'\n# end"


def test_setting_a_new_name_adds_a_line():
    """A file without a final newline keeps its last line whole."""
    assert set_value("A=1", "B", "2") == "A=1\nB=2\n"


def test_a_file_with_line_ends_of_windows_keeps_them():
    """An editor that wrote them shows no mixture afterwards."""
    text = "# mine\r\nA=1\r\nB='x\r\ny'\r\nC=3\r\n"
    assert set_value(text, "A", "2") == text.replace("A=1", "A=2")
    assert set_value(text, "B", "2") == "# mine\r\nA=1\r\nB=2\r\nC=3\r\n"
    assert set_value(text, "D", "4") == text + "D=4\r\n"
    assert set_value(text + "E=5", "D", "4") == text + "E=5\r\nD=4\r\n"
    assert parse_dotenv(set_value(text, "A", "a b")).values()["A"] == "a b"

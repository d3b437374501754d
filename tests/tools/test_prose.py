"""The prose check: each rule objects to what it is about, and to nothing that merely resembles it."""

from pathlib import Path

import pytest

from tools.prose.__main__ import main
from tools.prose.sources import prose_of
from tools.prose.wording import objections

MODULE = '"""A module."""\n'


def rules_broken(folder: Path, name: str, source: str) -> list[tuple[int, str]]:
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return [(each.line, each.rule) for prose in prose_of(path) for each in objections(prose)]


@pytest.mark.parametrize(
    ("docstring", "refused"),
    [
        ("Return the newest block.", False),
        ("Refuse settings that can't work.", False),
        ("The newest block.", True),
        ("Whether it is there.", True),
        ("`text` without spaces.", True),
        ("Returns the newest block.", True),
    ],
)
def test_a_functions_docstring_begins_with_a_verb(tmp_path: Path, docstring: str, refused: bool) -> None:
    source = f'{MODULE}\ndef call():\n    """{docstring}"""\n'
    assert rules_broken(tmp_path, "a.py", source) == (
        [(4, "begin a function's docstring with a verb in the imperative")] if refused else []
    )


@pytest.mark.parametrize("decorator", ["property", "cached_property", "functools.cached_property"])
def test_a_property_is_named_like_a_thing(tmp_path: Path, decorator: str) -> None:
    source = f'{MODULE}class Block:\n    @{decorator}\n    def tip(self):\n        """The newest block."""\n'
    assert rules_broken(tmp_path, "a.py", source) == []


def test_tests_and_fixtures_need_no_verb_and_helpers_of_tests_do(tmp_path: Path) -> None:
    folder = tmp_path / "tests"
    folder.mkdir()
    source = (
        f"{MODULE}@pytest.fixture\ndef node():\n"
        '    """A node."""\ndef test_it():\n    """A test."""\ndef helper():\n    """A helper."""\n'
    )
    assert [line for line, _ in rules_broken(folder, "test_a.py", source)] == [8]


@pytest.mark.parametrize(
    "opening", ["What a block is.", "Whether it holds.", "Who asks.", "Nothing but this."]
)
def test_modules_classes_and_attributes_begin_with_a_noun(tmp_path: Path, opening: str) -> None:
    source = f'"""{opening}"""\nclass Block:\n    """{opening}"""\n    height: int\n    """{opening}"""\n'
    assert [line for line, _ in rules_broken(tmp_path, "a.py", source)] == [1, 3, 5]


@pytest.mark.parametrize(
    "sentence",
    [
        "What is nobody's is the directory's.",
        "Who may not store here waits.",
        "It is signed. Whose it is was said.",
        "It is kept for whoever asks.",
        "It is the name of who asked.",
        "It waits, so who asks is told.",
        "It is walked twice, for the requester reads the ledger too.",
        "It is left out, for it needs more.",
        "It goes on, for they are known.",
        "It is closed, for a small file is enough.",
    ],
)
def test_sentences_built_on_a_clause_are_refused_wherever_they_stand(tmp_path: Path, sentence: str) -> None:
    assert rules_broken(tmp_path, "a.md", f"# Title\n\nA line.\n{sentence}\n")
    assert rules_broken(tmp_path, "b.md", f"- An item.\n- {sentence}\n")
    assert rules_broken(tmp_path, "a.py", f'"""A module.\n\n{sentence}\n"""\n')
    assert rules_broken(tmp_path, "b.py", f"{MODULE}X = 1  # {sentence}\n")


@pytest.mark.parametrize(
    "sentence",
    [
        "What is a pair?",
        "A patient whose pair is open is found.",
        "Members who vote are counted.",
        "It says what a block is.",
        "It is kept for the requester.",
        "It is walked twice, for the patient and for the requester.",
        "It is sent, for a hospital that is away, once more.",
        "It has a line for what is missing, for it and the others.",
        "The command is `whoever`, with ``for who`` in it.",
    ],
)
def test_ordinary_sentences_pass(tmp_path: Path, sentence: str) -> None:
    assert rules_broken(tmp_path, "a.md", f"{sentence}\n") == []
    assert rules_broken(tmp_path, "a.py", f'"""A module.\n\n{sentence}\n"""\n') == []


def test_code_in_markdown_and_strings_of_a_program_are_not_read(tmp_path: Path) -> None:
    assert (
        rules_broken(tmp_path, "a.md", "Call:\n\n```\nWhoever calls this, for it is code.\n```\n\nDone.\n")
        == []
    )
    assert rules_broken(tmp_path, "a.py", f'{MODULE}X = "Whoever reads this"\n') == []


def test_headings_and_cells_may_be_clauses_and_name_their_subject(tmp_path: Path) -> None:
    assert rules_broken(tmp_path, "a.md", "# What is protected\n\n| what | who |\n| --- | --- |\n") == []
    assert [line for line, _ in rules_broken(tmp_path, "b.md", "| who |\n| --- |\n| whoever asks |\n")] == [3]


def test_an_objection_names_the_line_of_its_words(tmp_path: Path) -> None:
    assert [
        line
        for line, _ in rules_broken(tmp_path, "a.py", '"""A module.\n\nOne line.\nWho asks is told.\n"""\n')
    ] == [4]
    assert [
        line for line, _ in rules_broken(tmp_path, "a.md", "`one\ntwo` is code.\nWho asks is told.\n")
    ] == [3]


def test_the_command_counts_and_ends_with_one_where_it_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.md").write_text("A good line.\n")
    assert main([str(tmp_path)]) == 0
    (tmp_path / "bad.py").write_text('"""What this is."""\n')
    assert main([str(tmp_path)]) == 1
    assert "bad.py:1: say what the thing is" in capsys.readouterr().out
    assert main(["--count", str(tmp_path)]) == 1
    assert capsys.readouterr().out.split() == ["1", str(tmp_path)]


def test_the_command_refuses_a_path_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "gone")]) == 2
    assert "no such file or folder" in capsys.readouterr().err


def test_the_command_names_a_file_that_is_not_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.py").write_text("def :")
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/bad.py:1: not valid Python; mend it first\n"

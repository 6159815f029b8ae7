"""What the pages for people name is there, under that name."""

import re
from pathlib import Path

import pytest
import typer

from framebus_launcher.cli import make_app
from framebus_launcher.config import load_settings, place_of
from framebus_launcher.table import make_table

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "docs/behaviours.md",
    "docs/cameras.md",
    "docs/design-notes.md",
    "docs/diagnosis.md",
    "docs/enrich.md",
    "docs/export.md",
    "docs/glossary.md",
    "docs/http.md",
    "docs/mqtt.md",
    "docs/notify.md",
    "docs/objects.md",
    "docs/other-languages.md",
    "docs/parts.md",
    "docs/page.md",
    "docs/plugins.md",
    "docs/processors.md",
    "docs/uploads.md",
]
WORDS = re.findall(r"^- \*\*(.+?)\*\*: .+$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_links_to_exists(page: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text())

    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_every_file_that_a_contributor_is_sent_to_exists() -> None:
    named = re.findall(r"`((?:protocol|services|launcher|tests|\.ci)/[^`<*]*)`", (ROOT / "CONTRIBUTING.md").read_text())

    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_make_target_that_a_contributor_is_told_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    told = set(re.findall(r"\bmake (\w+)", (ROOT / "CONTRIBUTING.md").read_text()))

    assert told <= targets


def test_the_glossary_has_each_word_once_on_one_line_in_order() -> None:
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()

    assert len([line for line in lines if line.startswith("- ")]) == len(WORDS)
    assert sorted(set(WORDS), key=str.lower) == WORDS


def test_the_glossary_has_the_words_of_the_specification() -> None:
    spec = (ROOT / "protocol" / "SPEC.md").read_text()
    section = spec.partition("## 2. Words")[2].partition("###")[0]

    defined = {word.capitalize() for word in re.findall(r"\*\*(\w+)\*\*", section)}

    assert defined - set(WORDS) == set()
    assert defined


def test_the_configuration_in_the_readme_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONT_DOOR_PASSWORD", "s3cret")
    block = re.search(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    (tmp_path / "framebus.yml").write_text(block[1])

    settings = load_settings(tmp_path / "framebus.yml")

    assert [row.name for row in make_table(settings, place_of(settings))] == [
        "dispatcher",
        "export",
        "ingest",
        "analysis",
        "enrich",
        "gateway",
        "capture@front_door",
        "counter",
    ]


def test_every_command_that_the_readme_names_exists() -> None:
    told = set(re.findall(r"^framebus (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))

    known = {
        command.name or command.callback.__name__ for command in make_app().registered_commands if command.callback
    }

    assert len(told) > 8
    assert told <= known


def test_every_command_and_option_that_the_page_of_diagnosis_names_exists() -> None:
    page = (ROOT / "docs" / "diagnosis.md").read_text()
    told = re.findall(r"(?:^|[`$] ?)framebus (\w+)([^`\n]*)", page, re.MULTILINE)

    group = typer.main.get_command(make_app())
    known = {
        name: {word for option in command.params for word in option.opts} for name, command in group.commands.items()
    }

    assert {name for name, _ in told} <= known.keys()
    assert [(name, word) for name, rest in told for word in re.findall(r"--\w+", rest) if word not in known[name]] == []

"""Files get their names: whole or not at all, and never over another file."""

import errno
import os
from pathlib import Path

import pytest

from framebus.errors import RefusedError
from framebus.requests import PreparedFile
from framebus_services.dispatcher import publishing
from services.dispatcher.ledgers import described

ID = "0123456789abcdef" * 2


def temp(exports: Path, final: str, number: int = 0, fence: int = 1) -> PreparedFile:
    path = (exports / final).parent / f".{ID}.{fence}.{number}.part"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(final)
    return described(exports, path, final)


def finals(claims: list[publishing.Claim]) -> list[str]:
    return [claim.final for claim in claims]


def test_files_that_are_what_was_said_are_accepted(tmp_path: Path) -> None:
    publishing.check_files(tmp_path, ID, 1, [temp(tmp_path, "front/a.jpg"), temp(tmp_path, "front/a.mp4", 1)])


def test_an_exports_folder_that_is_itself_a_symlink_is_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "exports").symlink_to("disk")

    publishing.check_files(tmp_path / "exports", ID, 1, [temp(tmp_path / "exports", "front/a.mp4")])


def test_names_that_are_free_are_chosen_as_they_are(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.jpg"), temp(tmp_path, "a.mp4", 1)])

    assert finals(claims) == ["a.jpg", "a.mp4"]


@pytest.mark.parametrize("taken", ["a.jpg", "a.mp4"])
def test_the_files_of_a_job_share_their_number_whichever_name_is_taken(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_text("another")
    (tmp_path / "a_2.jpg").write_text("another")

    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.jpg"), temp(tmp_path, "a.mp4", 1)])

    assert finals(claims) == ["a_3.jpg", "a_3.mp4"]


def test_the_number_stands_before_the_last_ending_and_never_in_a_folder(tmp_path: Path) -> None:
    wanted = ["front.door/a.b.mp4", "front.door/noending"]
    files = [temp(tmp_path, name, number) for number, name in enumerate(wanted)]
    for name in wanted:
        (tmp_path / name).write_text("another")

    assert finals(publishing.claim_names(tmp_path, files)) == ["front.door/a.b_2.mp4", "front.door/noending_2"]


def test_numbers_chosen_anew_count_on_from_the_name_that_was_wanted(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("another")
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.mp4")])
    (tmp_path / "a_2.mp4").write_text("another")

    assert finals(publishing.choose_names(tmp_path, claims)) == ["a_3.mp4"]


def test_a_name_without_end_of_copies_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "lexists", lambda _: True)

    with pytest.raises(RefusedError, match="exists 10000 times"):
        publishing.claim_names(tmp_path, [temp(tmp_path, "a.mp4")])


def test_linking_twice_is_linking_once(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.mp4")])

    publishing.link_files(tmp_path, claims)
    publishing.link_files(tmp_path, claims)

    assert (tmp_path / "a.mp4").read_text() == "a.mp4"


def test_a_name_of_another_is_never_replaced(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.mp4")])
    (tmp_path / "a.mp4").write_text("another")

    with pytest.raises(FileExistsError):
        publishing.link_files(tmp_path, claims)

    assert (tmp_path / "a.mp4").read_text() == "another"


def test_the_main_file_gets_its_name_last(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.jpg"), temp(tmp_path, "a.mp4", 1)])
    (tmp_path / claims[0].temp).unlink()

    with pytest.raises(FileNotFoundError):
        publishing.link_files(tmp_path, claims)

    assert not (tmp_path / "a.mp4").exists()


def test_names_are_taken_back_only_from_our_own_files(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.jpg"), temp(tmp_path, "a.mp4", 1)])
    os.link(tmp_path / claims[0].temp, tmp_path / "a.jpg")
    (tmp_path / "a.mp4").write_text("another")

    publishing.withdraw(tmp_path, claims)

    assert not (tmp_path / "a.jpg").exists()
    assert (tmp_path / "a.mp4").read_text() == "another"


def test_temps_that_are_gone_already_are_no_trouble(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.mp4")])

    publishing.unlink_temps(tmp_path, claims)
    publishing.unlink_temps(tmp_path, claims)

    assert list(tmp_path.iterdir()) == []


def test_only_temps_of_leases_that_are_over_are_removed(tmp_path: Path) -> None:
    over, current = temp(tmp_path, "front/a.mp4", fence=1), temp(tmp_path, "front/b.mp4", fence=2)
    others = [tmp_path / "front/.hidden.part", tmp_path / "front/clip.mp4", tmp_path / f"{ID}.1.0.part"]
    for other in others:
        other.write_text("not ours")

    removed = publishing.remove_temps(tmp_path, {(ID, 2)})

    assert removed == 1
    assert not (tmp_path / over.temp).exists()
    assert all(path.exists() for path in [tmp_path / current.temp, *others])


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of exFAT."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("no_links")
def test_on_a_disk_without_hard_links_files_are_renamed_once(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.jpg"), temp(tmp_path, "a.mp4", 1)])

    publishing.link_files(tmp_path, claims)
    publishing.link_files(tmp_path, claims)
    publishing.unlink_temps(tmp_path, claims)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.jpg": "a.jpg", "a.mp4": "a.mp4"}


@pytest.mark.usefixtures("no_links")
def test_on_a_disk_without_hard_links_a_name_of_another_is_never_replaced(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.mp4")])
    (tmp_path / "a.mp4").symlink_to("nowhere")

    with pytest.raises(FileExistsError):
        publishing.link_files(tmp_path, claims)

    assert (tmp_path / "a.mp4").is_symlink()


@pytest.mark.usefixtures("no_links")
def test_on_a_disk_without_hard_links_a_name_taken_back_loses_no_file(tmp_path: Path) -> None:
    claims = publishing.claim_names(tmp_path, [temp(tmp_path, "a.jpg"), temp(tmp_path, "a.mp4", 1)])
    (tmp_path / "a.mp4").write_text("another")
    with pytest.raises(FileExistsError):
        publishing.link_files(tmp_path, claims)

    publishing.withdraw(tmp_path, claims)
    claims = publishing.choose_names(tmp_path, claims)
    publishing.link_files(tmp_path, claims)

    names = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert names == {"a.mp4": "another", "a_2.jpg": "a.jpg", "a_2.mp4": "a.mp4"}

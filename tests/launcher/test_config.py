"""The configuration file: every problem at once with its line, variables, paths, and no password in any text."""

from pathlib import Path

import pytest

from framebus.errors import ConfigError, ErrorCode, RefusedError
from framebus.settings import Camera, Settings
from framebus_launcher.config import check_sources, load_settings
from framebus_launcher.config_file import ConfigFile
from framebus_launcher.document import read_document

CANARY = "hunter2canary"


def write(folder: Path, text: str, name: str = "framebus.yml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problems_of(folder: Path, text: str, name: str = "framebus.yml") -> list[str]:
    """What is wrong with this file, the folder left out."""
    path = write(folder, text, name)
    with pytest.raises(ConfigError) as error:
        load_settings(path)
    return [problem.removeprefix(f"{folder}/") for problem in error.value.problems]


def test_a_whole_file_becomes_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONT_DOOR_PASSWORD", "p@ss/word#1?")
    path = write(
        folder,
        """
        timezone: Europe/Vienna
        run: /run/here
        cameras:
          front_door:
            source: rtsp://viewer:${FRONT_DOOR_PASSWORD}@10.0.0.5/stream1
            detect: &small {width: 640, height: 360, fps: 5}
            record: {keep: 7d}
          file: {source: videos/car.mp4, detect: {<<: *small, fps: 10}}
          link: {source: file:///videos/a%20b.mp4}
          once: {source: "FILE:///videos/c.mp4?once"}
          test: {source: "synthetic://?fps=10"}
        services:
          enrich: off
          export: {slots: 2}
          counter: {command: [node, counter.js], settings: {text: "$${HOME}"}}
        jobs:
          transcribe: {max_running: 1}
        """,
    )
    (folder / "counter.js").touch()

    settings = load_settings(path)

    assert settings.cameras["front_door"].source == "rtsp://viewer:p%40ss%2Fword%231%3F@10.0.0.5/stream1"
    assert settings.cameras["file"].source == f"{folder}/videos/car.mp4"
    assert (settings.cameras["file"].detect.width, settings.cameras["file"].detect.fps) == (640, 10.0)
    assert settings.cameras["link"].source == "/videos/a b.mp4"
    assert settings.cameras["once"].source == "/videos/c.mp4?once"
    assert settings.data == f"{folder}/data"
    assert settings.run == "/run/here"
    assert settings.services["enrich"] is False
    assert settings.services["counter"]["command"] == ["node", f"{folder}/counter.js"]
    assert settings.services["counter"]["settings"] == {"text": "${HOME}"}


def test_the_model_of_analyses_lies_beside_the_file(folder: Path) -> None:
    path = write(folder, "services: {analysis: {analysers: {objects: {detector: {model: m.onnx, labels: coco}}}}}")

    analysers = load_settings(path).services["analysis"]["analysers"]

    assert analysers == {"objects": {"detector": {"model": f"{folder}/m.onnx", "labels": "coco"}}}


def test_toml_says_the_same(folder: Path) -> None:
    path = write(folder, 'data = "d"\n[cameras.front]\nsource = "a.mp4"\n', "framebus.toml")

    settings = load_settings(path, run=Path("/run/other"))

    assert (settings.data, settings.run) == (f"{folder}/d", "/run/other")
    assert settings.cameras["front"].source == f"{folder}/a.mp4"


def test_the_command_line_wins_over_the_file(folder: Path) -> None:
    path = write(folder, "data: mine\nrun: mine\n")

    settings = load_settings(path, data=Path("/elsewhere"), run=Path("/run/other"))

    assert (settings.data, settings.run) == ("/elsewhere", "/run/other")


def test_without_a_name_the_file_of_this_folder_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder, "timezone: Europe/Vienna\n", "framebus.yaml")
    monkeypatch.chdir(folder)

    assert load_settings(None).timezone == "Europe/Vienna"


def test_an_empty_file_is_all_defaults(folder: Path) -> None:
    assert load_settings(write(folder, "# nothing yet\n")).cameras == {}


def test_every_problem_is_told_at_once_with_its_line(folder: Path) -> None:
    problems = problems_of(
        folder,
        """timezon: Europe/Vienna
timezone: Europe/Wien
cameras:
  front:
    source: ftp://10.0.0.5/
    detect: {fps: 0}
    record: {keep: weekly}
  Back:
    detect: {width: wide}
  web: {source: "gopher://10.0.0.5/"}
services:
  enrch: {processors: []}
  gateway: {command: [x]}
  export: {command: [x]}
  enrich:
  plugin: {comand: [x]}
""",
    )

    assert [problem.partition(": ")[0] + ": " + problem.split(": ")[1] for problem in problems] == [
        "framebus.yml:1: timezon",
        "framebus.yml:2: timezone",
        "framebus.yml:5: cameras.front.source",
        "framebus.yml:6: cameras.front.detect.fps",
        "framebus.yml:7: cameras.front.record.keep",
        "framebus.yml:8: cameras.Back",
        "framebus.yml:8: cameras.Back.source",
        "framebus.yml:9: cameras.Back.detect.width",
        "framebus.yml:10: cameras.web.source",
        "framebus.yml:12: services.enrch",
        "framebus.yml:13: services.gateway",
        "framebus.yml:14: services.export",
        "framebus.yml:15: services.enrich",
        "framebus.yml:16: services.plugin.comand",
        "framebus.yml:16: services.plugin.command",
    ]
    assert "did you mean timezone?" in problems[0]
    assert "unknown kind of address; a source is rtsp://, rtsps://, http://" in problems[8]
    assert "did you mean enrich?" in problems[9]
    assert "`enrich: off`" in problems[12]


def test_a_source_of_the_users_own_is_found_beside_the_file_with_the_class_that_its_address_names(
    tmp_path: Path,
) -> None:
    path = tmp_path / "framebus.yml"
    path.write_text("cameras: {bench: {source: ./lab/bench.py:Bench, settings: {exposure_us: 5}}}")

    camera = load_settings(path).cameras["bench"]

    assert (camera.source, camera.settings) == (f"{tmp_path}/lab/bench.py:Bench", {"exposure_us": 5})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("data: a\nrun: b\ndata: c\n", "framebus.yml:3: data: stands here for the second time; the first is in line 1"),
        ("data: [a\n", "framebus.yml:1: here begins a [ that is not closed"),
        ("data: a\n bad: b\n", "framebus.yml:2: a ':' that does not belong here"),
        ("data: a\ncameras\n  a: {}\n", "framebus.yml:2: a ':' is missing"),
        ("data: a\n\tb: 1\n", "framebus.yml:2: a tab; indent with spaces"),
        ("a: 1\nb: {c: 1\nd: {e: 2}\n", "framebus.yml:2: here begins a { that is not closed"),
        ("a: [1\nb: 2\n", "framebus.yml:1: here begins a [ that is not closed"),
        ("a: {b: {c: 1},\n", "framebus.yml:2: the file ends too early: a } or a ] is missing"),
        (
            "a: {b: 'x ${P}',\n  c: {d: rtsp://u:${P}@h/1}}\n",
            "framebus.yml:2: an address with ${NAME} goes into quotes where it stands within { } or [ ]",
        ),
        ("a: 'x\nb: 2\n", "framebus.yml:1: here begins a text in quotes that does not end"),
        ("data: @x\n", "framebus.yml:1: a text that begins with such a character goes into quotes"),
        ("a:\n  b: 1\n c: 2\n", "framebus.yml:3: this line is indented otherwise than those above it"),
        ("- a\n", "framebus.yml: file: expected a map of settings, got list"),
        (
            "cameras:\n  front:\n    source: synthetic://?fpss=3\n",
            "framebus.yml:3: cameras.front.source: synthetic:// has no option 'fpss'; did you mean fps?",
        ),
        ("data: ${NO_SUCH_VARIABLE}\n", "framebus.yml:1: data: the environment variable NO_SUCH_VARIABLE is not set"),
        (
            "cameras: {a: {source: 5}}\n",
            "framebus.yml:1: cameras.a.source: expected text, got a whole number",
        ),
        ("data: ${A:-b}\n", "framebus.yml:1: data: ${...} takes the name of a variable, as in ${FRONT_DOOR_PASSWORD}"),
        ("services: &a\n  x: *a\n", "framebus.yml:2: services.x: refers to itself"),
        ("data: !!python/name:os.system\n", "framebus.yml:1: data: is not readable; put it in quotes"),
        ("? [a]\n: b\n", "framebus.yml: file: line 1: a name is expected before the colon"),
        ("a: 1\n---\nb: 2\n", "framebus.yml:2: but found another document"),
        ("run: /tmp/" + 100 * "x" + "\n", "framebus.yml:1: run: /tmp/" + 100 * "x" + " is too long"),
    ],
)
def test_a_file_that_is_not_right_is_explained(folder: Path, text: str, problem: str) -> None:
    problems = problems_of(folder, text)

    assert problems[0].startswith(problem)


def test_a_missing_variable_is_told_together_with_other_problems(folder: Path) -> None:
    problems = problems_of(folder, "data: ${NO_SUCH}\ncameras: {a: {source: 'x://${NO_SUCH_EITHER}'}}\nnothing: 1\n")

    assert [problem.split(": ")[0] for problem in problems] == [f"framebus.yml:{line}" for line in (1, 2, 2, 3)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("data = 'a'\nrun = \n", "framebus.toml: Invalid value (at line 2, column 7)"),
        ("[hunter2]\n[hunter2]\n", "framebus.toml: Cannot declare (... (at line 2, column 9)"),
    ],
)
def test_broken_toml_is_told_with_its_line(folder: Path, text: str, problem: str) -> None:
    assert problems_of(folder, text, "framebus.toml") == [problem]


def test_a_file_that_is_not_there_is_one_problem(folder: Path) -> None:
    with pytest.raises(ConfigError) as error:
        load_settings(folder / "no.yml")

    assert error.value.problems == [f"{folder}/no.yml: there is no such file"]


@pytest.mark.parametrize(
    "source",
    [
        "exec:///bin/sh",
        "concat://a|b",
        "v4l2:///dev/sda",
        "rtsp://",
        "rtsp://user:p/ss@host/",
        "rtsp://host:99999/",
        "file://relative.mp4",
        "",
        "a\0b",
    ],
)
def test_a_source_that_cannot_be_one_is_refused(source: str) -> None:
    settings = Settings(cameras={"front": Camera(source=source)})

    assert len(check_sources(settings)) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"cameras: {{front: {{source: 'ftp://u:{CANARY}@host/'}}}}",
        f"cameras: {{front: {{source: 'rtsp://u:{CANARY}/x@host:port/'}}}}",
        f"cameras: {{front: {{source: '{CANARY}://x'}}}}",
        f"cameras: {{front: {{source: a, record: {{keep: {CANARY}}}}}}}",
        f"cameras: {{front: {{source: a, detect: {{fps: {CANARY}}}}}}}",
        f"cameras: {CANARY}",
        f"timezone: {CANARY}",
        f"services: {{export: {CANARY}}}",
        f"services: {{plugin: {CANARY}}}",
        f"jobs: {{transcribe: {CANARY}}}",
        f"data: ['rtsp://u:{CANARY}@host/'",
        f"cameras: {{front: {{source: *{CANARY}}}}}",
        f"cameras: {{front: {{source: !{CANARY} x}}}}",
        f"data: 'rtsp://u:{CANARY}@host/'x",
        f"rtsp://u:{CANARY}@host/: x",
        f'data: "\\q{CANARY}"',
    ],
)
def test_a_password_appears_in_no_problem(folder: Path, text: str) -> None:
    problems = problems_of(folder, text + "\n")

    assert CANARY not in "\n".join(problems)


@pytest.mark.parametrize("word", ["x" * 5_000, "a\\0b"])
def test_a_word_of_a_command_that_can_be_no_file_is_left_as_it_is(folder: Path, word: str) -> None:
    path = write(folder, f'services: {{counter: {{command: [python3, -c, "{word}"]}}}}\n')

    assert len(load_settings(path).services["counter"]["command"][2]) == len(word.replace("\\0", "0"))


def test_each_setting_has_its_line(folder: Path) -> None:
    document = read_document(write(folder, "a:\n  b:\n    - x\n    - y: 1\n"))

    assert document.lines == {"a": 1, "a.b": 2, "a.b[0]": 3, "a.b[1]": 4, "a.b[1].y": 4}


def warnings_of(folder: Path, text: str) -> list[str]:
    """What is allowed in this file and yet hardly meant, the folder left out."""
    return [one.replace(f"{folder}/", "") for one in ConfigFile(write(folder, text)).first.warnings]


def test_who_keeps_by_what_is_shown_while_nobody_looks_is_told_so(folder: Path) -> None:
    cameras = """cameras:
  front:
    source: synthetic://
    record:
      keep: {all: 2d, objects: 30d}
  back: {source: "synthetic://", record: {keep: 3d}}
"""
    told = "cameras.front.record.keep: enrich is off, so nobody knows what recordings show: all is kept for 30d"

    assert warnings_of(folder, f"{cameras}services: {{enrich: off}}\n") == [f"framebus.yml:5: {told}"]
    assert warnings_of(folder, cameras) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "cameras: {a: {source: b, record: {keep: {all: 2d, motion: 1d}}}}",
            "cameras.a.record.keep: motion: 1d is shor",
        ),
        ("cameras: {a: {source: b, record: {keep: {motion: 1d}}}}", "cameras.a.record.keep.all: is missing"),
        (
            "cameras: {a: {source: b, record: {keep: {all: 2}}}}",
            "cameras.a.record.keep.all: expected text, got a whole number",
        ),
        ("cameras: {a: {source: b, record: {keep: 7}}}", "cameras.a.record.keep: expected text, got a whole number"),
        ("recordings: {max: 800}", "recordings.max: expected text or nothing, got a whole number"),
        ("recordings: {max: 800 Gb}", "recordings.max: expected a number and MB, GB or TB, as in 800GB"),
        ("recordings: {max: 3MB}", "recordings: max: 3MB holds no recordings; give them at least 10MB"),
    ],
)
def test_what_is_wrong_with_how_long_or_how_much_is_kept_is_told_with_its_line(
    folder: Path, text: str, problem: str
) -> None:
    assert [one for one in problems_of(folder, text) if one.startswith(f"framebus.yml:1: {problem}")]


def test_what_is_hardly_meant_is_told_with_its_line_and_stops_nothing(folder: Path) -> None:
    (folder / "here.mp4").touch()

    warnings = warnings_of(
        folder,
        """cameras:
  front: {source: here.mp4, detect: {source: gone.mp4}}
  back:
    source: gone.mp4
  side: {source: "rtsp://10.0.0.5/1"}
services:
  good: {command: [python3, x.py]}
  wrong: {command: [no-such-program, x.py]}
  own: {command: [tool], env: {PATH: /nowhere}}
""",
    )

    assert warnings == [
        "framebus.yml:2: cameras.front.detect.source: there is no file gone.mp4 now",
        "framebus.yml:4: cameras.back.source: there is no file gone.mp4 now",
        "framebus.yml:8: services.wrong.command: there is no program no-such-program here",
        "framebus.yml:9: services.own.command: there is no program tool here",
    ]


def test_an_empty_file_is_said_to_be_empty(folder: Path) -> None:
    assert warnings_of(folder, "# nothing yet\n") == [
        "framebus.yml: is empty: a group without cameras; `framebus demo` shows one with a camera"
    ]


def test_one_name_for_two_services_is_refused_with_both_lines(folder: Path) -> None:
    text = "services:\n  one: {command: [x]}\n  one: {command: [y]}\n"

    with pytest.raises(ConfigError, match=r"framebus.yml:3: services.one: stands here for the second time.*line 2"):
        ConfigFile(write(folder, text))


def test_a_revision_is_that_of_the_content(folder: Path) -> None:
    path = write(folder, "timezone: Europe/Vienna\n")
    first = ConfigFile(path).first.revision

    write(folder, "timezone: Europe/Paris\n")
    second = ConfigFile(path).first.revision
    write(folder, "timezone: Europe/Vienna\n")

    assert ConfigFile(path).first.revision == first != second
    assert max(first, second) < 2**53


def test_a_kind_may_lose_its_last_row_but_must_have_one_at_first(folder: Path) -> None:
    path = write(folder, "cameras: {front: {source: 'synthetic://'}}\n")
    file = ConfigFile(path, kinds=["capture"])
    write(folder, "cameras: {}\n")

    assert [row.name for row in file.first.rows] == ["capture@front"]
    assert file.read().rows == []
    with pytest.raises(ConfigError, match="no such service; it has analysis, dispatcher"):
        ConfigFile(path, kinds=["capture"])


def test_a_file_that_cannot_be_replaced_is_left_as_it_is(folder: Path) -> None:
    path = write(folder, "timezone: Europe/Vienna\n")
    file = ConfigFile(path)

    with pytest.raises(RefusedError, match="has changed since") as refused:
        file.write("timezone: Europe/Paris\n", file.first.revision + 1)

    assert refused.value.code is ErrorCode.CONFLICT
    assert path.read_text() == "timezone: Europe/Vienna\n"
    assert [one.name for one in folder.iterdir()] == ["framebus.yml"]

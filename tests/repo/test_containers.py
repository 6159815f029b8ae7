"""The container files: what they promise, checked by reading them; there is no container engine in the tests."""

import fnmatch
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from examples.processes import Folder
from framebus.place import Place
from framebus.settings import Camera, Settings
from framebus_launcher.cli import make_app
from framebus_launcher.table import ON_WISH, make_table

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
WHOLE = SERVICES["framebus"]
KINDS = {name: found for name, found in SERVICES.items() if found.get("profiles") == ["apart"]}
WISHED = {name: found for name, found in SERVICES.items() if found.get("profiles") == [name]}
"""kinds that are there only where the configuration has settings for them"""
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def instructions(word: str) -> list[str]:
    """What follows an instruction of the Dockerfile, each time that it is given."""
    return re.findall(rf"^{word}\s+(.*)$", DOCKERFILE, re.MULTILINE)


def parse(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command and the parameters that `framebus WORDS` stands for, without running it; raises on a wrong word."""
    name, *rest = words
    commands: Any = typer.main.get_group(make_app()).commands
    with commands[name].make_context(name, rest) as context:
        return name, dict(context.params)


def mounts(name: str) -> dict[str, dict[str, Any]]:
    """The volumes of a service by where they are mounted."""
    return {volume["target"]: volume for volume in SERVICES[name]["volumes"]}


def here(folder: Folder, words: list[str]) -> list[str]:
    """A command line of a container with the places of a folder."""
    places = {"/config/framebus.yml": str(folder.path / "framebus.yml"), "/data": str(folder.data)}
    words = words if words[0] == "framebus" else ["framebus", *words]
    return [places.get(word, word) for word in words]


def test_a_wrong_word_on_a_command_line_is_found() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["up", "--onyl", "capture"])


# Every container ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_as_a_user_without_rights(name: str) -> None:
    found = SERVICES[name]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", found["user"])
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in found


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_writes_only_into_its_mounts(name: str) -> None:
    found = SERVICES[name]
    writable = {entry.partition(":")[0] for entry in found["tmpfs"]}
    writable |= {target for target, volume in mounts(name).items() if not volume.get("read_only")}

    assert found["read_only"] is True
    assert {"/tmp", "/data", "/run/framebus"} <= writable
    assert "/config" not in writable


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_comes_back_and_has_time_to_stop_in_good_order(name: str) -> None:
    found = SERVICES[name]

    assert found["restart"] == "unless-stopped"
    assert found["init"] is True
    assert int(found["stop_grace_period"].removesuffix("s")) > 8  # what the launcher takes


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_runs_our_image_and_no_other_of_that_name(name: str) -> None:
    found = SERVICES[name]

    assert (found["image"], found["build"], found["pull_policy"]) == ("framebus", ".", "build")


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_starts_the_group_with_the_mounted_configuration_and_data(name: str) -> None:
    command, given = parse(SERVICES[name]["command"])

    assert command == "up"
    assert (str(given["config"]), str(given["data"])) == ("/config/framebus.yml", "/data")
    assert given["plain"] is True
    assert mounts(name)["/config"]["source"] == "./config"
    assert mounts(name)["/data"]["source"] == "data"


@pytest.mark.parametrize("name", SERVICES)
def test_the_health_check_of_a_container_is_a_request_that_ends_before_its_timeout(name: str) -> None:
    check = SERVICES[name]["healthcheck"]

    how, program, *words = check["test"]
    command, given = parse(words)

    assert (how, program, command, given["method"]) == ("CMD", "framebus", "call", "ping")
    assert given["deadline"] < int(check["timeout"].removesuffix("s"))


# One container, by default --------------------------------------------------------------------------------------------


def test_without_a_profile_one_container_has_the_whole_group_with_room_for_its_rings() -> None:
    assert [name for name, found in SERVICES.items() if "profiles" not in found] == ["framebus"]
    assert not parse(WHOLE["command"])[1]["only"]
    assert int(WHOLE["shm_size"].removesuffix("m")) >= 256
    assert "network_mode" not in WHOLE


@pytest.mark.parametrize("name", ["framebus", "gateway"])
def test_the_page_is_for_this_machine_until_it_is_said_otherwise_and_links_name_no_container(name: str) -> None:
    found = SERVICES[name]

    assert found["ports"] == ["${FRAMEBUS_PUBLISH:-127.0.0.1:8480}:8480"]
    assert found["environment"]["FRAMEBUS_HTTP_BIND"] == "0.0.0.0"
    assert found["environment"]["FRAMEBUS_ADDRESS"] == "${FRAMEBUS_ADDRESS:-http://localhost:8480}"


def test_the_command_line_and_health_check_of_the_one_container_work_and_its_link_is_for_who_opens_it() -> None:
    with Folder() as folder:
        (folder.path / "framebus.yml").write_text("shm: shm\nhttp: {port: 0}\ncameras: {a: {source: 'synthetic://'}}\n")
        folder.environment |= {"FRAMEBUS_HTTP_BIND": "0.0.0.0", "FRAMEBUS_ADDRESS": "http://nas:8480"}

        group = folder.start(*here(folder, WHOLE["command"]))
        group.wait_for("services are ready")
        health = folder.start(*here(folder, WHOLE["healthcheck"]["test"][2:])).wait()
        link = folder.start("framebus", "link", "--role", "viewer")

        assert (health, link.wait(), group.stop()) == (0, 0, 0)
        assert link.said[0].startswith("http://nas:8480/#token=")
        assert any(
            line.endswith("page  http://nas:8480/  (framebus link prints a link that opens it)") for line in group.said
        )


# A container for each kind --------------------------------------------------------------------------------------------


def test_every_kind_of_the_table_has_one_container_of_its_own() -> None:
    settings = Settings(cameras={"front": Camera(source="synthetic://")})
    table = {row.kind for row in make_table(settings, Place.at(Path("/run/framebus")))}

    given = {name: list(parse(found["command"])[1]["only"]) for name, found in KINDS.items()}

    assert given == {kind: [kind] for kind in table}


def test_a_kind_that_is_not_there_unasked_has_a_container_that_its_own_profile_alone_starts() -> None:
    given = {name: list(parse(found["command"])[1]["only"]) for name, found in WISHED.items()}
    asked = {name: parse(found["healthcheck"]["test"][2:])[1]["service"] for name, found in WISHED.items()}

    assert given == {kind: [kind] for kind in ON_WISH}
    assert asked == {kind: kind for kind in ON_WISH}
    assert all(found["volumes"] == KINDS["dispatcher"]["volumes"] for found in WISHED.values())


def test_each_kind_is_asked_for_its_health_itself() -> None:
    asked = {name: parse(found["healthcheck"]["test"][2:])[1]["service"] for name, found in KINDS.items()}

    # A camera's process has the camera's name, which only framebus.yml knows: its launcher answers for it.
    assert asked == {name: name if name != "capture" else "launcher@capture" for name in KINDS}


def test_all_kinds_share_sockets_rings_and_data_at_the_same_places() -> None:
    volumes = [found["volumes"] for found in KINDS.values()]

    assert all(one == volumes[0] for one in volumes)
    shared = {volume["source"] for volume in volumes[0] if volume["type"] == "volume"}
    assert shared == set(COMPOSE["volumes"])


def test_rings_are_in_memory_for_our_user_alone_where_the_launcher_looks_for_them() -> None:
    options = COMPOSE["volumes"]["rings"]["driver_opts"]
    given = dict(option.split("=") for option in options["o"].split(","))
    ring_mount = next(one for one in KINDS["capture"]["volumes"] if one["source"] == "rings")

    assert (options["type"], options["device"]) == ("tmpfs", "tmpfs")
    assert f"{given['uid']}:{given['gid']}" == KINDS["capture"]["user"]
    assert given["mode"] == "0700"
    assert ring_mount["volume"] == {"nocopy": True}  # the image's /dev/shm would give it another owner
    assert Place.at(Path("/run/framebus")).shm.parent == Path(ring_mount["target"])


def test_only_capture_and_the_gateway_have_a_network() -> None:
    networks = {name: found["network_mode"] for name, found in KINDS.items()}

    assert networks == {name: "bridge" if name in ("capture", "gateway") else "none" for name in KINDS}


def test_a_sick_dispatcher_keeps_no_camera_from_recording() -> None:
    waits = {name: found.get("depends_on", []) for name, found in KINDS.items()}

    assert waits == {name: [] if name == "dispatcher" else ["dispatcher"] for name in KINDS}


def test_the_command_lines_of_all_containers_work_side_by_side_on_shared_folders() -> None:
    with Folder() as folder:
        (folder.path / "framebus.yml").write_text("shm: shm\ncameras: {front: {source: 'synthetic://'}}\n")

        launchers = [folder.start(*here(folder, found["command"])) for found in KINDS.values()]
        for launcher in launchers:
            launcher.wait_for("all 1 services are ready")
        checks = [folder.start(*here(folder, found["healthcheck"]["test"][2:])) for found in KINDS.values()]
        health = [check.wait() for check in checks]
        ends = [launcher.stop() for launcher in reversed(launchers)]

        assert health == [0] * len(KINDS)
        assert ends == [0] * len(KINDS)
        left = {path.name for path in folder.run.iterdir()} - {"http.port"}  # is kept where others have port 8480
        assert left == {"lock", *(f"lock.{name}" for name in KINDS)}


# The image ------------------------------------------------------------------------------------------------------------


def test_the_image_ends_as_a_user_without_rights_who_is_that_of_the_compose_files() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]

    (user,) = re.findall(r"^USER (\S+)$", last_stage, re.MULTILINE)

    assert {found["user"] for found in SERVICES.values()} == {user}
    uid, gid = user.split(":")
    assert f"--uid {uid} --gid {gid}" in last_stage


def test_the_image_installs_wheels_only() -> None:
    (install,) = [run for run in instructions("RUN") if "pip install" in run]

    assert "--only-binary :all:" in install
    assert '".[all]"' in install


def test_the_image_alone_runs_the_whole_group_and_knows_its_health() -> None:
    (entry,), (words,), (check,) = instructions("ENTRYPOINT"), instructions("CMD"), instructions("HEALTHCHECK")
    asked = json.loads(check.partition("CMD ")[2])

    assert json.loads(entry) == ["framebus"]
    assert json.loads(words) == WHOLE["command"]
    assert parse(json.loads(words))[0] == "up"
    assert asked[0] == "framebus"
    assert parse(asked[1:])[0] == "call"


def test_the_sockets_are_where_the_run_folder_is_mounted() -> None:
    settings = dict(word.split("=", 1) for line in instructions("ENV") for word in shlex.split(line))

    assert settings["FRAMEBUS_RUN"] == "/run/framebus"
    assert all("/run/framebus" in mounts(name) for name in KINDS)
    assert any(entry.startswith("/run/framebus:") for entry in WHOLE["tmpfs"])


def test_what_the_image_is_built_from_exists_and_is_not_ignored() -> None:
    copied = [word for line in instructions("COPY") if "--from" not in line for word in shlex.split(line)[:-1]]
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert [name for name in copied if is_ignored(name, ignored)] == []
    assert all(is_ignored(name, ignored) for name in (".git", ".venv", "tests", "config", "secrets.env", "data"))


def is_ignored(name: str, patterns: list[str]) -> bool:
    """Whether the last pattern that fits leaves this name out of the build."""
    fitting = [pattern for pattern in patterns if fnmatch.fnmatch(name, pattern.removeprefix("!"))]
    return bool(fitting) and not fitting[-1].startswith("!")


def test_the_image_has_all_that_the_build_reads() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    read = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"]}
    read |= {package.partition("/")[0] for package in packages}
    copied = {word for line in instructions("COPY") if "--from" not in line for word in shlex.split(line)[:-1]}

    assert copied == read


def test_the_dockerfile_tells_of_the_licence_of_the_encoders() -> None:
    assert "GPL" in DOCKERFILE

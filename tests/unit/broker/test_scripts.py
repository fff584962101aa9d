import re
from importlib.resources import files

import pytest

from scalr_tasks.broker import keys, records
from scalr_tasks.broker.scripts import script

LUA = files("scalr_tasks.broker") / "lua"
COMMANDS = sorted(entry.name.removesuffix(".lua") for entry in LUA.iterdir() if entry.name.endswith(".lua"))
PARTS = sorted(entry.name for entry in (LUA / "parts").iterdir())


def own_text(name: str) -> str:
    return (LUA / f"{name}.lua").read_text(encoding="utf-8")


def without_comments(text: str) -> str:
    return re.sub(r"--[^\n]*", "", text)


def test_the_scripts_build_keys_with_the_prefixes_of_the_key_file() -> None:
    in_lua = dict(
        re.findall(r"^local ([A-Z_]+) = '([^']+)'$", (LUA / "parts" / "keys.lua").read_text("utf-8"), re.MULTILINE)
    )
    in_python = {name: value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)}

    assert in_lua == in_python


@pytest.mark.parametrize("text", [*(own_text(name) for name in COMMANDS)], ids=COMMANDS)
def test_no_command_spells_a_key_itself(text: str) -> None:
    assert not re.search(r"['\"](arq|scalr):", without_comments(text))


def test_the_fields_of_records_are_those_of_the_scripts() -> None:
    dead = re.search(r"DEAD_FIELDS = \{(.*?)\}", (LUA / "parts" / "dead.lua").read_text("utf-8"), re.DOTALL)
    parked = re.search(r"fields = \{(.*?)\}", own_text("list_parked"), re.DOTALL)

    assert dead is not None
    assert parked is not None
    assert tuple(re.findall(r"'(\w+)'", dead[1])) == records.DEAD_FIELDS
    assert (*re.findall(r"'(\w+)'", parked[1]), "payload") == records.PARKED_FIELDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_header_of_a_command_is_its_contract(name: str) -> None:
    header = own_text(name).partition("\n\n")[0]
    body = without_comments(own_text(name))

    assert header.startswith(f"-- {name}.lua: ")
    assert "-- returns  " in header
    for given in ("KEYS", "ARGV"):
        assert (given in body) == (f"-- {given}[1" in header), given


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_declares_every_part_it_needs_and_no_other(name: str) -> None:
    declared = re.findall(r"[a-z]+", (re.search(r"^-- uses: (.*)$", own_text(name), re.MULTILINE) or ["", ""])[1])
    parts = {part.removesuffix(".lua"): without_comments((LUA / "parts" / part).read_text("utf-8")) for part in PARTS}
    offered = {part: set(re.findall(r"^local (?:function )?(\w+)", text, re.MULTILINE)) for part, text in parts.items()}
    own = without_comments(own_text(name))

    unused = [
        part
        for part in declared
        if not offered[part] & words(own + "".join(parts[each] for each in declared if each != part))
    ]
    used = words(own + "".join(parts[part] for part in declared))
    missing = [part for part in set(parts) - set(declared) if offered[part] & used - local_names(own)]

    assert (unused, missing) == ([], [])


def words(text: str) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w+", text))


def local_names(text: str) -> set[str]:
    return {name for names in re.findall(r"local (?:function )?([\w, ]+)", text) for name in re.findall(r"\w+", names)}


def test_a_script_is_its_parts_and_its_own_text() -> None:
    text = script("enqueue").text

    assert text.startswith((LUA / "parts" / "keys.lua").read_text("utf-8"))
    assert text.endswith(own_text("enqueue"))
    assert len(script("enqueue").sha) == 40


def test_no_script_concatenates_a_number_of_milliseconds() -> None:
    for name in COMMANDS:
        assert not re.search(r"\.\. (now|due|score)\b", without_comments(own_text(name))), name

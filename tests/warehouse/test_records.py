"""The folder of builds: which builds are kept, what is known of each, what a sweep leaves."""

from pathlib import Path

import pytest

from warehouse.errors import NoBuildError, ShieldError
from warehouse.files import FETCH, hold_lock, replace_text
from warehouse.pointer import LINK, POINTER, PublishedBuild, move_pointer, read_record, render_pointer
from warehouse.records import (
    find_build,
    find_earlier,
    find_record,
    list_builds,
    list_refused,
    name_build,
    name_id,
    name_record,
)
from warehouse.sweep import prune_builds, sweep_leftovers


def describe(build_id: str, sha256: str = "") -> PublishedBuild:
    """Return what a pointer to such a build says."""
    return PublishedBuild(build_id, name_build(build_id), sha256, "", "", "files", is_synthetic=False)


def lay(builds: Path, *ids: str, begun: str = "", current: str = "") -> Path:
    """Lay empty builds with their records into a folder, `begun` with a partial one, and a pointer."""
    for build_id in (*ids, *filter(None, [begun])):
        (builds / name_build(build_id)).touch()
        ending = ".partial" if build_id == begun else ""
        text = render_pointer(describe(build_id, "of the record"))
        (builds / f"{name_record(build_id)}{ending}").write_text(text)
    if current:
        move_pointer(builds, describe(current, "of the pointer"))
    return builds


def list_ids(builds: Path) -> str:
    """Return the ids of the kept builds, one letter each."""
    return "".join(path.stem.removeprefix("warehouse-") for path in list_builds(builds))


@pytest.mark.parametrize(("current", "kept"), [("", "ab"), ("b", "ab"), ("c", "abc")])
def test_build_with_a_partial_record_is_kept_only_if_the_pointer_names_it(
    tmp_path: Path, current: str, kept: str
) -> None:
    lay(tmp_path, "b", "a", begun="c", current=current)
    assert list_ids(tmp_path) == kept
    sweep_leftovers(tmp_path)
    assert list_ids(tmp_path) == kept
    records = {name_record(build_id) for build_id in kept}
    assert {path.name for path in tmp_path.glob("warehouse-*.json*")} == records
    assert (tmp_path / LINK).is_symlink() == bool(current)


def test_the_newest_the_published_and_the_last_refused_build_are_kept(tmp_path: Path) -> None:
    lay(tmp_path, *"abcdef", current="b")
    for build_id in "rst":
        (tmp_path / f"{name_build(build_id)}.refused").touch()
    sweep_leftovers(tmp_path)
    assert list_ids(tmp_path) == "abcdef"
    prune_builds(tmp_path, 3, 2)
    assert list_ids(tmp_path) == "bdef"
    assert {path.name for path in tmp_path.glob("*.json")} == {POINTER, *map(name_record, "bdef")}
    assert {name_id(path) for path in list_refused(tmp_path)} == set("st")
    assert (tmp_path / LINK).readlink() == Path(name_build("b"))
    move_pointer(tmp_path, describe("e"))
    sweep_leftovers(tmp_path)
    prune_builds(tmp_path, 3, 0)
    assert list_ids(tmp_path) == "def"
    assert list_refused(tmp_path) == []
    assert (tmp_path / LINK).readlink() == Path(name_build("e"))


def test_without_a_pointer_no_build_goes(tmp_path: Path) -> None:
    lay(tmp_path, *"abcdef")
    sweep_leftovers(tmp_path)
    prune_builds(tmp_path, 3, 1)
    assert list_ids(tmp_path) == "abcdef"


def test_build_is_found_by_its_id_or_those_there_are_are_named(tmp_path: Path) -> None:
    lay(tmp_path, "a", "b")
    refused = tmp_path / f"{name_build('r')}.refused"
    refused.touch()
    assert find_build(tmp_path, "a") == tmp_path / name_build("a")
    assert find_build(tmp_path, "r") == refused
    with pytest.raises(ShieldError, match=r"no build x in .*; there are: a, b, r$"):
        find_build(tmp_path, "x")


def test_earlier_build_is_the_last_one_before_the_published(tmp_path: Path) -> None:
    lay(tmp_path, *"abc", current="c")
    assert find_earlier(tmp_path) == tmp_path / name_build("b")
    move_pointer(tmp_path, describe("a"))
    with pytest.raises(ShieldError, match="holds no build before a"):
        find_earlier(tmp_path)


def test_pointer_speaks_for_the_published_build_and_its_record_for_any_other(tmp_path: Path) -> None:
    lay(tmp_path, *"ab", current="b")
    assert find_record(tmp_path / name_build("b")) == describe("b", "of the pointer")
    assert find_record(tmp_path / name_build("a")) == describe("a", "of the record")
    (tmp_path / name_record("a")).unlink()
    with pytest.raises(NoBuildError, match=r"warehouse-a\.duckdb has no record: expected"):
        find_record(tmp_path / name_build("a"))


def test_record_holds_its_facts_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    text = render_pointer(describe("a"))
    path.write_text(text)
    assert read_record(path) == describe("a")
    for wrong, told in {
        text.replace('"a"', '"a", "mood": "good"', 1): "mood: .*, found 'good'",
        text.replace("warehouse-a", "../warehouse-a"): r"file: .*, found '\.\./warehouse-a\.duckdb'",
        text.replace("false", '"no"'): "is_synthetic: .*, found 'no'",
        "[]": "is not a pointer to a build: [^:]*, found",
    }.items():
        path.write_text(wrong)
        with pytest.raises(NoBuildError, match=told):
            read_record(path)


def test_lock_makes_its_folder_and_keeps_one_holder_in_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with hold_lock(folder, FETCH):
        pass
    (folder / ".fetch.lock").write_text("x" * 1000)
    with hold_lock(folder, FETCH):
        assert (folder / ".fetch.lock").read_text().startswith("process ")


def test_replaced_text_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for text in ("old", "new"):
        replace_text(path, text)
        assert path.read_text() == text
        assert list(tmp_path.iterdir()) == [path]

"""What health tells of a folder of builds that is not as it should be."""

from pathlib import Path

from werkzeug.test import TestResponse

from serve.app import Service, create_app
from serve.current_build import EXTENSION
from tests.serve.builds import copy_builds
from warehouse.pointer import LINK, POINTER, move_link, read_pointer


def ask_now(app: Service, path: str) -> TestResponse:
    """Follow the pointer and return what is answered."""
    app.extensions[EXTENSION].follow()
    return app.test_client().get(path)


def test_metric_tells_of_a_build_that_cannot_be_loaded(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path)
    app = create_app(builds)
    good = (builds / POINTER).read_text()
    for text, gauge in ((good, 0), ("not a pointer", 1), (good, 0)):
        (builds / POINTER).write_text(text)
        assert f"\natlshield_reload_failed {gauge}.0\n" in ask_now(app, "/metrics").text


def test_link_that_leads_to_another_build_is_told(published: Path, tmp_path: Path) -> None:
    builds = copy_builds(published, tmp_path)
    app, served = create_app(builds), read_pointer(builds)
    link = builds / LINK
    for found, told in (
        ("warehouse-x.duckdb", "nothing"),
        ("note.duckdb", "note.duckdb"),
        (LINK, "nothing"),
    ):
        (builds / "note.duckdb").touch()
        link.unlink()
        link.symlink_to(found)
        ready = ask_now(app, "/readyz").get_json()
        assert ready["link_error"] == f"{LINK} leads to {told}, not to {served.file}"
        assert (ready["status"], ready["build_id"]) == ("ok", served.build_id)
    link.unlink()
    assert f"{LINK} leads to nothing" in ask_now(app, "/readyz").get_json()["link_error"]
    move_link(builds, served)
    assert ask_now(app, "/readyz").get_json()["link_error"] is None

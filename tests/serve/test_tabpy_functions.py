"""TabPy's functions: what the service itself answers, for one request a call, or one clear error."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serve import tabpy_functions
from serve.app import Service, create_app
from serve.current_build import EXTENSION
from serve.evaluate import FUNCTIONS, call
from serve.tabpy_functions import KEY_VARIABLE, MAX_LOOKUPS, predict_hourly_crime
from tests.serve.builds import copy_builds, publish_changed
from tests.serve.counted_api import CountedApi, run_counted
from warehouse.operation import Operation

KEY = "0123456789abcdef"

CALLS: list[tuple[str, list[Any], int]] = [
    ("predict_hourly_crime", [[], [], []], 0),
    ("predict_hourly_crime", [["Downtown"], [7], [20]], 1),
    ("predict_hourly_crime", ["Downtown", 7.0, 20], 1),
    ("predict_hourly_crime", [["Downtown", "Midtown", "Nowhere", None, "Downtown"], [7.0], [20] * 5], 1),
    ("predict_hourly_crime", [["Downtown"] * 300, [*range(1, 13)] * 25, [*range(20)] * 15], 1),
    ("predict_hourly_crime", [["Downtown"], [None, 0, 7.5, float("nan")], [20]], 0),
    ("suggest_patrol", [["downtown ", 'Quo"te', "C:D", "é\\u00e9", "\ud800", "x" * 300], [7], [20]], 1),
    ("average_daily_crime", [["Downtown", None, "*"], [7, 7, 8]], 1),
    ("average_daily_crime", [[None], [7, 8, 9]], 0),
    ("add_forecast", [{"Neighborhood": ["Downtown", None], "month": [7, 8], "hour": [1, 2]}], 1),
    ("add_forecast", [{"Neighborhood": ["Downtown", None], "MONTH": [7, 8]}], 1),
]  # fmt: skip
"""Functions with arguments, and how many requests such a call makes."""


@pytest.fixture(scope="module")
def keyed(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """A service over a copy of the build, that asks for a key."""
    builds = copy_builds(published, tmp_path_factory.mktemp("keyed"))
    return create_app(Operation(builds=builds, api_keys=(KEY,)))


@pytest.fixture
def api(keyed: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountedApi]:
    """The API that the functions ask, and know nothing of yet."""
    monkeypatch.setattr(tabpy_functions, "STATE", {"kept": (None, {})})
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with run_counted(keyed) as counted:
        monkeypatch.setattr(tabpy_functions, "API", counted.address)
        yield counted


def read_lookups(body: bytes) -> list[dict[str, Any]]:
    """Return the lookups of a request."""
    found: list[dict[str, Any]] = json.loads(body)["lookups"]
    return found


@pytest.mark.parametrize(("name", "arguments", "requests"), CALLS)
def test_function_gives_what_the_service_gives_for_one_request(
    api: CountedApi, keyed: Service, name: str, arguments: list[Any], requests: int
) -> None:
    with keyed.test_request_context():
        expected = call(name, arguments)
    for _ in range(3):
        assert FUNCTIONS[name](*arguments) == expected
        bodies = api.take_bodies()
        assert len(bodies) == requests
        for lookups in map(read_lookups, bodies):
            assert len({json.dumps(lookup) for lookup in lookups}) == len(lookups) > 0


def test_answers_that_are_kept_are_not_sent_again(api: CountedApi) -> None:
    first = predict_hourly_crime(["Downtown"], [7], [20, 21])
    assert predict_hourly_crime(["Downtown"], [7], [21]) == first[1:]
    more = predict_hourly_crime(["Downtown"], [7], [21, 22])
    assert more[0] == first[1] and None not in more
    bodies = [json.loads(body) for body in api.take_bodies()]
    assert [bool(body.get("known_build")) for body in bodies] == [False, True, False]


def test_new_build_shows_at_once_and_costs_one_request(api: CountedApi, keyed: Service) -> None:
    before = predict_hourly_crime(["Downtown", "Midtown"], [7], [20])
    current = keyed.extensions[EXTENSION]
    change = "UPDATE mart_forecast_hourly SET expected_crimes = expected_crimes + 1"
    publish_changed(current.builds, "20990101T000000000000Z", change)
    current.follow()
    api.take_bodies()
    after = predict_hourly_crime(["Downtown", "Midtown"], [7], [20])
    assert after == pytest.approx([value + 1 for value in before])
    assert len(api.take_bodies()) == 1
    assert tabpy_functions.STATE["kept"][0] == "20990101T000000000000Z"


def list_all(api: CountedApi, count: int) -> list[list[Any]]:
    """Return so many distinct lookups of known neighborhoods, as columns."""
    names = sorted(set(api.app.extensions[EXTENSION].get().answers.names.values()))
    rows = [(name, month, hour) for hour in range(24) for month in range(1, 13) for name in names]
    return [list(column) for column in zip(*rows[:count], strict=True)]


def call_directly(app: Service, *arguments: Any) -> Any:  # noqa: ANN401  # JSON
    """Return what the service itself gives for hours."""
    with app.test_request_context():
        return call("predict_hourly_crime", [*arguments])


def test_more_than_two_thousand_lookups_go_in_parts(api: CountedApi, keyed: Service) -> None:
    arguments = list_all(api, 2 * MAX_LOOKUPS + 1)
    expected: list[Any] = call_directly(keyed, *arguments)
    assert FUNCTIONS["predict_hourly_crime"](*arguments) == expected
    sizes = [len(read_lookups(body)) for body in api.take_bodies()]
    assert sizes == [MAX_LOOKUPS, MAX_LOOKUPS, 1]
    assert FUNCTIONS["predict_hourly_crime"](*arguments) == expected
    assert len(api.take_bodies()) == 1  # all are kept
    fewer = [column[:MAX_LOOKUPS] for column in arguments]
    assert FUNCTIONS["predict_hourly_crime"](*fewer) == expected[:MAX_LOOKUPS]
    assert len(api.take_bodies()) == 1


def test_names_of_any_length_fit_into_requests(api: CountedApi) -> None:
    names = [f"{number:04d}" + character * 196 for character in 'é"\x01' for number in range(700)]
    assert predict_hourly_crime([*names, "Downtown"], [7], [20])[-1] > 0
    assert max(map(len, api.take_bodies())) < 256 * 1024


def test_call_in_parts_has_all_from_one_build(
    api: CountedApi, keyed: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabpy_functions, "MAX_LOOKUPS", 2)
    current, post = keyed.extensions[EXTENSION], tabpy_functions.post
    asked = []

    def publish_after_the_first(*arguments: Any) -> Any:  # noqa: ANN401
        answer = post(*arguments)
        asked.append(arguments)
        if len(asked) == 1:
            change = "UPDATE mart_forecast_hourly SET expected_crimes = expected_crimes + 1"
            publish_changed(current.builds, "20990102T000000000000Z", change)
            current.follow()
        return answer

    monkeypatch.setattr(tabpy_functions, "post", publish_after_the_first)
    found = predict_hourly_crime(["Downtown"], [7], [1, 2, 3])
    assert found == call_directly(keyed, ["Downtown"], [7], [1, 2, 3])
    assert len(asked) == 4


def test_what_is_kept_has_a_bound(api: CountedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tabpy_functions, "MAX_CACHED", 3)
    for hours in ([1, 2], [2, 3], [3, 4], [4]):
        assert None not in predict_hourly_crime(["Downtown"], [7], hours)
        assert len(tabpy_functions.STATE["kept"][1]) <= 3


@pytest.mark.parametrize("fault", ["down", "slow", "endless", "no key", "no JSON"])
def test_api_that_does_not_answer_is_one_clear_error(
    api: CountedApi, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    if fault == "slow":
        monkeypatch.setattr(tabpy_functions, "READ_SECONDS", 0.3)
        api.hangs = True
    if fault == "down":
        api.stop()
    if fault == "endless":
        monkeypatch.setattr(tabpy_functions, "MAX_SECONDS", -1)
    if fault == "no key":
        monkeypatch.setenv(KEY_VARIABLE, "another key that is long")
    if fault == "no JSON":
        monkeypatch.setattr(tabpy_functions, "API", api.address + "/docs?x=")
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"^ATLShield's API at http://127\.0\.0\.1:\d+") as caught:
        predict_hourly_crime(["Downtown"], [7], [20])
    assert time.monotonic() - began < 15
    words = {"down": "cannot be reached (ConnectionError)", "slow": "no answer within 2 + 0.3 s",
             "endless": "no answer within -1 s",
             "no key": "answered 401", "no JSON": "answered 4"}  # fmt: skip
    assert words[fault] in str(caught.value)
    assert "that is long" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("key", ["line\nbreak 0123456789", "é-0123456789abcdef"])
def test_key_that_no_header_can_hold_is_not_told(
    api: CountedApi, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(RuntimeError, match=r"InvalidHeader|answered 401") as caught:
        predict_hourly_crime(["Downtown"], [7], [20])
    assert "0123456789" not in str(caught.value)

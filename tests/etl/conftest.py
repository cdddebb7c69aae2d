"""What tests of `etl/` share: the real files, cleaned once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.city import City
from etl.clean import CleanSummary, clean_files
from warehouse.build import Build, open_build


@pytest.fixture(scope="session")
def real_build(
    tmp_path_factory: pytest.TempPathFactory, city: City, real_data: Path
) -> Iterator[tuple[Build, CleanSummary]]:
    """A build cleaned from all real files of incidents, and its summary; do not change it."""
    raw = [*real_data.glob("cobra_*.csv.gz"), real_data / "apd_nibrs_sample_2021_2023.csv.gz"]
    with open_build("test", tmp_path_factory.mktemp("real") / "b.duckdb") as build:
        yield build, clean_files(build, sorted(raw), city)

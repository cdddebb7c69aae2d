"""Report numbers for files that have none.

Input: `staged` with a hash of each whole row of such a file. Output: a number made from what is
published anyway: date, offense, neighborhood, coordinates to 3 decimals. No number holds, or hashes,
an address or an exact coordinate: the hash of the row only distinguishes rows, and stays in `staged`.
"""

import duckdb

from etl.raw_file import RawFile

KEY = """
    coalesce(strftime(occurred, '%Y%m%d'), 'undated') || '-' || left(md5(concat_ws('|',
        coalesce(occurred::VARCHAR, ''), coalesce(nibrs_code, ''), coalesce(neighborhood, ''),
        coalesce(round(latitude, 3)::VARCHAR, ''), coalesce(round(longitude, 3)::VARCHAR, ''))), 12)
"""


def number_reports(connection: duckdb.DuckDBPyConnection, file: RawFile) -> None:
    """Give each row of a file without report numbers one that stays the same when rows are added.

    Rows that are alike in what is published are counted in the order of the file; rows that are alike
    in every column get the same number, so that they are duplicates.
    """
    if file.has("report_number"):
        return
    connection.execute(f"""
        WITH keyed AS (
            SELECT row_id, row_hash, {KEY} AS key FROM staged WHERE file_number = {file.number}
        ), placed AS (
            SELECT row_id, key, min(row_id) OVER (PARTITION BY key, row_hash) AS first_row FROM keyed
        ), made AS (
            SELECT row_id,
                   key || '-' || dense_rank() OVER (PARTITION BY key ORDER BY first_row) AS number
            FROM placed
        )
        UPDATE staged SET report_number = number FROM made WHERE staged.row_id = made.row_id""")

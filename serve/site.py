"""The pages that there are: whoever registers the blueprint has all of them.

Input: the files of pages, which add their routes when they are imported. Output: `blueprint`.
"""

from serve import (
    account_page,
    city_page,
    compare_page,
    data_page,
    glossary,
    neighborhood_page,
    pages,
    plan_page,
    quality_page,
)

PAGES = (
    city_page,
    neighborhood_page,
    plan_page,
    quality_page,
    account_page,
    data_page,
    compare_page,
    glossary,
)

blueprint = pages.blueprint

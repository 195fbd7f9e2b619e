"""metrics_add: buckets of a row and of what is added, place by place."""

from __future__ import annotations

import pytest

from audit.database import rows

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(
    ("before", "added", "after"),
    [
        ([1, 2, 3], [10, 0, 2**61], [11, 2, 2**61 + 3]),
        ([1, 2], [1, 1, 5], [2, 3, 5]),  # a new edge came since the row was made
        ([1, 2, 3], [4], [5, 2, 3]),
        (None, [1, 2], [1, 2]),
        ([1, 2], None, [1, 2]),
        (None, None, None),
    ],
)
def test_buckets_are_added_place_by_place(
    before: list[int] | None, added: list[int] | None, after: list[int] | None
) -> None:
    ((found,),) = rows("SELECT metrics_add(%s::bigint[], %s::bigint[])", (before, added))

    assert found == after

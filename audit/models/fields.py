"""A SHA-256 as the rows keep it: bytes in Postgres, hexadecimal digits in Python."""

from __future__ import annotations

from typing import Any, TypeAlias

from django.db import models

HexHash: TypeAlias = str
"""A SHA-256 in 64 lower-case hexadecimal digits."""


class HashField(models.BinaryField):  # type: ignore[type-arg]  # stubs give it no parameters at run time
    """32 bytes in Postgres, 64 hexadecimal digits in Python and in addresses."""

    def from_db_value(self, value: bytes | None, *_: object) -> HexHash | None:
        """Return the column's bytes in hex."""
        return None if value is None else bytes(value).hex()

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Turn hex back into bytes for a query."""
        return super().get_db_prep_value(self.to_python(value), connection, prepared)

    def to_python(self, value: Any) -> Any:
        """Accept hex or bytes; raise ValueError for hex that is none."""
        return bytes.fromhex(value) if isinstance(value, str) else value

    def value_to_string(self, obj: models.Model) -> str:
        """Return the hex that serialisers write."""
        return str(self.value_from_object(obj))

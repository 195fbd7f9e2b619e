"""Make the table that counts attempts to log in."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models
from django.db.migrations.operations.base import Operation


class Migration(migrations.Migration):
    """The table of attempts; it holds no evidence and may be emptied at any time."""

    initial = True
    operations: ClassVar[list[Operation]] = [
        migrations.CreateModel(
            name="LogInAttempts",
            fields=[
                ("who", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("attempts", models.IntegerField()),
                ("first_at", models.DateTimeField(db_index=True)),
            ],
        ),
    ]

"""What tests of PDFs share: a report that is made once, and what a PDF's pages say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from compliance.renderers.blocks import Column, Document, Section, Table
from compliance.renderers.document import document_of
from compliance.renderers.fitting import BREAK
from compliance.renderers.pdf import render_pdf
from compliance.report_content import Family
from tests.audit.pdf_text import pdf_text
from tests.compliance.report_samples import small_content

ROOT = Path(__file__).parents[2]
FAMILIES: tuple[Family, ...] = ("soc2", "hipaa", "gdpr", "other")


def pages(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


@cache
def a_report(family: Family = "soc2") -> bytes:
    """Return the PDF of a small report; the tests that only read it share it."""
    return render_pdf(small_content(family))


@cache
def said_in(family: Family = "soc2") -> str:
    """Return all text of that report, which takes longer to read than to set."""
    return pdf_text(a_report(family))


def squeezed(text: str) -> str:
    """Return text without blanks: lines break where the page wants it."""
    return "".join(text.replace(BREAK, "").split())


def a_table(rows: int, columns: int = 8) -> Table:
    return Table(
        title=f"{rows} rows",
        columns=tuple(Column(title=f"Column {at}") for at in range(columns)),
        rows=tuple(tuple(f"cell {at} of {row}" for at in range(columns)) for row in range(rows)),
    )


def a_document(*sections: Section) -> Document:
    return replace(document_of(small_content()), sections=sections)


def run(code: str, **env: str) -> str:
    """Return what Python prints in a process of its own, with other surroundings."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=os.environ | env,
        text=True,
        timeout=300,
    )
    return done.stdout.strip()


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on this machine: apt-get install poppler-utils qpdf")
    return found

"""Put a report's content into a document: cover and sections in the order an auditor reads. Pure.

    1 about        what it is and is not            integrity_section.py
    2 integrity    what proves the record whole
    3 scope        agents, systems, vendors         scope_section.py
    4 result       four numbers, cap, comparison    result_section.py
    5 controls     the matrix
    6 tests        tests and results                tests_section.py
    7 exceptions   what failed, is open, was open   exceptions_section.py
      law          what a law asks to be shown      law_sections.py, HIPAA and GDPR alone
    8 waivers      and looser limits                acts_section.py
    9 statements   and nil returns
   10 samples      work papers                      samples_section.py
   11 population   where the figures come from      population_section.py
   12 changes      and subsequent events            changes_section.py
   13 log access   who viewed or exported
   14 appendix     hashes, commands, words          appendix_section.py

Says nothing that is not in the content. How numbers and days are written: written.py; how results
are worded: result_words.py. Who sets it: pdf.py, html.py, executive.py.
"""

from __future__ import annotations

from compliance.renderers.acts_section import statements_section, waivers_section
from compliance.renderers.appendix_section import appendix_section
from compliance.renderers.blocks import Document
from compliance.renderers.changes_section import changes_section, log_access_section
from compliance.renderers.cover import digest_of, document_with
from compliance.renderers.exceptions_section import exceptions_section
from compliance.renderers.executive_page import executive_page
from compliance.renderers.integrity_section import about_section, integrity_section
from compliance.renderers.law_sections import law_sections
from compliance.renderers.population_section import population_section
from compliance.renderers.result_section import controls_section, result_section
from compliance.renderers.samples_section import samples_section
from compliance.renderers.scope_section import scope_section
from compliance.renderers.tests_section import tests_section
from compliance.report_content import ReportContent


def document_of(content: ReportContent) -> Document:
    """Return the whole report; the same content gives the same document."""
    digest = digest_of(content)
    sections = (
        about_section(content),
        integrity_section(content),
        scope_section(content),
        result_section(content),
        controls_section(content),
        tests_section(content),
        exceptions_section(content),
        *law_sections(content),
        waivers_section(content),
        statements_section(content),
        samples_section(content),
        population_section(content),
        changes_section(content),
        log_access_section(content),
        appendix_section(content, digest=digest),
    )
    return document_with(content, sections, digest=digest)


def executive_of(content: ReportContent) -> Document:
    """Return the executive page: sections that fit one A4 under the four numbers."""
    return executive_page(content)

"""Write what failed, what is open, and what became of what failed before. Pure.

Deviations by test with management's response beside them (findings), items not decided yet with
their due days, and the exceptions of the period before. What a page cannot hold is in the annex.
"""

from __future__ import annotations

from collections import Counter

from compliance.renderers import written
from compliance.renderers.blocks import (
    Block,
    Column,
    Heading,
    Notice,
    Paragraph,
    Section,
    Table,
)
from compliance.renderers.charts import deviations_by_check
from compliance.report_content import (
    ITEMS,
    Deviation,
    Exceptions,
    FindingLine,
    Pending,
    PendingItem,
    ReportContent,
)

DAY_ONLY = -1
"""The seq of an item that is about a day or a bucket, and about no single entry."""


def exceptions_section(content: ReportContent) -> Section:
    """Return the deviations, the findings, what is pending, and the period before."""
    chart = deviations_by_check(content)
    blocks: list[Block] = [
        Paragraph(text=_summary(content)),
        *([] if chart is None else [chart]),
    ]
    titles = {one.lens: one.title for one in content.checks}
    uses = Counter(one.check for one in content.exceptions)
    if content.exceptions:
        blocks.append(Heading(text="Failing items, test by test"))
    for one in content.exceptions:
        name = one.check if uses[one.check] == 1 else f"{one.check} for {_controls(one)}"
        blocks += _of_lens(one, name, titles.get(one.lens, one.check))
    blocks += [
        Heading(text="Findings and management's response"),
        findings_table(content),
        Heading(text="Pending items"),
        *_pending(content),
        Heading(text="Exceptions of the period before, and where they stand"),
        *_before(content),
    ]
    return Section(id="exceptions", title="Exceptions", blocks=tuple(blocks), is_wide=True)


def findings_table(content: ReportContent) -> Table:
    """Return the findings that stood open in the period, with owner, due day and retest."""
    return Table(
        title="Findings that stood open in the period",
        columns=(
            Column(title="Finding", share=4),
            Column(title="Control", share=2, look="code"),
            Column(title="Test and item", share=3, look="code"),
            Column(title="Severity", share=2),
            Column(title="Owner", share=3),
            Column(title="Due", share=2, look="time"),
            Column(title="Management's response", share=5),
            Column(title="Opened (entry)", share=3),
            Column(title="Closed after retest (entry)", share=3),
        ),
        rows=tuple(_finding(one) for one in content.findings),
        empty="No finding stood open in the period.",
    )


def _summary(content: ReportContent) -> str:
    total = sum(one.total for one in content.exceptions)
    if not total:
        return (
            "No item of any test failed in the period. "
            f"{_pending_words(content)} Tests without evidence stand under Tests and results."
        )
    waived = sum(one.waived for one in content.exceptions)
    waived_words = f", {written.number(waived)} of them waived" if waived else ""
    tests = written.many(len(content.exceptions), "test")
    return (
        f"{written.many(total, 'item')} failed in {tests}{waived_words}. A test that serves "
        f"several controls is counted once. {_pending_words(content)} Failing, waived and pending "
        f"items are rows of the annex {ITEMS}."
    )


def _pending_words(content: ReportContent) -> str:
    total = content.pending.total
    return f"{written.many(total, 'item')} {'is' if total == 1 else 'are'} pending."


def _controls(one: Exceptions) -> str:
    return written.listed(one.controls, most=24)


def _serves(one: Exceptions) -> str:
    if one.controls:
        return f"Controls: {_controls(one)}."
    return "No control rests on it; it is looked at because the result of another test does."


def _in_order(one: Deviation) -> tuple[str, int, str]:
    """Return the place of a failing item: ids are texts, of which 12 stands before 9."""
    return one.day, one.seq, one.item


def _of_lens(one: Exceptions, name: str, title: str) -> list[Block]:
    waived = f", {written.number(one.waived)} of them waived" if one.waived else ""
    return [
        Heading(text=f"{name}: {title}", level=3),
        Paragraph(text=f"{written.many(one.total, 'failing item')}{waived}. {_serves(one)}"),
        Table(
            title=f"Failing items of {name}",
            columns=(
                Column(title="Entry", share=2, look="number"),
                Column(title="Id of the entry", share=4, look="code"),
                Column(title="Time (UTC)", share=4, look="time"),
                Column(title="Actor", share=3),
                Column(title="Agent", share=3),
                Column(title="Action", share=3, look="code"),
                Column(title="What failed", share=6),
                Column(title="Follow-up", share=4),
            ),
            rows=tuple(_deviation(each) for each in sorted(one.listed, key=_in_order)),
            empty="Its items are not kept by themselves.",
            more=written.rest(len(one.listed), one.total, ITEMS),
        ),
    ]


def _deviation(one: Deviation) -> tuple[str, ...]:
    if one.seq == DAY_ONLY:
        entry, when = written.NONE, _of_day(one)
    else:
        entry, when = written.number(one.seq), written.moment(one.occurred_at)
    return (
        entry,
        one.entry_id or written.NONE,
        when,
        one.actor or written.NONE,
        one.agent or written.NONE,
        one.action or written.NONE,
        written.sentence(one.why),
        _covered(one),
    )


def _of_day(one: Deviation) -> str:
    """Return the day of an item that is no entry, with what else its id says."""
    what = one.item.removeprefix(one.day).strip("/")
    return f"{written.day(one.day)} ({what})" if what else written.day(one.day)


def _covered(one: Deviation) -> str:
    said = []
    if one.waiver:
        said.append(f"waiver {one.waiver}")
    if one.finding:
        said.append(f"finding {one.finding}")
    return "; ".join(said) or "none"


def _finding(one: FindingLine) -> tuple[str, ...]:
    due = written.day(one.due)
    closed = (
        "open"
        if one.closed_seq is None
        else f"{written.day(one.closed_at)} ({written.number(one.closed_seq)})"
    )
    return (
        f"{one.title} ({one.finding})",
        one.control or written.NONE,
        f"{one.check} {one.item}".strip() or written.NONE,
        one.severity,
        one.owner or written.NONE,
        f"{due}, overdue" if one.is_overdue else due,
        one.response or "none recorded",
        f"{written.day(one.opened_at)} ({written.number(one.opened_seq)})",
        closed,
    )


def _pending(content: ReportContent) -> list[Block]:
    pending = content.pending
    return [
        Paragraph(
            text=f"{_pending_words(content)} A pending item is neither passed nor failed; the "
            "entry it waits for may still come until it is due."
        ),
        Table(
            title="Pending items by due day",
            columns=(
                Column(title="Test", share=2, look="code"),
                Column(title="Item", share=3, look="code"),
                Column(title="Entry", share=2, look="number"),
                Column(title="Day", share=3, look="time"),
                Column(title="Due (UTC)", share=4, look="time"),
                Column(title="Agent", share=4),
            ),
            rows=tuple(_pending_item(one) for one in pending.listed),
            empty="None of them can be listed by itself."
            if pending.total
            else "Nothing is pending.",
            more=written.rest(len(pending.listed), pending.kept, ITEMS),
        ),
        *_not_listed(pending),
    ]


def _not_listed(pending: Pending) -> list[Block]:
    """Return why fewer items are listed than the tests count as pending."""
    others = pending.total - pending.kept
    if others <= 0:
        return []
    why = (
        "days that were not over, or were decided after the moment as of which the period is judged"
    )
    kept = written.number(pending.kept)
    said = (
        f"Of these {written.number(pending.total)}, {kept} stand here and in the annex. The others "
        f"are {why}."
    )
    return [Paragraph(text=said if pending.kept else f"They are {why}.", is_small=True)]


def _pending_item(one: PendingItem) -> tuple[str, ...]:
    return (
        one.check,
        one.item,
        written.NONE if one.seq == DAY_ONLY else written.number(one.seq),
        written.day(one.day),
        written.moment(one.due),
        one.agent or written.NONE,
    )


def _before(content: ReportContent) -> list[Block]:
    earlier = content.earlier
    if not earlier.is_observed:
        return [
            Notice(
                tone="info",
                word="Nothing to follow up",
                text="The ledger did not observe the period of the same length before this one.",
            )
        ]
    return [
        Table(
            title=f"Legs that failed in {written.period(earlier.start, earlier.end)}",
            columns=(
                Column(title="Control", share=2, look="code"),
                Column(title="Test", share=2, look="code"),
                Column(title="Failed then", share=2, look="number"),
                Column(title="Fail now", share=2, look="number"),
                Column(title="State now", share=2, look="state"),
            ),
            rows=tuple(
                (
                    one.control,
                    one.check,
                    written.number(one.failed_then),
                    written.number(one.failed_now),
                    one.state_now,
                )
                for one in earlier.exceptions
            ),
            empty="No leg failed in the period before.",
        )
    ]

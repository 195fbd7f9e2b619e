"""A report's ZIP: the same bytes each time, every byte of it vouched for by the ledger's key."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from django.core.management import call_command

from audit.ledger.__main__ import main
from audit.ledger.errors import ManifestMalformed
from audit.ledger.manifest import FileSum
from audit.ledger.note import SigningKey, format_verifier_key, make_signing_key, sign_note
from audit.ledger.offline import Trust
from audit.ledger.offlinereport import ReportVerdict, verify_report
from audit.ledger.reportmanifest import (
    UNSIGNED,
    UNSIGNED_TEXT,
    ReportManifest,
    format_report_manifest,
    parse_report_manifest,
)
from audit.models import Ledger
from audit.proofs import verifier_keys
from audit.signatures import Signed, ask_for_signature, signature_of
from compliance.renderers.archive import (
    archive_files,
    manifest_text,
    samples_jsonl,
    sums_of,
    write_archive,
)
from compliance.renderers.stored_zip import ArchiveChanged, Source, zip_of
from compliance.report_content import ReportContent, content_bytes, content_digest
from tests.audit.ledger.bundles import bundle
from tests.audit.ledger.bundles import ledger as in_memory
from tests.compliance.report_ledgers import a_busy_ledger, last_days, of_tallies
from tests.compliance.report_samples import small_content, without_anything

ORIGIN = "example.org/audit/main"
KEY = make_signing_key(name=ORIGIN, seed=b"r" * 32)
OTHER = make_signing_key(name=ORIGIN, seed=b"o" * 32)


def some_files(content: ReportContent) -> dict[str, Source]:
    """Return the files of an archive with two forms beside the lists."""
    made: dict[str, Source] = {
        "json": content_bytes(content),
        "csv": b"head\r\n",
        "pdf": b"%PDF-1.7 pages",
    }
    return archive_files(content, made)


def text_of(content: ReportContent, files: dict[str, Source]) -> str:
    """Return the text to sign."""
    return manifest_text(
        content,
        sums_of(files),
        origin=ORIGIN,
        head_seq=content.integrity.head_seq,
        head_hash=content.integrity.head_hash,
    )


def archived(*signers: SigningKey, files: dict[str, Source] | None = None) -> bytes:
    """Return an archive signed by these keys; unsigned without any."""
    content = small_content()
    files = some_files(content) if files is None else files
    text = text_of(content, files)
    note = sign_note(text, signers=signers) if signers else None
    out = BytesIO()
    write_archive(out, files, manifest=text, note=note)
    return out.getvalue()


def tiny(*signers: SigningKey) -> bytes:
    """Return an archive of two small files, so that every bit of it can be tried."""
    return archived(*signers, files={"b.csv": b"x,y\r\n", "report.json": b'{"a":1}'})


def judged(raw: bytes, *keys: SigningKey) -> ReportVerdict:
    """Return the verdict of whoever brings these keys."""
    return verify_report(BytesIO(raw), trust=Trust(keys=tuple(each.key for each in keys)))


# --- What is in it --------------------------------------------------------------------------------


def test_it_holds_the_report_its_lists_and_how_to_check_it() -> None:
    content = small_content()

    with ZipFile(BytesIO(archived(KEY))) as zipped:
        assert zipped.testzip() is None
        names = zipped.namelist()
        report = zipped.read("report.json")

    assert names == [
        "README.txt",
        "assessment-plan.json",
        "assessment-results.json",
        "controls.csv",
        "items.csv",
        "population.csv",
        "report.json",
        "report.pdf",
        "samples.jsonl",
        "verify.py",
        "manifest",
    ]
    assert report == content_bytes(content)


def test_the_manifest_lists_every_file_and_where_the_figures_come_from() -> None:
    content = small_content()
    files = some_files(content)

    found = parse_report_manifest(text_of(content, files))

    assert {each.name: (each.size, each.sha256) for each in found.files} == sums_of(files)
    assert (found.ledger, found.origin, found.framework) == ("main", ORIGIN, "soc2")
    assert (found.start, found.end) == ("2026-10-23", "2026-11-22")
    assert (found.snapshot, found.report) == (content.cover.snapshot, content.cover.report_id)
    assert (found.head_seq, found.head_hash) == (9000, content.integrity.head_hash)
    (report,) = (each for each in found.files if each.name == "report.json")
    assert report.sha256 == content_digest(content_bytes(content))


def test_a_report_of_a_bundle_without_a_snapshot_has_a_manifest_without_one() -> None:
    content = small_content()
    content = replace(content, cover=replace(content.cover, snapshot=""))

    text = text_of(content, some_files(content))

    assert "\nsnapshot " not in text
    assert parse_report_manifest(text).snapshot == ""


def test_a_sample_is_one_line_and_none_is_an_empty_file() -> None:
    content = small_content()

    (line,) = samples_jsonl(content).splitlines()

    assert json.loads(line)["number"] == "482913"
    assert len(json.loads(line)["items"]) == 4
    assert samples_jsonl(without_anything()) == b""


def test_the_same_files_give_the_same_bytes_in_whatever_order_they_come(tmp_path: Path) -> None:
    files = some_files(small_content())
    for name, source in files.items():
        assert isinstance(source, bytes)
        (tmp_path / name).write_bytes(source)
    turned: dict[str, Source] = {name: tmp_path / name for name in reversed(files)}

    assert archived(KEY, files=turned) == archived(KEY)


def test_a_file_that_changed_after_its_manifest_was_written_is_not_archived(tmp_path: Path) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"one")
    files: dict[str, Source] = {"report.pdf": path}
    text = text_of(small_content(), files)
    path.write_bytes(b"two")

    with pytest.raises(ArchiveChanged, match=r"report\.pdf"):
        write_archive(BytesIO(), files, manifest=text, note=None)


def test_a_note_of_another_text_and_another_list_of_files_are_refused() -> None:
    content = small_content()
    files = some_files(content)
    text = text_of(content, files)
    another = sign_note(text.replace("soc2", "gdpr"), signers=[KEY])

    with pytest.raises(ArchiveChanged, match="another manifest"):
        write_archive(BytesIO(), files, manifest=text, note=another)
    with pytest.raises(ArchiveChanged, match="other files"):
        write_archive(BytesIO(), {**files, "more.txt": b""}, manifest=text, note=None)


@pytest.mark.parametrize("name", ["manifest", UNSIGNED, "../x", "a/b", "", "a\nb", "x" * 61, "é"])
def test_a_name_that_no_archive_may_hold_is_refused(name: str) -> None:
    with pytest.raises(ManifestMalformed):
        text_of(small_content(), {name: b""})


def a_manifest() -> ReportManifest:
    """Return a manifest with two files."""
    return ReportManifest(
        origin=ORIGIN,
        ledger="main",
        report="0" * 32,
        framework="soc2",
        start="2026-10-01",
        end="2026-11-01",
        snapshot="0192e4d0-1111-7abc-8def-000000000001",
        head_seq=0,
        head_hash="1" * 64,
        files=(
            FileSum(name="a.csv", size=0, sha256="2" * 64),
            FileSum(name="b.csv", size=7, sha256="3" * 64),
        ),
    )


def test_the_text_of_a_manifest_is_read_back_as_it_was() -> None:
    for manifest in (a_manifest(), replace(a_manifest(), snapshot="")):
        assert parse_report_manifest(format_report_manifest(manifest)) == manifest


@pytest.mark.parametrize("framework", ["", " x", "a\nfile", "a\u2028b", "x" * 201])
def test_an_id_of_a_framework_that_breaks_the_line_is_refused(framework: str) -> None:
    with pytest.raises(ManifestMalformed, match="framework"):
        replace(a_manifest(), framework=framework)


def test_a_framework_of_ones_own_may_have_an_id_of_words() -> None:
    manifest = replace(a_manifest(), framework="Our own rules (2026), Teil 1: Grundsätze")

    assert parse_report_manifest(format_report_manifest(manifest)) == manifest


def other_texts() -> Iterator[str]:
    """Yield texts that are nearly one."""
    text = format_report_manifest(a_manifest())
    lines = text.splitlines(keepends=True)
    for at in range(len(lines)):
        if not lines[at].startswith(("snapshot ", "file ")):
            yield "".join([*lines[:at], *lines[at + 1 :]])
        yield "".join([*lines[:at], lines[at], lines[at], *lines[at + 1 :]])
        if at + 1 < len(lines):
            yield "".join([*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]])
    yield text.replace("head-seq 0", "head-seq 00")
    yield text.replace("head-seq 0", "head-seq -1")
    yield text.replace("to 2026-11-01", "to 2026-10-01")
    yield text.replace("2026-11-01", "2026-11-31")
    yield text.replace(" 7 b.csv", " 07 b.csv")
    yield text.replace("a.csv", "b.csv")
    yield text.replace("1" * 64, "A" * 64)
    yield text + "note more\n"
    yield text.rstrip("\n")


def test_there_is_one_text_for_a_manifest_and_no_other_is_read() -> None:
    for text in other_texts():
        with pytest.raises(ManifestMalformed):
            parse_report_manifest(text)


# --- What a reader finds out ----------------------------------------------------------------------


def test_signed_by_a_key_that_the_reader_brings_it_is_intact() -> None:
    verdict = judged(archived(KEY), KEY)

    assert (verdict.result, verdict.reasons, verdict.signers) == ("intact", (), (str(KEY.key),))


def test_without_a_key_from_outside_it_is_not_proven() -> None:
    verdict = judged(archived(KEY))

    assert verdict.result == "not proven"
    assert "no key was given" in verdict.reasons[0]


def test_signed_by_another_key_it_is_not_proven() -> None:
    verdict = judged(archived(OTHER), KEY)

    assert verdict.result == "not proven"
    assert str(OTHER.key) in verdict.reasons[0]


def test_a_key_of_another_ledger_proves_nothing() -> None:
    verdict = judged(archived(KEY), make_signing_key(name="example.org/other", seed=b"r" * 32))

    assert verdict.result == "not proven"
    assert "not of example.org/other" in verdict.reasons[0]


def test_while_two_keys_sign_the_reader_needs_both() -> None:
    raw = archived(KEY, OTHER)

    assert judged(raw, KEY).result == "not proven"
    assert judged(raw, KEY, OTHER).result == "intact"


def test_unsigned_it_says_so_in_a_file_and_is_not_proven() -> None:
    raw = archived()

    verdict = judged(raw, KEY)

    with ZipFile(BytesIO(raw)) as zipped:
        assert zipped.namelist()[-2:] == [UNSIGNED, "manifest"]
        assert zipped.read(UNSIGNED).decode() == UNSIGNED_TEXT
    assert verdict.result == "not proven"
    assert "nobody has signed" in verdict.reasons[0]


@pytest.mark.parametrize("signers", [(KEY,), ()])
def test_every_flipped_bit_is_found(signers: tuple[SigningKey, ...]) -> None:
    raw = tiny(*signers)
    expected = "intact" if signers else "not proven"
    assert judged(raw, KEY).result == expected
    for at in range(len(raw)):
        for bit in range(8):
            flipped = bytearray(raw)
            flipped[at] ^= 1 << bit

            verdict = judged(bytes(flipped), KEY)

            assert verdict.result == "tampered", (at, bit)
            assert verdict.finding is not None


def test_every_changed_byte_of_the_manifest_is_found_when_the_zip_is_made_sound_again() -> None:
    """A bit of the origin or of a signature's name or id leads to an unknown key: not proven."""
    with ZipFile(BytesIO(tiny(KEY))) as zipped:
        note = zipped.read("manifest")
    names = {*range(len(note) - len(note.split(b"\n")[-2]), len(note))}
    names |= {*range(note.index(b"origin "), note.index(b"\nledger "))}

    for at in range(len(note)):
        flipped = bytearray(note)
        flipped[at] ^= 1 << at % 8

        verdict = judged(repacked(manifest=bytes(flipped)), KEY)

        assert verdict.result != "intact", at
        assert verdict.result == "tampered" or at in names, at


def test_every_cut_and_every_byte_more_is_found() -> None:
    raw = tiny(KEY)

    for length in range(len(raw)):
        assert judged(raw[:length], KEY).result == "tampered"
    assert judged(raw + b"\x00", KEY).result == "tampered"
    assert judged(b"\x00" + raw, KEY).result == "tampered"


def repacked(**changes: bytes | None) -> bytes:
    """Return the small archive with files changed, put in or left out, the ZIP itself sound."""
    with ZipFile(BytesIO(tiny(KEY))) as zipped:
        files = {name: zipped.read(name) for name in zipped.namelist()}
    manifest = files.pop("manifest")
    renamed = {name.replace("_", "."): content for name, content in changes.items()}
    merged = {**files, **renamed, "manifest": renamed.get("manifest", manifest)}
    return zip_of({name: content for name, content in merged.items() if content is not None})


def test_whoever_packs_it_again_is_found_out() -> None:
    with ZipFile(BytesIO(tiny(KEY))) as zipped:
        note = zipped.read("manifest")
    text = note.decode().partition("\n\n")[0] + "\n"
    forged = {
        "another content": repacked(report_json=b'{"a":2}'),
        "a file more": repacked(more_txt=b"x"),
        "a file less": repacked(b_csv=None),
        "a manifest of another period": repacked(
            manifest=note.replace(b"2026-10-23", b"2026-10-22")
        ),
        "a manifest without signature": repacked(manifest=text.encode()),
        "said to be unsigned": repacked(UNSIGNED_txt=UNSIGNED_TEXT.encode(), manifest=note),
        "unsigned in other words": repacked(UNSIGNED_txt=b"All is well.\n", manifest=text.encode()),
    }

    for what, raw in forged.items():
        assert judged(raw, KEY).result == "tampered", what


def test_an_unsigned_copy_of_a_signed_archive_is_not_proven() -> None:
    with ZipFile(BytesIO(tiny(KEY))) as zipped:
        text = zipped.read("manifest").decode().partition("\n\n")[0] + "\n"
    raw = repacked(UNSIGNED_txt=UNSIGNED_TEXT.encode(), manifest=text.encode())

    assert judged(raw, KEY).result == "not proven"


# --- From a shell ---------------------------------------------------------------------------------


def verify_py(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier that the archive carries, alone in a folder."""
    with ZipFile(folder / "report.zip") as zipped:
        (folder / "verify.py").write_bytes(zipped.read("verify.py"))
    return subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", "report", "report.zip", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_verifier_that_it_carries_needs_nothing_of_the_platform(tmp_path: Path) -> None:
    (tmp_path / "report.zip").write_bytes(archived(KEY))

    done = verify_py(tmp_path, "--key", format_verifier_key(KEY.key))

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"INTACT\n  ledger    main ({ORIGIN})\n")
    assert "soc2, 2026-10-23 up to 2026-11-22 without it" in done.stdout


def test_it_answers_as_json_too(tmp_path: Path) -> None:
    (tmp_path / "report.zip").write_bytes(archived(KEY))

    done = verify_py(tmp_path, "--json", "--key", format_verifier_key(KEY.key))

    told = json.loads(done.stdout)
    assert (told["result"], told["signers"]) == ("intact", [str(KEY.key)])
    assert told["report"]["files"]["report.json"] == content_digest(content_bytes(small_content()))


@pytest.mark.parametrize(
    ("signers", "change", "code", "word"),
    [
        ((KEY,), b"", 0, "INTACT"),
        ((KEY,), b"%PDF-1.6", 1, "TAMPERED"),
        ((), b"", 3, "NOT PROVEN"),
        ((OTHER,), b"", 3, "NOT PROVEN"),
    ],
)
def test_the_exit_codes_are_those_of_bundles(
    tmp_path: Path, signers: tuple[SigningKey, ...], change: bytes, code: int, word: str
) -> None:
    raw = archived(*signers)
    (tmp_path / "report.zip").write_bytes(raw.replace(b"%PDF-1.7", change) if change else raw)

    done = verify_py(tmp_path, "--key", format_verifier_key(KEY.key))

    assert done.returncode == code
    assert done.stdout.startswith(word)


def test_a_file_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "report.zip").write_bytes(archived(KEY))
    verify_py(tmp_path)

    done = subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", "report", "none.zip"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert "none.zip" in done.stderr


def test_whoever_mixes_up_a_report_and_a_bundle_is_told_and_not_that_it_was_tampered_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.zip").write_bytes(archived(KEY))
    (tmp_path / "bundle.zip").write_bytes(bundle(in_memory(9), range(9)))

    for arguments, word in (
        (["verify", str(tmp_path / "report.zip")], "is a report"),
        (["report", str(tmp_path / "bundle.zip")], "is an evidence bundle"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert word in capsys.readouterr().err


def test_what_a_ledgers_sealing_process_signed_is_intact_by_its_published_key(
    ledger: Ledger, tmp_path: Path
) -> None:
    settled = a_busy_ledger(ledger)
    content = of_tallies(settled, "soc2", tmp_path / "made", last_days()).content
    files = archive_files(content, {"json": content_bytes(content), "csv": b"head\r\n"})
    text = manifest_text(
        content,
        sums_of(files),
        origin=content.cover.origin,
        head_seq=content.integrity.head_seq,
        head_hash=content.integrity.head_hash,
    )
    asked = ask_for_signature(settled, text)
    call_command("seal", ledger=settled.name, stdout=StringIO())
    signed = signature_of(settled, asked)
    assert isinstance(signed, Signed)
    with (tmp_path / "report.zip").open("wb") as out:
        write_archive(out, files, manifest=text, note=signed.note)

    done = verify_py(tmp_path, "--key", verifier_keys(settled)[0])

    assert (done.returncode, done.stderr) == (0, "")
    assert f"head      seq {content.integrity.head_seq}, hash" in done.stdout

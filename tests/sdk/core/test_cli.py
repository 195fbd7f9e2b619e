"""The command's exit codes mean what they say."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO

from obsagent.cli import USAGE, main

from tests.sdk.core.folders import WithFolder


class Usage(WithFolder):
    def test_a_file_that_is_no_receipt_is_no_proof_that_is_wrong(self) -> None:
        where = ["--endpoint", "http://127.0.0.1:9", "--key", "obs_live_test"]
        for number, text in enumerate(("nothing", "[]", "{}")):
            path = self.folder / str(number)
            path.write_text(text)
            with redirect_stderr(StringIO()):
                assert main(["verify", str(path), "--spool", str(self.folder), *where]) == USAGE

    def test_fields_that_are_no_object_are_refused(self) -> None:
        for text in ("nothing", "[]"):
            with redirect_stderr(StringIO()), self.assertRaises(SystemExit) as refused:
                main(["send", "run.started", "--agent", "a", "--fields", text])
            assert refused.exception.code == USAGE

"""verify.py: one file that runs anywhere, says what the platform says, and ends as it says."""

from __future__ import annotations

import ast
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from audit.ledger.__main__ import EXIT, main
from audit.ledger.manifest import RECORDS, VERIFY_PY
from audit.ledger.merkle import prove_consistency, prove_inclusion
from audit.ledger.note import encode_base64, format_verifier_key
from audit.ledger.policy import (
    Policy,
    PolicyGroup,
    PolicyLog,
    PolicyWitness,
    format_policy,
)
from audit.ledger.proof import EntryProof, format_proof
from audit.ledger.singlefile import MODULES, verify_html, verify_py
from tests.audit.ledger.attacks import RENDERINGS, attacks
from tests.audit.ledger.bundles import (
    FORGER,
    LOG,
    VKEY,
    WITNESSES,
    bundle,
    checkpoint,
    ledger,
    resign,
    unpack,
)

OTHER_VKEY = format_verifier_key(FORGER.key)


@pytest.fixture(scope="module")
def verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lay verify.py, as a bundle carries it, where nothing of the platform is near."""
    path = tmp_path_factory.mktemp("offline") / VERIFY_PY
    path.write_bytes(unpack(bundle(ledger(9), range(9)))[VERIFY_PY])
    return path


def run(verifier: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without site-packages, environment and folder of ours."""
    return subprocess.run(
        [sys.executable, "-I", "-S", verifier.name, *arguments],
        cwd=verifier.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def saved(verifier: Path, name: str, data: bytes) -> str:
    path = verifier.parent / name
    path.write_bytes(data)
    return name


def imported(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_it_carries_every_module_byte_for_byte() -> None:
    text = verify_py()

    for name in MODULES:
        file = Path(__file__).parents[3] / (name.replace(".", "/") + ".py")
        assert file.read_text() in text, name


def test_its_modules_import_the_standard_library_and_each_other_alone() -> None:
    # OpenSSL and its package are asked for inside functions that the verifier never calls.
    allowed = {*sys.stdlib_module_names, "audit", "cryptography"}
    for name in MODULES:
        source = (Path(__file__).parents[3] / (name.replace(".", "/") + ".py")).read_text()
        ours = {each for each in imported(source) if each.startswith("audit")}
        assert {each.partition(".")[0] for each in imported(source)} <= allowed, name
        assert ours - {"audit.ledger"} <= set(MODULES[: MODULES.index(name)]), name


def test_an_old_python_reads_it_far_enough_to_say_that_it_is_too_old() -> None:
    tree = ast.parse(verify_py(), feature_version=(3, 7))

    first = next(node for node in tree.body if isinstance(node, ast.If))
    assert ast.unparse(first.test) == "sys.version_info < (3, 11)"
    assert "needs Python 3.11 or newer" in ast.unparse(first.body[0])


def test_it_depends_on_nothing_but_the_code() -> None:
    assert verify_py.__wrapped__() == verify_py()
    assert verify_html.__wrapped__() == verify_html()


def test_an_intact_bundle_ends_with_0(verifier: Path) -> None:
    name = saved(verifier, "whole.zip", bundle(ledger(50), range(3, 40), renderings=RENDERINGS))

    done = run(verifier, name, "--key", OTHER_VKEY, "--key", VKEY)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("INTACT\n")
    assert "37 entries, seq 3 to 39, without gaps" in done.stdout


def test_a_changed_record_ends_with_1_and_is_named(verifier: Path) -> None:
    data = bundle(ledger(50), range(3, 40)).replace(b"entry 7 ", b"entry 8 ")
    name = saved(verifier, "changed.zip", data)

    done = run(verifier, name, "--key", VKEY, "--json")

    assert done.returncode == 1
    finding = json.loads(done.stdout)["finding"]
    assert (finding["file"], finding["seq"], finding["field"]) == (RECORDS, 8, "prev")
    assert finding["found"] == ledger(50).hashes[7].hex() != finding["expected"]


@pytest.mark.parametrize("keys", [[], ["--key", OTHER_VKEY]], ids=["no key", "another key"])
def test_an_unknown_signer_ends_with_3(verifier: Path, keys: list[str]) -> None:
    name = saved(verifier, "whole.zip", bundle(ledger(50), range(50)))

    done = run(verifier, name, *keys)

    assert done.returncode == 3
    assert "it agrees with itself, signer unknown" in done.stdout


def test_no_entries_end_with_3(verifier: Path) -> None:
    name = saved(verifier, "empty.zip", bundle(ledger(50), []))

    assert run(verifier, name, "--key", VKEY).returncode == 3


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["missing.zip"],
        [".", "--key", VKEY],
        ["verify.py", "--key", "no key"],
        ["verify.py", "--policy", "missing"],
        ["verify.py", "--policy", "verify.py"],
        ["verify.py", "--unknown"],
        ["proof"],
        ["proof", "missing", "--record", "verify.py"],
        ["consistency", "verify.py"],
        ["verify"],
    ],
)
def test_wrong_use_ends_with_2_and_says_why(verifier: Path, arguments: list[str]) -> None:
    done = run(verifier, *arguments)

    assert done.returncode == 2
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_an_example_and_the_exit_codes(verifier: Path) -> None:
    done = run(verifier, "--help")

    assert done.returncode == 0
    for said in ("verify.py bundle.zip --key", "intact (0)", "tampered (1)", "not proven (3)"):
        assert said in done.stdout
    for command in ("proof", "consistency"):
        assert f"  verify.py {command} " in done.stdout
        assert f"usage: verify.py {command} " in run(verifier, command, "--help").stdout


def test_a_policy_asks_for_cosignatures(verifier: Path) -> None:
    head = checkpoint(ledger(50), witnesses=WITNESSES[:2])
    name = saved(verifier, "witnessed.zip", bundle(ledger(50), [4], head=head))
    for needed, code in ((2, 0), (3, 3)):
        asked = saved(verifier, "policy", format_policy(policy(needed)))
        done = run(verifier, name, "--policy", asked)
        assert done.returncode == code
        assert "witnessed 2 of 3" in done.stdout


def policy(needed: int) -> Policy:
    witnesses = [PolicyWitness(name=f"w{n}", key=each.key) for n, each in enumerate(WITNESSES)]
    group = PolicyGroup(name="q", needed=needed, members=("w0", "w1", "w2"))
    return Policy(items=(PolicyLog(key=LOG.key), *witnesses, group), quorum="q")


def test_the_file_and_the_platform_say_the_same(
    verifier: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for number, attack in enumerate(attacks(19, seed=5)):
        name = saved(verifier, f"attack-{number}.zip", attack.data)
        alone = run(verifier, name, "--key", VKEY, "--json")
        ours = main(["verify", str(verifier.parent / name), "--key", VKEY, "--json"])

        assert alone.returncode == ours == EXIT[attack.result], attack.name
        assert json.loads(alone.stdout) == json.loads(capfd.readouterr().out), attack.name


def test_flipped_bytes_of_a_real_file_end_with_1(verifier: Path) -> None:
    data = bundle(ledger(12), [0, 1, 2, 7], renderings=RENDERINGS)
    chance = random.Random(6)
    for _ in range(25):
        flipped = bytearray(data)
        flipped[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        name = saved(verifier, "flipped.zip", bytes(flipped))
        done = run(verifier, name, "--key", VKEY)
        assert (done.returncode, done.stderr) == (1, ""), done


def test_a_bundle_may_be_called_like_a_command(verifier: Path) -> None:
    saved(verifier, "proof", bundle(ledger(50), range(50)))

    assert run(verifier, "./proof", "--key", VKEY).stdout.startswith("INTACT\n")
    assert run(verifier, "verify", "proof", "--key", VKEY).stdout.startswith("INTACT\n")


def test_the_file_and_the_platform_say_the_same_of_an_entry(
    verifier: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for index in (7, 8):
        for keys in (["--key", VKEY], ["--key", OTHER_VKEY], []):
            command = [*entry_files(verifier.parent, index=index), *keys]
            for more in ([], ["--json"]):
                ours = main([*command, *more]), capfd.readouterr().out
                alone = run(verifier, *command, *more)
                assert (alone.returncode, alone.stdout, alone.stderr) == (*ours, "")
                assert ours[0] == (3 if VKEY not in keys else 0 if index == 7 else 1)


def test_every_flipped_byte_of_a_proof_or_its_record_is_noticed(verifier: Path) -> None:
    """The code of the file, in this process to be quick."""
    command = [*entry_files(verifier.parent), "--key", VKEY]
    chance = random.Random(8)
    for name in (command[1], command[3]):
        data = Path(name).read_bytes()
        for place in range(len(data)):
            flipped = bytearray(data)
            flipped[place] ^= 1 << chance.randrange(8)
            Path(name).write_bytes(flipped)
            assert main(command) in {1, 3}, (name, place)
        Path(name).write_bytes(data)
    assert main(command) == 0


def test_the_file_and_the_platform_say_the_same_of_two_checkpoints(
    verifier: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for old, code in ((20, 0), (21, 1)):
        for keys, ends in ((["--key", VKEY], code), ([], 3)):
            command = [*consistency_files(verifier.parent, old=old), *keys, "--json"]
            ours = main(command), capfd.readouterr().out
            alone = run(verifier, *command)
            assert (alone.returncode, alone.stdout, alone.stderr) == (*ours, "")
            assert ours[0] == ends


# --- python -m audit.ledger ---------------------------------------------------------------------


def entry_files(folder: Path, index: int = 7) -> list[str]:
    of = ledger(50)
    hashes = prove_inclusion(index=index, size=50, hashes=of.tree())
    proof = EntryProof(index=index, hashes=tuple(hashes), checkpoint=checkpoint(of))
    (folder / "7.tlog-proof").write_bytes(format_proof(proof))
    (folder / "7.json").write_bytes(of.records[7])
    return ["proof", str(folder / "7.tlog-proof"), "--record", str(folder / "7.json")]


def consistency_files(folder: Path, *, old: int) -> list[str]:
    """Lay two checkpoints and the proof that the newer continues that of size 20."""
    hashes = prove_consistency(old_size=20, new_size=50, hashes=ledger(50).tree())
    (folder / "old").write_bytes(checkpoint(ledger(old)))
    (folder / "new").write_bytes(checkpoint(ledger(50)))
    (folder / "hashes").write_text("".join(f"{encode_base64(each)}\n" for each in hashes))
    files = [str(folder / name) for name in ("old", "new", "hashes")]
    return ["consistency", files[0], files[1], "--proof", files[2]]


def test_an_entry_is_proven_by_its_proof(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*entry_files(tmp_path), "--key", VKEY]) == 0
    assert "entry 7 is in the tree of size 50" in capsys.readouterr().out
    assert main([*entry_files(tmp_path, index=8), "--key", VKEY]) == 1
    assert main([*entry_files(tmp_path), "--key", OTHER_VKEY]) == 3
    assert main(entry_files(tmp_path)) == 3


def test_a_proof_is_weighed_by_a_policy(tmp_path: Path) -> None:
    (tmp_path / "policy").write_bytes(format_policy(policy(1)))

    assert main([*entry_files(tmp_path), "--policy", str(tmp_path / "policy")]) == 3


def test_a_newer_checkpoint_continues_an_older_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*consistency_files(tmp_path, old=20), "--json"]

    assert main([*command, "--key", VKEY]) == 0
    assert json.loads(capsys.readouterr().out)["result"] == "intact"
    assert main([*consistency_files(tmp_path, old=21), "--key", VKEY]) == 1
    assert main(command) == 3


def test_the_module_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "audit.ledger", "--help"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert "python -m audit.ledger" in done.stdout


def test_what_a_forger_wrote_cannot_steer_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = resign(unpack(bundle(ledger(50), [1])), FORGER, left_out="\x9b2J \u202e all is well")
    (tmp_path / "forged.zip").write_bytes(forged)

    assert main(["verify", str(tmp_path / "forged.zip"), "--key", VKEY]) == 3
    assert capsys.readouterr().out.replace("\n", "").isprintable()

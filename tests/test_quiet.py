"""The ears of the suite hear a secret wherever a test lets one out, and nothing where none does."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent

HEAD = """
import base64, hashlib, logging, warnings
import pytest
from perdure.errors import Conflict, Invalid
from tests.canary.forms import Marker

MARKER = Marker(1)
KEY = hashlib.sha256(b"a key of this test").digest()
log = logging.getLogger("perdure.somewhere")

@pytest.fixture(autouse=True)
def told(quiet):
    quiet.never(MARKER, KEY)
"""

QUIET = """
def test_quiet():
    log.debug("nothing to see for %s", "0" * 64)
    with pytest.raises(Invalid):
        raise Invalid("no", value=MARKER.email())
"""

LOUD = {
    "logged": 'log.debug("for %s", MARKER.email())',
    "logged_with_an_error": """
    try:
        raise ValueError(MARKER.email())
    except ValueError:
        log.exception("oh")""",
    "extra_argument": 'log.info("%(a)s", {"a": 1, "b": MARKER.email()})',
    "swallowed": """
    try:
        raise Invalid(MARKER.sentence())
    except Invalid:
        pass""",
    "caught": """
    with pytest.raises(ValueError):
        raise ValueError(MARKER.core()[::-1])""",
    "cause": """
    with pytest.raises(Conflict):
        raise Conflict("a short word") from ValueError(MARKER.core().encode().hex())""",
    "context": """
    with pytest.raises(Conflict):
        try:
            raise ValueError(MARKER.core().lower())
        except ValueError:
            raise Conflict("a short word")""",
    "warned": 'warnings.warn(base64.b64encode(MARKER.core().encode()).decode())',
    "printed": "print(MARKER.email())",
    "failed": "assert not MARKER.email()",
    "key_in_hex": 'log.debug("wrapped ab%s", KEY.hex().upper())',
    "key_in_base64": 'log.debug(base64.b64encode(KEY).decode())',
    "key_for_urls": 'log.debug(base64.urlsafe_b64encode(KEY).decode())',
    "key_in_clear": 'log.debug("%r", {"key": b"1" + KEY})',
    "key_of_a_vault": """
    from perdure.vault import envelope
    envelope.subkey(b"k" * 32, "seal")
    log.debug("%s", (b"k" * 32).hex())""",
}  # fmt: skip


def run(folder: Path, text: str, *options: str) -> tuple[int, str]:
    """Run a session of its own with the plugin."""
    (folder / "test_it.py").write_text(HEAD + text)
    plugins = ["-p", "tests.fix.quiet", "-p", "no:randomly", "-p", "no:cacheprovider"]
    place = [f"--rootdir={folder}", "-c", "/dev/null", str(folder / "test_it.py")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *options, *place],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "xdist"])
def test_every_leak_is_heard(tmp_path: Path, options: tuple[str, ...]) -> None:
    tests = "\n".join(f"def test_{name}():\n    {body}\n" for name, body in LOUD.items())
    code, said = run(tmp_path, QUIET + tests, *options)
    told = said.partition("secrets in what the tests said")[2]
    assert code == 1
    assert [name for name in LOUD if f"test_{name}:" not in told] == []
    assert "test_quiet" not in told


def test_a_quiet_session_passes(tmp_path: Path) -> None:
    code, said = run(tmp_path, QUIET)
    assert (code, "secrets" in said) == (0, False), said

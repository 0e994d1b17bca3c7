"What several test files share."
import contextlib, os, resource, shutil, signal
from importlib.util import find_spec

import pytest


def needed(what, *programs, packages=()):
    "For a test that needs programs: where the first is. Without them it is skipped and says so; in CI, where they must be, it fails."
    lacks = [p for p in programs if not shutil.which(p)] + [p for p in packages if find_spec(p) is None]
    if not lacks: return shutil.which(programs[0])
    words = f'{what}: {" and ".join(lacks)} not installed'
    if os.environ.get('CI') == 'true': pytest.fail(f'{words}, and CI is true', pytrace=False)
    pytest.skip(words, allow_module_level=True)


@pytest.fixture
def full_disk():
    "`with full_disk(n):` no file may grow beyond n bytes; the system call fails as on a full disk."
    @contextlib.contextmanager
    def files_of_at_most(n):
        soft, before = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n, soft[1]))
        try: yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, soft)
            signal.signal(signal.SIGXFSZ, before)
    return files_of_at_most

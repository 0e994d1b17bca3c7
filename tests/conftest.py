"What several test files share."
import contextlib, resource, signal

import pytest


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

"""Damaged recordings: whatever happens to the bytes of a parquet file, `read_landmarks` reads it or says what is wrong.

Bytes are flipped, cut out, put in and zeroed at random places, seeded, so that a failure can be looked at again.
It runs in a process of its own: were the decoder to crash or to run out of memory, the test would see it.
"""
import os, subprocess, sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

resource = pytest.importorskip('resource', reason='limits on memory exist on POSIX alone')

from asl_nb.data.recording import Recording, RecordingError, read_landmarks, to_table
from asl_nb.data.landmarks import N_ROWS

N = int(os.environ.get('ASL_NB_FUZZ', 300))     # mutations of each file


def small_file(**kw):
    "Four frames as the bytes of a parquet file."
    rng = np.random.default_rng(0)
    xyz = rng.normal(.5, .1, (4, N_ROWS, 3)).astype(np.float32)
    xyz[1:3, 468:489] = np.nan
    out = pa.BufferOutputStream()
    pq.write_table(to_table(Recording(xyz, np.arange(4) + 27)), out, compression='snappy', **kw)
    return out.getvalue().to_pybytes()


def mutate(data, rng):
    "One to four small accidents, half of them in the footer, which says how to read all the rest."
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        last = len(data) - 1
        first = 0 if rng.random() < .5 else max(0, last - 4000)
        at = int(rng.integers(first, last))
        match rng.integers(5):
            case 0: data[at] ^= 1 << int(rng.integers(8))
            case 1: data[at] = int(rng.integers(256))
            case 2: del data[at:at + int(rng.integers(1, 200))]
            case 3: data[at:at] = rng.bytes(int(rng.integers(1, 50)))
            case 4: data[at:at + 16] = bytes(len(data[at:at + 16]))
        if len(data) < 2: break
    return bytes(data)


def fuzz(seed, n, **kw):
    "How many of `n` mutated files were read, and how many refused; anything else raises."
    rng, whole, read = np.random.default_rng(seed), small_file(**kw), 0
    for i in range(n):
        data = mutate(whole, rng)
        try:
            values, frame = read_landmarks(data, dims='xyz')
            assert values.shape == (len(frame), N_ROWS, 3) and len(frame)
            assert not np.isinf(values).any()
            read += 1
        except RecordingError as e: assert str(e).startswith('this recording: '), str(e)
        except BaseException as e:
            raise AssertionError(f'seed {seed}, mutation {i}: {type(e).__name__}: {e}') from e
    return read, n - read


@pytest.mark.parametrize('seed,kw', [
    (0, {}), (1, dict(use_dictionary=False)), (2, dict(row_group_size=N_ROWS))])
def test_damaged_files(seed, kw):
    code = f'import test_fuzz_parquet as t; print(*t.fuzz({seed}, {N}, **{kw!r}))'
    def limit(): resource.setrlimit(resource.RLIMIT_AS, (8 << 30,) * 2)   # 8 GB for a lying file
    run = subprocess.run([sys.executable, '-c', code], cwd=os.path.dirname(__file__) or '.',
                         preexec_fn=limit, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, f'exit status {run.returncode}\n{run.stderr[-2000:]}'
    read, refused = map(int, run.stdout.split())
    assert refused > N // 3 and read + refused == N


def test_cut_anywhere():
    whole = small_file()
    for n in [*range(0, 40), *range(40, len(whole), len(whole) // 100)]:
        with pytest.raises(RecordingError): read_landmarks(whole[:n])


def test_whole_file_is_read():
    values, frame = read_landmarks(small_file())
    assert values.shape == (4, N_ROWS, 3) and list(frame) == [27, 28, 29, 30]

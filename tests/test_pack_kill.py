"""Packing is killed at every kind of moment; the pack that comes of it is the same to the byte.

Each case starts `pack_corpus` in a process of its own, kills it (SIGKILL, which no code can catch), starts it again
until it is through, and compares the folder with that of a run that nobody disturbed.
"""
import contextlib, os, random, signal, subprocess, sys, textwrap, time
from pathlib import Path

import numpy as np
import psutil
import pytest

from asl_nb.core.errors import WriteError
from asl_nb.data.pack import Pack, pack_corpus
from asl_nb.data.pack_reader import PackError
from asl_nb.data.corpus import Corpus, write_corpus
from asl_nb.data.recording import Recording

ROOT = Path(__file__).resolve().parents[1]
CLIPS, BATCH = 120, 8

# A packing process. `die` = at which call of the functions that touch the disk it kills itself: before the call, or,
# for a write, when half of it is written. Each call is printed when `die` is negative.
CHILD = textwrap.dedent('''
    import contextlib, os, signal, sys
    import asl_nb.data.pack_reader as C, asl_nb.data.pack as J, asl_nb.data.pack as P
    raw, out, workers, batch, die = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    calls = 0
    def mortal(f, name, half=False):
        def g(*args, **kw):
            global calls
            calls += 1
            if die < 0: print(name, flush=True)
            if calls == die:
                if half: args[0].write(bytes(args[1])[:len(args[1])//2])
                os.kill(os.getpid(), signal.SIGKILL)
            return f(*args, **kw)
        return g
    processes = C.worker_processes
    @contextlib.contextmanager
    def ready(*args):   # the packer works itself until workers are up: here they are up at once
        with processes(*args) as links:
            for link in links: assert link.poll(60)
            yield links
    C.worker_processes = ready
    J.write_all = P.write_all = mortal(J.write_all, 'write', half=True)
    for name in ('fsync', 'replace'): setattr(os, name, mortal(getattr(os, name), name))
    P._new_file = mortal(P._new_file, 'new_file')
    P.shutil.rmtree = mortal(P.shutil.rmtree, 'rmtree')
    P.pack_corpus(raw, out, workers=workers, batch_size=batch, show_progress=False, overwrite='overwrite' in sys.argv)
''')


def clips(n, seed=0, lo=2, hi=12):
    "Recordings of a few frames, with hands that come and go."
    rng = np.random.default_rng(seed)
    for i in range(n):
        xyz = rng.random((rng.integers(lo, hi), 543, 3), dtype=np.float32)
        xyz[rng.random(len(xyz)) < .5, 468:489] = np.nan
        xyz[:, 522:] = np.nan
        yield Recording(xyz, sign=f's{i % 5}', signer=f'p{i % 7}')


@pytest.fixture(scope='module')
def raw(tmp_path_factory):
    "A corpus with three clips that cannot be read: truncated, not a parquet, missing."
    corpus = write_corpus(clips(CLIPS), tmp_path_factory.mktemp('kill')/'raw')
    data = corpus.path(17).read_bytes()
    corpus.path(17).write_bytes(data[:len(data)//2])
    corpus.path(40).write_text('not a parquet')
    corpus.path(99).unlink()
    return corpus.root


@pytest.fixture(scope='module')
def whole(raw):
    "The pack of an undisturbed run in one process."
    return content(pack_corpus(raw, raw.parent/'whole', workers=1, show_progress=False).path)


@pytest.fixture
def workers_at_once(monkeypatch):
    "A packer works itself until its workers are up, which would leave them nothing of so small a corpus."
    import asl_nb.data.pack_reader as C
    processes = C.worker_processes
    @contextlib.contextmanager
    def ready(*args):
        with processes(*args) as links:
            for link in links: assert link.poll(60)
            yield links
    monkeypatch.setattr(C, 'worker_processes', ready)


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}


def start(raw, out, workers=1, die=0, batch=BATCH, *more):
    args = [sys.executable, '-c', CHILD, raw, out, workers, batch, die, *more]
    return subprocess.Popen(list(map(str, args)), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(raw, out, *args):
    child = start(raw, out, *args)
    stdout, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    return stdout


def journal(out): return out.with_name(out.name + '.partial')/'journal.jsonl'


def lines(path):
    try: return path.read_bytes().count(b'\n')
    except FileNotFoundError: return 0


def test_whole(whole, raw):
    assert set(whole) == {'header.json', 'index.parquet', 'landmarks.npy', 'quarantine.csv'}
    pack = Pack.open(raw.parent/'whole')
    assert len(pack) == CLIPS - 3
    assert list(pack.quarantine.sequence_id) == [17, 40, 99]
    corpus = Corpus.read(raw, check_files=False)
    for clip in (0, 20, 116):
        number = int(pack.clips.sequence_id[clip])
        np.testing.assert_array_equal(pack[clip], corpus[number].xyz[:, pack.rows, :2])


def test_same_bytes_whatever_the_workers_and_batches(raw, whole, tmp_path, workers_at_once):
    for workers, batch in (2, 8), (2, 1), (1, 50), (3, 7):
        out = tmp_path/f'{workers}-{batch}'
        pack = pack_corpus(raw, out, workers=workers, batch_size=batch, show_progress=False)
        assert content(pack.path) == whole
        assert not out.with_name(out.name + '.partial').exists()


def test_killed_at_every_kind_of_call(raw, whole, tmp_path):
    "Moments drawn at random from the whole run, and every single one of the finalisation."
    calls = finish(raw, tmp_path/'count', 1, -1).split()
    assert content(tmp_path/'count') == whole
    last_batch = max(i for i, name in enumerate(calls) if name == 'write' and 'new_file' in calls[i:])
    end = range(last_batch, len(calls) + 1)
    moments = sorted({1, 2, *random.Random(0).sample(range(3, last_batch), 6), *end})
    assert {'write', 'fsync', 'replace', 'new_file', 'rmtree'} <= {calls[i - 1] for i in moments}
    for die in moments:
        out = tmp_path/f'die{die}'
        child = start(raw, out, 1, die)
        child.communicate(timeout=120)
        assert child.returncode == -signal.SIGKILL
        if out.exists(): assert content(out) == whole       # whole or not there, nothing between
        assert content(pack_corpus(raw, out, workers=1, batch_size=BATCH, show_progress=False).path) == whole
        assert not out.with_name(out.name + '.partial').exists()


def test_killed_again_and_again(raw, whole, tmp_path):
    "One pack, interrupted at random moments of the clock, with workers, until a run comes through."
    rng, out, killed = random.Random(1), tmp_path/'pack', 0
    while not out.exists() and killed < 6:
        child, had = start(raw, out, 2, 0, 2), lines(journal(out))
        workers = []
        while child.poll() is None and lines(journal(out)) < had + 3:
            workers = psutil.Process(child.pid).children(recursive=True) or workers
            time.sleep(.002)
        time.sleep(rng.random()*.02)
        child.kill()
        child.communicate()
        killed += 1
        gone, alive = psutil.wait_procs(workers, timeout=10)
        assert not alive, 'workers outlive the packer that was killed'
    assert killed >= 5
    assert content(pack_corpus(raw, out, workers=2, batch_size=2, show_progress=False).path) == whole


def test_killed_while_overwriting(raw, whole, tmp_path):
    "The old pack or the new one can be had after every kill."
    def old_pack(name):
        pack_corpus(raw, tmp_path/name, limit=3, workers=1, show_progress=False)
        return tmp_path/name, content(tmp_path/name)
    out, _ = old_pack('count')
    n = len(finish(raw, out, 1, -1, BATCH, 'overwrite').split())
    assert content(out) == whole
    for die in 5, *range(n - 7, n + 1):
        out, old = old_pack(f'die{die}')
        child = start(raw, out, 1, die, BATCH, 'overwrite')
        child.communicate(timeout=120)
        assert child.returncode == -signal.SIGKILL
        if out.exists(): assert content(out) in (old, whole)
        else: assert content(out.with_name(out.name + '.partial')/'old') == old
        assert content(pack_corpus(raw, out, workers=1, show_progress=False, overwrite=True).path) == whole


def test_finished_batches_are_not_done_again(raw, whole, tmp_path, monkeypatch):
    import asl_nb.data.pack_reader as C
    out, read = tmp_path/'pack', []
    original = C.read_packed
    def counted(path, *args):
        read.append(path)
        if len(read) == 70: raise KeyboardInterrupt
        return original(path, *args)
    monkeypatch.setattr(C, 'read_packed', counted)
    with pytest.raises(KeyboardInterrupt):
        pack_corpus(raw, out, workers=1, batch_size=BATCH, show_progress=False)
    assert lines(journal(out)) == 1 + 69//BATCH
    first, read[:] = len(read), [None]*100
    pack_corpus(raw, out, workers=1, batch_size=BATCH, show_progress=False)
    assert len(read) - 100 == CLIPS - 69//BATCH*BATCH
    assert content(out) == whole


def test_goes_on_only_with_what_is_still_true(raw, whole, tmp_path, capsys, monkeypatch):
    "A torn journal, a shorter array, other settings, a file changed since: never a wrong pack."
    monkeypatch.delenv('ASL_NB_QUIET', raising=False)      # what is said is part of the test
    out = tmp_path/'pack'
    def begin():
        child = start(raw, out, 1, 40)
        child.communicate(timeout=120)
        assert lines(journal(out)) > 8
    begin()
    journal(out).write_bytes(journal(out).read_bytes()[:-7])
    assert content(pack_corpus(raw, out, workers=1, batch_size=BATCH).path) == whole
    assert 'going on after' in capsys.readouterr().out
    for spoil in ('array', 'journal', 'settings', 'file'):
        out = tmp_path/spoil
        begin()
        data = out.with_name(spoil + '.partial')/'pack'/'landmarks.npy'
        if spoil == 'array': os.truncate(data, data.stat().st_size//2)
        if spoil == 'journal': journal(out).write_bytes(b'\0'*1000)
        if spoil == 'file': os.utime(Corpus.read(raw, check_files=False).path(30))
        rows = 'hands' if spoil == 'settings' else 'union'
        pack = pack_corpus(raw, out, rows=rows, workers=1, batch_size=BATCH)
        said = capsys.readouterr().out
        assert ('starting over' if spoil in ('journal', 'settings') else 'going on after') in said
        if spoil == 'file': assert 'after 24 clips' in said
        if spoil != 'settings': assert content(pack.path) == whole


def test_two_packers_on_one_folder(raw, tmp_path):
    out = tmp_path/'pack'
    child = start(raw, out, 1, 0, 1)
    while lines(journal(out)) < 2: time.sleep(.005)
    child.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(PackError, match='another process is packing just now'):
            pack_corpus(raw, out, workers=1, show_progress=False)
    finally: child.send_signal(signal.SIGCONT)
    child.communicate(timeout=120)
    assert child.returncode == 0 and len(Pack.open(out)) == CLIPS - 3


def test_full_disk_keeps_the_work(raw, whole, tmp_path, full_disk):
    "A limit on the size of a file stands for the full disk: the system call fails alike."
    out = tmp_path/'pack'
    with full_disk(500_000), pytest.raises(WriteError, match='was not written.*stays in .*call again'):
        pack_corpus(raw, out, workers=1, batch_size=BATCH, show_progress=False)
    assert not out.exists() and lines(journal(out)) > 5
    assert content(pack_corpus(raw, out, workers=1, batch_size=BATCH, show_progress=False).path) == whole


def test_no_place_to_write(raw, tmp_path):
    (tmp_path/'file').write_text('a file')
    with pytest.raises(WriteError, match='was not written'):
        pack_corpus(raw, tmp_path/'file'/'pack', workers=1, show_progress=False)
    assert not list(tmp_path.glob('**/*.partial'))
    with pytest.raises(PackError, match='expected the folder to make'): pack_corpus(raw, '/', workers=1, show_progress=False)


@pytest.mark.skipif(os.geteuid() == 0, reason='to root nothing is read-only: run the tests as an ordinary user for this one')
def test_a_closed_folder(raw, tmp_path):
    (tmp_path/'closed').mkdir(mode=0o500)
    with pytest.raises(WriteError, match='Permission denied'):
        pack_corpus(raw, tmp_path/'closed'/'pack', workers=1, show_progress=False)


def test_a_worker_that_dies(raw, whole, tmp_path, workers_at_once, monkeypatch):
    from asl_nb.data.pack import PackWriter
    original = PackWriter.append
    def then_kill(self, *args):
        original(self, *args)
        for p in psutil.Process().children(): p.kill()
    monkeypatch.setattr(PackWriter, 'append', then_kill)
    with pytest.raises(PackError, match='a worker process died.*call again'):
        pack_corpus(raw, tmp_path/'pack', workers=2, batch_size=4, show_progress=False)
    monkeypatch.undo()
    assert content(pack_corpus(raw, tmp_path/'pack', workers=2, show_progress=False).path) == whole


def test_from_a_script_without_a_main_guard(raw, whole, tmp_path):
    "Workers never run the script that started them, so no `if __name__ == '__main__'` is needed."
    script = tmp_path/'script.py'
    script.write_text(f'print("once")\nfrom asl_nb.data.pack import pack_corpus\n'
                      f'pack_corpus({str(raw)!r}, {str(tmp_path/"pack")!r}, workers=2, show_progress=False)\n')
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120,
                          env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0 and done.stdout == 'once\n', done.stderr
    assert content(tmp_path/'pack') == whole


def test_workers_start_although_a_module_of_the_user_has_a_name_of_pythons(raw, whole, tmp_path, monkeypatch, workers_at_once):
    "A `types.py` beside the script is found first; Python must be up before it looks there."
    (tmp_path/'types.py').write_text('raise SystemExit("not the one that Python wants")')
    monkeypatch.syspath_prepend(tmp_path)
    pack = pack_corpus(raw, tmp_path/'pack', workers=2, batch_size=4, show_progress=False)
    assert content(pack.path) == whole


def test_names_that_are_no_utf8(raw, whole, tmp_path):
    out = tmp_path/os.fsdecode(b'pack\xff')
    pack_corpus(raw, out, workers=1, show_progress=False)
    assert content(Pack.open(out).path) == whole


@pytest.mark.parametrize('name, old, new', [
    ('header.json', '"dims": "xy"', '"dims": "yx"'), ('header.json', '"rows": [0,', '"rows": [1,'),
    ('header.json', '"s0": 0', '"s9": 0'), ('header.json', '"version": 1', '"version": "1"'),
    ('header.json', '"quarantined": 3', '"quarantine": 3'), ('landmarks.npy', None, None), ('index.parquet', None, None)])
def test_a_pack_that_was_tampered_with(raw, tmp_path, name, old, new):
    pack = pack_corpus(raw, tmp_path/'pack', workers=1, show_progress=False)
    file = pack.path/name
    if old is None: os.truncate(file, 0)
    else:
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    with pytest.raises(PackError, match='do not belong together|is not a pack|cut short'): Pack.open(pack.path)


def test_workers_start_light():
    code = 'import sys, asl_nb.data.pack; print([m for m in ("torch", "mediapipe", "cv2", "matplotlib") if m in sys.modules])'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == '[]', done.stdout + done.stderr


def test_memory_does_not_grow_with_the_corpus(tmp_path):
    "Ten times the clips (the same files, named again) in the same memory."
    corpus = write_corpus(clips(40, lo=20, hi=60), tmp_path/'raw')
    def peak(times, rows='union'):
        root = tmp_path/f'raw{times}'
        table = corpus.clips.loc[np.repeat(np.arange(len(corpus)), times)].reset_index(drop=True)
        table['sequence_id'] = np.arange(len(table))
        (root/'train_landmark_files').parent.mkdir()
        os.symlink(corpus.root/'train_landmark_files', root/'train_landmark_files')
        Corpus(root, table, corpus.signs).save()
        code = (f'import resource; from asl_nb.data.pack import pack_corpus\n'
                f'before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n'
                f'pack_corpus({str(root)!r}, {str(root)!r} + "-pack", workers=1, show_progress=False)\n'
                f'print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)')
        done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)/1024
    few, many = peak(5), peak(50)
    print(f'{few:.0f} MB for 200 clips, {many:.0f} MB for 2,000')
    assert many < few + 40, (few, many)

"""What keeps a recording from being read: the file is damaged, or the machine has a fault. The one costs a clip, the other nothing.

A file is looked at from outside in, whole bytes, then its table of contents, then its columns. No file here makes a decoder
crash: a stand-in for the reader ends its process instead.
"""
import errno, json, os, textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import asl_nb.data.recording as A
import asl_nb.data.pack_reader as C
from asl_nb.core.errors import AslNbError
from asl_nb.exploration.statistics import clip_statistics
from asl_nb.core.errors import ArgumentError
from asl_nb.data.pack import Pack, pack_corpus
from asl_nb.data.pack_reader import PackError
from asl_nb.data.corpus import Corpus, CorpusError, write_corpus
from asl_nb.data.recording import Recording, RecordingError, read_landmarks, read_recording
from asl_nb.data.importers import import_mp_data, import_takes

BROKEN = {5: 'cut short', 8: 'rubbish', 11: 'empty'}                    # what becomes of which clips


def clips(n=16, seed=0):
    rng = np.random.default_rng(seed)
    for i in range(n): yield Recording(rng.random((3 + i % 5, 543, 3), dtype=np.float32), sign=f's{i % 4}', signer=f'p{i % 3}')


@pytest.fixture
def raw(tmp_path): return write_corpus(clips(), tmp_path/'raw')


@pytest.fixture
def broken(raw):
    "The corpus with three ordinary damaged files."
    raw.path(5).write_bytes(raw.path(5).read_bytes()[:2000])
    raw.path(8).write_bytes(np.random.default_rng(0).bytes(5000))
    raw.path(11).write_bytes(b'')
    return raw


def content(folder): return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*')) if p.is_file()}
def pack(raw, out, **kw): return pack_corpus(raw, out, **{'workers': 1, 'batch_size': 2, 'show_progress': False} | kw)


# --- a fault of the machine says nothing about the file ------------------------------------------

def system(code): return OSError(code, os.strerror(code))

FAULTS = {'memory': MemoryError(), 'arrow': pa.lib.ArrowMemoryError('malloc of size 9'), 'files': system(errno.EMFILE),
          'nomem': system(errno.ENOMEM), 'disk': system(errno.EIO), 'network': system(errno.ESTALE)}
OF_THE_FILE = {'gone': system(errno.ENOENT), 'closed': system(errno.EACCES), 'decoder': OSError('Corrupt snappy compressed data.')}


def failing(monkeypatch, path, error, once=True):
    "Reading the bytes of this file fails."
    whole = {}
    original, names = A.pq.ParquetFile, Path(path).read_bytes()
    def opened(source, *args, **kw):
        if source.read_buffer().to_pybytes() == names and (not once or not whole.setdefault('raised', False)):
            whole['raised'] = True
            raise error
        source.seek(0)
        return original(source, *args, **kw)
    monkeypatch.setattr(A.pq, 'ParquetFile', opened)


@pytest.mark.parametrize('fault', FAULTS.values(), ids=FAULTS)
def test_a_reader_passes_on_a_fault_of_the_machine(raw, monkeypatch, fault):
    failing(monkeypatch, raw.path(6), fault, once=False)
    with pytest.raises(MemoryError if isinstance(fault, MemoryError) else OSError) as e: raw[6]
    assert not isinstance(e.value, AslNbError)
    if isinstance(fault, MemoryError): assert str(raw.path(6)) in str(e.value)


@pytest.mark.parametrize('error', OF_THE_FILE.values(), ids=OF_THE_FILE)
def test_an_error_of_the_file_is_one_of_the_recording(raw, monkeypatch, error):
    failing(monkeypatch, raw.path(6), error, once=False)
    with pytest.raises(RecordingError): raw[6]


@pytest.mark.parametrize('fault', FAULTS.values(), ids=FAULTS)
def test_packing_stops_keeps_what_it_has_and_goes_on(raw, tmp_path, monkeypatch, fault):
    whole = content(pack(raw, tmp_path/'whole').path)
    failing(monkeypatch, raw.path(6), fault)
    with pytest.raises(PackError, match='6.parquet.*nothing about the clip.*is kept.*call again'): pack(raw, tmp_path/'pack')
    assert not (tmp_path/'pack').exists()
    read, original = [], C.read_packed
    monkeypatch.setattr(C, 'read_packed', lambda path, *args: read.append(path) or original(path, *args))
    assert content(pack(raw, tmp_path/'pack').path) == whole
    assert len(read) == 10                                              # six were packed before


@pytest.mark.parametrize('error', OF_THE_FILE.values(), ids=OF_THE_FILE)
def test_packing_goes_on_without_a_file_that_is_at_fault(raw, tmp_path, monkeypatch, error):
    failing(monkeypatch, raw.path(6), error)
    assert list(pack(raw, tmp_path/'pack').quarantine.sequence_id) == [6]


def test_statistics_and_report_stop(raw, tmp_path, monkeypatch):
    from asl_nb.exploration.report import data_report
    failing(monkeypatch, raw.path(6), MemoryError(), once=False)
    with pytest.raises(MemoryError, match='6.parquet'): clip_statistics(raw, workers=1, show_progress=False)
    with pytest.raises(MemoryError, match='6.parquet'): data_report(raw.root, tmp_path/'report.html')
    assert not (tmp_path/'report.html').exists()


@pytest.mark.parametrize('fault', FAULTS.values(), ids=FAULTS)
def test_importing_stops(tmp_path, fault):
    def fail(): raise fault
    takes = [(f'take {i}', fail if i == 2 else (lambda r=r: r)) for i, r in enumerate(clips(4))]
    with pytest.raises(CorpusError, match='take 2: .*nothing about the clip.*no corpus was written.*call again'):
        import_takes(takes, tmp_path/'out')
    assert not (tmp_path/'out').exists()


def test_importing_a_popular_layout_stops(tmp_path, monkeypatch):
    for t in range(3):
        (tmp_path/'MP_Data'/'up'/str(t)).mkdir(parents=True)
        for k in range(2): np.save(tmp_path/'MP_Data'/'up'/str(t)/f'{k}.npy', np.random.rand(258))
    original = Path.read_bytes
    def read(self):
        if str(self).endswith('up/1/1.npy'): raise system(errno.EMFILE)
        return original(self)
    monkeypatch.setattr(Path, 'read_bytes', read)
    with pytest.raises(CorpusError, match='up/1: .*Too many open files'): import_mp_data(tmp_path/'MP_Data', tmp_path/'out')
    monkeypatch.undo()
    data = bytearray((tmp_path/'MP_Data'/'up'/'1'/'1.npy').read_bytes())
    data = data.replace(b'(258,), }', b'(258%s,), }' % (b'0'*15))      # more than any memory: it is the file that lies
    (tmp_path/'MP_Data'/'up'/'1'/'1.npy').write_bytes(data)
    corpus = import_mp_data(tmp_path/'MP_Data', tmp_path/'out')
    assert len(corpus) == 2 and list(corpus.quarantine.path) == ['up/1']


@pytest.mark.parametrize('fault', [MemoryError(), system(errno.EMFILE)], ids=['memory', 'files'])
def test_asl_predict_stops_and_says_at_which_clip(raw, monkeypatch, capsys, fault):
    from asl_nb.cli import asl_predict
    from asl_nb.live.predictor import SignPredictor
    class Model:
        def predict(self, clip, top):
            if Path(clip) == raw.path(1): raise fault
            return [('up', 1.)]
    monkeypatch.setattr(SignPredictor, 'from_file', lambda *args: Model())
    assert asl_predict(['model', *(str(raw.path(i)) for i in range(3))]) == 1
    out, err = capsys.readouterr()
    assert str(raw.path(0)) in out and str(raw.path(2)) not in out
    assert f'{raw.path(1)}: ' in err and 'nothing about the clip' in err


def test_a_command_without_memory_is_a_line_and_no_traceback(capsys):
    from asl_nb.cli import command
    def asl_nothing(): "Nothing."; raise MemoryError('clip.parquet: too large')
    assert command(asl_nothing)([]) == 1
    assert 'asl_nothing: clip.parquet: too large' in capsys.readouterr().err


# --- from outside in -----------------------------------------------------------------------------

@pytest.fixture
def calls(monkeypatch):
    "What is done with files, in order: bytes, open, look (columns, rows), decode, layout (where columns lie)."
    done, original = [], pq.ParquetFile
    class Metadata:
        def __init__(self, real): self.real = real
        def __getattr__(self, name):
            done.append('layout' if name == 'row_group' else 'look')
            return getattr(self.real, name)
    class Looked(original):
        def __init__(self, source, *args, **kw):
            assert isinstance(source, pa.BufferReader), 'the file is not in memory'
            done.append('open')
            super().__init__(source, *args, **kw)
        @property
        def metadata(self): return Metadata(super().metadata)
        @property
        def schema_arrow(self): done.append('look'); return super().schema_arrow
        def read(self, *args, **kw): done.append('decode'); return super().read(*args, **kw)
        def iter_batches(self, *args, **kw): done.append('decode'); return super().iter_batches(*args, **kw)
    def whole(self, read=Path.read_bytes): done.append('bytes'); return read(self)
    monkeypatch.setattr(pq, 'ParquetFile', Looked)
    monkeypatch.setattr(Path, 'read_bytes', whole)
    return done


def in_order(calls): return list(dict.fromkeys(calls))


@pytest.mark.parametrize('known', [False, True], ids=['unknown', 'known'])
def test_a_recording_is_looked_at_from_outside_in(raw, calls, monkeypatch, known):
    "To ask where a damaged column lies ends the process, so that waits until something of it has been read."
    for read in (read_recording, lambda p: read_landmarks(p, 'hands', 'xy')):
        monkeypatch.setattr(A, '_IN_ORDER', set())
        if known: read(raw.path(3))
        calls.clear()
        read(raw.path(3))
        assert in_order(calls) == ['bytes', 'open', 'look', 'decode', 'layout']
    calls.clear()
    read_landmarks(raw.path(3), check=False)
    assert in_order(calls) == ['bytes', 'open', 'look', 'decode']


def table_of(raw, i): return pq.read_table(raw.path(i))


@pytest.mark.parametrize('spoil, words', [
    (lambda t: t.drop_columns('y'), "no column 'y'"), (lambda t: t.slice(0, 1000), '1000 rows'), (lambda t: t.slice(0, 0), 'no frame')])
def test_what_the_table_of_contents_gives_away_is_never_decoded(raw, calls, spoil, words):
    pq.write_table(spoil(table_of(raw, 3)), raw.path(3))
    calls.clear()
    with pytest.raises(RecordingError, match=words): raw[3]
    assert in_order(calls) == ['bytes', 'open', 'look']


def test_the_index_of_a_pack(raw, tmp_path, calls):
    path = pack(raw, tmp_path/'pack').path
    calls.clear()
    Pack.open(path)
    assert in_order(calls) == ['bytes', 'open', 'look', 'decode']
    pq.write_table(pa.table({'clip': [1, 2]}), path/'index.parquet')
    calls.clear()
    with pytest.raises(PackError, match='do not belong together|cut short'): Pack.open(path)
    assert in_order(calls) == ['bytes', 'open', 'look']


def test_the_cache_of_statistics(raw, tmp_path, calls):
    cache = tmp_path/'cache.parquet'
    clip_statistics(raw, cache=cache, workers=1, show_progress=False)
    calls.clear()
    clip_statistics(raw, cache=cache, workers=1, show_progress=False)
    assert in_order(calls) == ['bytes', 'open', 'look', 'decode']
    pq.write_table(pa.table({'clip': [1, 2]}), cache)
    calls.clear()
    with pytest.raises(ArgumentError, match='is no cache'): clip_statistics(raw, cache=cache, workers=1, show_progress=False)
    assert in_order(calls) == ['bytes', 'open', 'look']


# --- damaged files among others ------------------------------------------------------------------

@pytest.mark.parametrize('workers', [1, 2])
def test_packing_damaged_files(broken, tmp_path, workers):
    from asl_nb.cli import asl_pack
    assert asl_pack([str(broken.root), str(tmp_path/'pack'), '--workers', str(workers)]) == 0
    made = Pack.open(tmp_path/'pack')
    assert len(made) == 13 and list(made.quarantine.sequence_id) == [*BROKEN] and made.quarantine.reason.all()


def test_reporting_damaged_files(broken, tmp_path):
    from asl_nb.cli import asl_report
    assert asl_report([str(broken.root), '--out', str(tmp_path/'report.html')]) == 0
    page = (tmp_path/'report.html').read_text()
    assert '3 clips could not be read' in page
    for i in BROKEN: assert broken.clips.path[i] in page


def test_naming_signs_in_damaged_files(broken, tmp_path, capsys):
    from asl_nb.cli import asl_predict
    from asl_nb.models.registry import build_model
    from asl_nb.models.files import save_model
    model = save_model(build_model('MeanPoolPredictor', 4), tmp_path/'m.safetensors', broken.signs)
    files = [str(broken.path(i)) for i in range(len(broken))]
    assert asl_predict([str(model), *files, '--json']) == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)['clip'] for line in out.splitlines()] == [f for i, f in enumerate(files) if i not in BROKEN]
    assert '3 of 16 clips gave no answer' in err and all(files[i] in err for i in BROKEN)


# --- a file that ends the process which reads it -------------------------------------------------

@pytest.fixture
def ends(tmp_path, monkeypatch):
    "Workers with a reader that ends its process, as said, at certain clips; and what they were asked to read."
    def put(**how):
        (tmp_path/'deadly.py').write_text(textwrap.dedent(f'''
            import os, signal
            import asl_nb.data.pack_reader as C
            read, how = C.read_packed, {how!r}
            def read_clip(path, *args):
                with open({str(tmp_path/"read")!r}, 'a') as f: print(os.path.basename(path), file=f)
                exec(how.get('clip_' + os.path.basename(path).split('.')[0], ''))
                return read(path, *args)
            def serve(fd):
                C.read_packed = read_clip
                C.serve_clips(fd)
            '''))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(C, 'SERVE', 'deadly:serve')
        return lambda: (tmp_path/'read').read_text().split()
    return put


CRASH, LEAVE = 'os.kill(os.getpid(), signal.SIGSEGV)', 'os._exit(3)'


@pytest.mark.parametrize('batch', [1, 5, 16])
def test_a_clip_that_ends_its_worker_is_put_in_quarantine(raw, tmp_path, ends, batch):
    whole = pack(raw, tmp_path/'whole')
    read = ends(clip_4=LEAVE, clip_5=CRASH, clip_15=CRASH)
    made = pack(raw, tmp_path/'pack', workers=2, batch_size=batch)
    assert dict(zip(made.quarantine.sequence_id, made.quarantine.reason)) == {
        4: 'reading it ended the process (exit status 3)', 5: 'reading it ended the process (SIGSEGV)',
        15: 'reading it ended the process (SIGSEGV)'}
    assert len(made) == 13
    np.testing.assert_array_equal(made[5], whole[7])
    assert 1 <= read().count('4.parquet') <= 3


def test_every_clip_ends_its_worker(raw, tmp_path, ends):
    ends(**{f'clip_{i}': CRASH for i in range(16)})
    with pytest.raises(PackError, match='16 of 16 clips cannot be read .*SIGSEGV'): pack(raw, tmp_path/'pack', workers=2)


def test_long_clips_before_the_one_that_crashes_come_once(raw, tmp_path, ends, monkeypatch):
    "What a worker had handed over of its batch before it died is not asked for again."
    ends(clip_7=CRASH)
    small = lambda paths, *how: (paths, *how, 1)                        # each clip is a chunk of its own
    with_chunks = C.read_batches
    tasks = [small([str(raw.path(i)) for i in range(a, a + 8)], 'hands', 'xy', 'float32') for a in (0, 8)]
    got = [n for notes, _ in with_chunks(tasks, 2) for n in notes]
    assert [bool(n.reason) for n in got] == [i == 7 for i in range(16)]


def test_a_worker_that_was_killed_says_nothing_about_its_clip(raw, tmp_path, ends):
    "SIGKILL is what a machine without memory sends: nothing is put in quarantine, and the same call goes on."
    ends(clip_9='os.kill(os.getpid(), signal.SIGKILL)')
    with pytest.raises(PackError, match='a worker process was killed.*memory.*is kept.*call again'): pack(raw, tmp_path/'pack', workers=2)
    assert not (tmp_path/'pack').exists()
    assert len(pack(raw, tmp_path/'pack')) == 16


def test_a_worker_without_memory_says_so(raw, tmp_path, ends):
    ends(clip_9='raise MemoryError')
    with pytest.raises(PackError, match='memory.*is kept.*call again'): pack(raw, tmp_path/'pack', workers=2)
    assert len(pack(raw, tmp_path/'pack')) == 16


def test_workers_that_never_come_up(raw, tmp_path, monkeypatch):
    (tmp_path/'stillborn.py').write_text('def serve(fd): raise SystemExit(1)')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(C, 'SERVE', 'stillborn:serve')
    with pytest.raises(PackError, match='a worker process did not start'): pack(raw, tmp_path/'pack', workers=2)

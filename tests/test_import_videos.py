"""A folder of films becomes a corpus, whatever happens on the way: crashes, kills, a full disk, damaged films.

MediaPipe is played by a module of the same name, put where the workers look first. It sees a right hand whose height in the
picture is the picture's brightness; nobody in the dark; and it crashes on red. So the films can be tiny and the landmarks are known.
"""
import os, resource, shutil, signal, subprocess, sys, time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest

import asl_nb.data.video_corpus as V
from asl_nb.core.errors import WriteError
from asl_nb.data.corpus import Corpus, CorpusError

ROOT = Path(__file__).resolve().parents[1]
REAL = os.environ.get('ASL_REAL_DATA')

MEDIAPIPE = '''
import os, time
try: import tensorflow                      # as the real one does, where it finds it
except ImportError: pass
def log(word):
    with open(os.environ['FAKE_LOG'], 'a') as f: f.write(word + '\\n')
class Point:
    def __init__(self, y): self.x, self.y, self.z = .5, y, 0.
class Found:
    face_landmarks = left_hand_landmarks = pose_landmarks = right_hand_landmarks = None
class Hand:
    def __init__(self, y): self.landmark = [Point(y)] * 21
class Holistic:
    def __init__(self, **kw): log('open')
    def reset(self): log('reset')
    def close(self): log('close')
    def process(self, rgb):
        red, green, blue = rgb.reshape(-1, 3).mean(0)
        if red > 150 and green < 80: os.kill(os.getpid(), 11)
        if blue > 150 and red < 80: os.kill(os.getpid(), 9)
        if green > 150 and red < 80: raise MemoryError
        if rgb.size > 500: time.sleep(float(os.environ.get('FAKE_SECONDS', 0)))
        found = Found()
        if rgb.mean() > 30: found.right_hand_landmarks = Hand(round(float(rgb.mean())) / 255)
        return found
class solutions:
    class holistic: pass
solutions.holistic.Holistic = Holistic
'''


@pytest.fixture
def mediapipe(tmp_path, monkeypatch):
    "The stand-in, and beside it a TensorFlow that says so when it is imported; gives what they wrote."
    place, log = tmp_path/'modules', tmp_path/'log'
    place.mkdir()
    (place/'mediapipe.py').write_text(MEDIAPIPE)
    (place/'tensorflow.py').write_text('import os\nopen(os.environ["FAKE_LOG"], "a").write("tensorflow\\n")\n')
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv('FAKE_LOG', str(log))
    monkeypatch.setenv('PYTHONPATH', str(place))        # for processes that a test starts itself
    log.touch()
    return lambda: log.read_text().split()


def film(path, n=4, grey=120, color=None):
    "n frames of one shade, or of one RGB colour."
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = {'.avi': 'MJPG', '.webm': 'VP80'}.get(path.suffix.lower(), 'mp4v')
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), 10, (64, 64))
    for _ in range(n): out.write(np.full((64, 64, 3), (color or [grey] * 3)[::-1], np.uint8))
    out.release()
    return path


@pytest.fixture
def films(tmp_path):
    "Seven films: five of somebody, one of nobody, one that is none."
    for k, grey in enumerate((60, 90, 120, 150, 180)): film(tmp_path/'films'/f'sign{k % 2}'/f'{k}.mp4', 3 + k, grey)
    film(tmp_path/'films'/'sign1'/'empty room.mp4', grey=5)
    (tmp_path/'films'/'sign0'/'text.mov').write_text('this is no video')
    return tmp_path/'films'


def content(folder): return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob('*')) if p.is_file()}


def go(films, out, **kw): return V.import_videos(films, out, **{'workers': 1, 'show_progress': False} | kw)


def imports(films, out, workers):
    "An import in a process of its own."
    code = f'from asl_nb.data.video_corpus import import_videos; import_videos({str(films)!r}, {str(out)!r}, workers={workers}, show_progress=False)'
    path = os.pathsep.join(filter(None, [os.environ.get('PYTHONPATH'), str(ROOT)]))
    return subprocess.Popen([sys.executable, '-c', code], env=os.environ | {'PYTHONPATH': path})


def test_every_film_is_a_clip_or_has_a_reason(films, tmp_path, mediapipe):
    corpus = go(films, tmp_path/'corpus', signer='Ada')
    assert list(corpus.clips.source) == ['sign0/0.mp4', 'sign0/2.mp4', 'sign0/4.mp4', 'sign1/1.mp4', 'sign1/3.mp4']
    assert list(corpus.clips.sign) == ['sign0'] * 3 + ['sign1'] * 2 and corpus.signs == {'sign0': 0, 'sign1': 1}
    assert set(corpus.clips.signer) == {'Ada'} and set(corpus.clips.fps.astype(float)) == {10.}
    for rec, grey in zip(corpus, (60, 120, 180, 90, 150)):
        np.testing.assert_allclose(rec.xyz[:, 522:, 1], grey / 255, atol=.02)
        assert np.isnan(rec.xyz[:, :522]).all()                     # what was not seen is NaN and nothing else
    assert [len(r) for r in corpus] == [3, 5, 7, 4, 6]
    bad = pd.read_csv(corpus.root/'quarantine.csv').set_index('path').reason
    assert list(bad.index) == ['sign0/text.mov', 'sign1/empty room.mp4']
    assert 'cannot be read as a video' in bad.iloc[0] and 'nobody was seen in the 4 frames' in bad.iloc[1]
    assert not (tmp_path/'corpus.partial').exists()
    pd.testing.assert_frame_equal(Corpus.read(corpus.root).clips, corpus.clips)
    said = mediapipe()
    assert said.count('open') == said.count('close') == 1           # one worker, one tracker, closed
    assert 'tensorflow' not in said


@pytest.mark.parametrize('ending', V.VIDEO_KINDS)
def test_every_kind_of_video(tmp_path, mediapipe, ending):
    film(tmp_path/'films'/'sign'/f'1{ending.upper()}', 5)
    assert len(go(tmp_path/'films', tmp_path/'corpus')[0]) == 5


def test_signers_from_folders_and_from_a_table(films, tmp_path, mediapipe):
    for who in ('Ada', 'Ben'): film(tmp_path/'people'/who/'sign'/'1.mp4')
    corpus = go(tmp_path/'people', tmp_path/'by-folder')
    assert list(corpus.clips.signer) == ['Ada', 'Ben'] and list(corpus.signs) == ['sign']
    (tmp_path/'who.csv').write_text('clip,signer,age\n' + ''.join(f'{n},{w},7\n' for n, w in [
        ('0', '007'), ('1.mp4', 'Ben'), ('sign0/2', 'Cem'), ('sign1/3.mp4', 'Ben'), ('4', 'Ada'), ('text', 'x'), ('empty room', 'y'), ('other', 'z')]))
    corpus = go(films, tmp_path/'by-table', signers=tmp_path/'who.csv')
    assert list(corpus.clips.signer) == ['007', 'Cem', 'Ada', 'Ben', 'Ben']
    (tmp_path/'who.csv').write_text('path,signer\nsign0/0.mp4,Ada\n')
    with pytest.raises(CorpusError, match='no signer for 6 of 7 clips'): go(films, tmp_path/'x', signers=tmp_path/'who.csv')


def test_same_bytes_whatever_the_workers_and_interruptions(films, tmp_path, mediapipe, monkeypatch):
    whole = content(go(films, tmp_path/'whole').root)
    assert content(go(films, tmp_path/'three', workers=3).root) == whole
    count, others = V._count, set(psutil.Process().children())         # workers of other tests may be idle
    for stop in (1, 4, 7):
        def interrupted(bar, note, seen=[]):
            seen.append(note)
            count(bar, note)
            if len(seen) == stop: raise KeyboardInterrupt
        monkeypatch.setattr(V, '_count', interrupted)
        interrupted.__defaults__[0].clear()
        out, before = tmp_path/f'stop{stop}', mediapipe().count('reset')
        with pytest.raises(KeyboardInterrupt): go(films, out, workers=2)
        assert not out.exists() and set(psutil.Process().children()) <= others
        assert len(list(Path(f'{out}.partial').glob('*.json'))) == stop
        monkeypatch.setattr(V, '_count', count)
        before = mediapipe().count('reset')
        assert content(go(films, out, workers=2).root) == whole
        again = mediapipe().count('reset') - before                  # one when a tracker opens, one for each film
        assert again <= 2 * min(2, 7 - stop) + 7 - stop


def test_killed(films, tmp_path, mediapipe, monkeypatch):
    "kill -9: workers go, finished films stay, and the corpus of the next run is the same to the byte."
    whole = content(go(films, tmp_path/'whole').root)
    monkeypatch.setenv('FAKE_SECONDS', '.05')
    done = tmp_path/'out.partial'
    for notes in (1, 5):
        child, workers = imports(films, tmp_path/'out', 2), []
        while len(list(done.glob('*.json'))) < notes and child.poll() is None:
            workers = psutil.Process(child.pid).children(recursive=True) or workers
            time.sleep(.005)
        child.kill()
        child.wait()
        gone, alive = psutil.wait_procs(workers, timeout=15)
        assert workers and not alive, 'workers outlive the import that was killed'
        assert not (tmp_path/'out').exists()
    kept = len(list(done.glob('*.json')))
    before = mediapipe().count('reset')
    monkeypatch.delenv('FAKE_SECONDS')
    assert content(go(films, tmp_path/'out').root) == whole
    assert kept >= 5 and mediapipe().count('reset') - before <= 1 + 7 - kept
    assert not done.exists()


def test_a_film_that_crashes_the_tracker_costs_itself_alone(films, tmp_path, mediapipe):
    film(films/'sign0'/'1 crash.mp4', color=(220, 20, 20))
    film(films/'sign1'/'9 crash.mp4', color=(220, 20, 20))
    corpus = go(films, tmp_path/'corpus', workers=2)
    assert len(corpus) == 5
    bad = pd.read_csv(corpus.root/'quarantine.csv').set_index('path').reason
    assert 'ended by signal 11' in bad['sign0/1 crash.mp4'] and 'ended by signal 11' in bad['sign1/9 crash.mp4']
    with pytest.raises(V.RecordingError, match=r'(?s)4 of 9 videos gave no recording.*crash.mp4: its process was ended'):
        go(films, tmp_path/'strict', strict=True)
    assert not (tmp_path/'strict').exists()
    assert len(list((tmp_path/'strict.partial').glob('*.json'))) == 7       # a crash leaves no note: it is tried again
    film(films/'sign0'/'1 crash.mp4', grey=100)                     # mended: that film alone is done again, and the crash that stayed
    (films/'sign1'/'9 crash.mp4').unlink()
    before = mediapipe().count('reset')
    assert len(go(films, tmp_path/'strict')) == 6
    assert mediapipe().count('reset') - before == 2


@pytest.mark.parametrize('color, words', [((20, 20, 220), 'worker was killed .*not enough memory.*call again'),
                                          ((20, 220, 20), '5 greedy.mp4: there was not enough memory')])
def test_no_memory_says_nothing_about_a_film(films, tmp_path, mediapipe, color, words):
    film(films/'sign1'/'5 greedy.mp4', color=color)
    with pytest.raises(V.RecordingError, match=words): go(films, tmp_path/'corpus')
    assert not (tmp_path/'corpus').exists()
    film(films/'sign1'/'5 greedy.mp4', grey=100)                    # as with more memory
    before = mediapipe().count('reset')
    assert len(go(films, tmp_path/'corpus')) == 6
    assert mediapipe().count('reset') - before <= 3                 # five were done before


def test_a_damaged_film_is_imported_with_a_warning(films, tmp_path, mediapipe):
    data = bytearray(film(films/'sign0'/'long.mp4', 60).read_bytes())
    end = data.index(b'moov') - 4
    half = (data.index(b'mdat') + end) // 2
    data[half:end] = bytes(end - half)
    (films/'sign0'/'long.mp4').write_bytes(data)
    with pytest.warns(V.DamagedVideo, match=r'long.mp4 is damaged: \d+ of its 60 frames'): corpus = go(films, tmp_path/'corpus')
    assert 'sign0/long.mp4' in set(corpus.clips.source)
    said = Corpus.read(corpus.root).clips.set_index('source').damaged          # it is written down, not only said
    assert 'is damaged' in said['sign0/long.mp4'] and not any(said.drop('sign0/long.mp4'))


def test_a_picture_that_calls_itself_a_film_is_named(films, tmp_path, mediapipe, capsys, monkeypatch):
    monkeypatch.delenv('ASL_NB_QUIET', raising=False)
    cv2.imwrite(str(tmp_path/'still.png'), np.full((64, 64, 3), 120, np.uint8))
    (tmp_path/'still.png').rename(films/'sign0'/'still.mp4')
    with pytest.warns(V.DamagedVideo, match='still.mp4 is a still picture'): corpus = go(films, tmp_path/'corpus', show_progress=True)
    assert 'is a still picture, one frame long' in corpus.clips.set_index('source').damaged['sign0/still.mp4']
    assert '1 of 8 videos are damaged or still pictures: see the column damaged of' in capsys.readouterr().out


def test_undamaged_films_have_no_such_column(films, tmp_path, mediapipe):
    assert 'damaged' not in go(films, tmp_path/'corpus').clips


@pytest.mark.parametrize('out', ['films', '.', 'films/new', 'films/sign0', 'other'])
def test_the_films_are_never_buried(films, tmp_path, mediapipe, capsys, out):
    "Over the films, above them, inside them, or over a folder that never was a corpus: nothing is done."
    from asl_nb.cli import asl_import
    for name in ('thesis/t.txt', 'other/t.txt'):
        (tmp_path/name).parent.mkdir()
        (tmp_path/name).write_text('years of work')
    before = content(films), mediapipe()
    assert asl_import(['videos', str(films), str(tmp_path/out), '--overwrite']) == 1
    assert (content(films), mediapipe()) == before                          # not even looked at
    assert {(tmp_path/f).read_text() for f in ('thesis/t.txt', 'other/t.txt')} == {'years of work'}
    said = capsys.readouterr().err
    assert ('is no corpus' if out == 'other' else 'nothing was done') in said, said


def test_a_list_and_its_films_are_never_buried(films, tmp_path, mediapipe):
    "A list in another folder: its films lie in a corpus, which is to be replaced."
    old = go(films, tmp_path/'old').root
    shutil.copytree(films, old/'train_landmark_files'/'films')
    (tmp_path/'list.csv').write_text('path,sign\nold/train_landmark_files/films/sign0/0.mp4,x\n')
    with pytest.raises(CorpusError, match='old contains the source .*0.mp4: nothing was done'): go(tmp_path/'list.csv', old, overwrite=True)
    assert len(list(old.rglob('*.mp4'))) == 6


def test_two_at_once(films, tmp_path, mediapipe, monkeypatch):
    "The second one is told, and the first one is not disturbed."
    monkeypatch.setenv('FAKE_SECONDS', '.3')
    first, done = imports(films, tmp_path/'out', 1), tmp_path/'out.partial'
    while not (done/'lock').exists() and first.poll() is None: time.sleep(.01)
    time.sleep(.2)
    with pytest.raises(V.RecordingError, match='another process is importing just now, in .*out.partial: wait for it, or choose'): go(films, tmp_path/'out')
    assert first.wait(60) == 0 and len(Corpus.read(tmp_path/'out')) == 5
    assert not done.exists()
    with pytest.raises(CorpusError, match='is there already'): go(films, tmp_path/'out')


def test_what_others_keep_in_the_folder_of_notes_stays(films, tmp_path, mediapipe):
    (tmp_path/'out.partial').mkdir()
    (tmp_path/'out.partial'/'thesis.json').write_text('years of work')
    go(films, tmp_path/'out')
    assert os.listdir(tmp_path/'out.partial') == ['thesis.json']


@pytest.mark.parametrize('signum', [signal.SIGKILL, signal.SIGTERM])
def test_no_worker_outlives_its_import(tmp_path, signum):
    "With the genuine MediaPipe, which waits for itself for ever when it is not closed: in the middle of a film."
    pytest.importorskip('mediapipe')
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    (tmp_path/'films'/'sign').mkdir(parents=True)
    out = cv2.VideoWriter(str(tmp_path/'films'/'sign'/'1.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 12, (160, 120))
    for k in range(600): out.write(np.roll(noise, k, 1))
    out.release()
    child, workers = imports(tmp_path/'films', tmp_path/'out', 1), []
    while child.poll() is None and not workers: workers = psutil.Process(child.pid).children(recursive=True)
    while child.poll() is None and workers[0].memory_info().rss < 250e6: time.sleep(.05)       # its networks are loaded
    time.sleep(1)
    assert child.poll() is None
    child.send_signal(signum)
    child.wait()
    gone, alive = psutil.wait_procs(workers, timeout=20)
    for worker in alive: worker.kill()
    assert not alive, 'workers outlive the import that was ended'


def test_no_usable_film_no_corpus(tmp_path, mediapipe):
    film(tmp_path/'films'/'sign'/'dark.mp4', grey=0)
    with pytest.raises(V.RecordingError, match='1 of 1 videos gave no recording, and no corpus was written'): go(tmp_path/'films', tmp_path/'corpus')
    assert not (tmp_path/'corpus').exists()


def test_overwrite_keeps_the_old_until_the_new_is_complete(films, tmp_path, mediapipe, monkeypatch):
    old = content(go(films, tmp_path/'corpus').root)
    with pytest.raises(CorpusError, match='is there already'): go(films, tmp_path/'corpus')
    film(films/'sign0'/'new.mp4')
    monkeypatch.setattr(V, '_assemble', lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt): go(films, tmp_path/'corpus', overwrite=True)
    assert content(tmp_path/'corpus') == old
    monkeypatch.undo()
    monkeypatch.syspath_prepend(str(tmp_path/'modules'))
    monkeypatch.setenv('FAKE_LOG', str(tmp_path/'log'))
    assert len(go(films, tmp_path/'corpus', overwrite=True)) == 6


def test_full_disk(films, tmp_path, mediapipe):
    "A limit on the size of a file stands for the full disk; workers inherit it."
    film(films/'sign0'/'long.mp4', 300)
    soft, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, soft[1]))
    try:
        with pytest.raises(WriteError, match='File too large'): go(films, tmp_path/'corpus')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft)
        signal.signal(signal.SIGXFSZ, ignored)
    assert not (tmp_path/'corpus').exists()
    done = tmp_path/'corpus.partial'
    assert not [p for p in done.iterdir() if p.name.startswith('.')]        # nothing half written
    assert len(go(films, tmp_path/'corpus')) == 6


def test_a_place_where_nothing_can_be_written(films, tmp_path, mediapipe):
    (tmp_path/'file').write_text('a file')
    with pytest.raises(WriteError, match='not a folder'): go(films, tmp_path/'file'/'corpus')


def test_without_mediapipe_it_is_said_what_to_install(films, tmp_path, mediapipe):
    (tmp_path/'modules'/'mediapipe.py').write_text('raise ModuleNotFoundError("No module named \'mediapipe\'", name="mediapipe")\n')
    with pytest.raises(V.RecordingError, match='mediapipe is not installed'): go(films, tmp_path/'corpus')
    (tmp_path/'modules'/'mediapipe.py').write_text('__version__ = "0.10.33"\n')
    with pytest.raises(V.RecordingError, match='pip install mediapipe==0.10.21'): go(films, tmp_path/'corpus')


@pytest.mark.skipif(not REAL, reason='real films: ASL_REAL_DATA does not name the folder of real recordings')
def test_real_films_with_tensorflow_about(tmp_path, monkeypatch):
    "The genuine tracker gives what it gives alone; a TensorFlow that is installed stays out."
    (tmp_path/'modules').mkdir()
    (tmp_path/'modules'/'tensorflow.py').write_text('raise SystemExit("TensorFlow was imported")\n')
    monkeypatch.syspath_prepend(str(tmp_path/'modules'))
    for name in ('soup', 'football', 'test_video'):
        (tmp_path/'films'/name).mkdir(parents=True)
        (tmp_path/'films'/name/'1.mp4').symlink_to((Path(REAL)/'videos'/f'{name}.mp4').resolve())
    corpus = go(tmp_path/'films', tmp_path/'corpus', workers=2, strict=True)
    assert [len(r) for r in corpus] == [62, 41, 58]
    alone = V.video_to_recording(Path(REAL)/'videos'/'soup.mp4', show_progress=False)
    np.testing.assert_array_equal(corpus[1].xyz, alone.xyz)
    np.testing.assert_array_equal(corpus[1].frame, alone.frame)

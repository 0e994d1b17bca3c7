"""Input that is odd, damaged or hostile, on the whole way from a file to a sign: a clear error, nothing lost, nothing half written.

What one notebook teaches is tested there. Here is what crosses several of them, or needs a process of its own.
"""
import json, os, pickle, subprocess, sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from asl_nb.core.errors import AslNbError, WriteError
from asl_nb.data.dataset import ASL_DATASET, to_PT_DataLoader
from asl_nb.models.files import MODEL_FORMAT, ModelFileError, load_model, save_model
from asl_nb.models.registry import build_model
from asl_nb.data.pack import pack_corpus
from asl_nb.live.predictor import SignPredictor, write_video
from asl_nb.preprocessing.frontends import build_frontend
from asl_nb.data.recording import Recording, write_recording
from asl_nb.data.corpus import write_corpus
from asl_nb.data.video import video_to_parquet

SIGNS = {'fist': 0, 'flat': 1, 'point': 2}
FRONTENDS = ['seed96', 'winner118', 'body75']


def recording(frames, seed=0, **kw):
    "A hand that wanders; the other one comes and goes."
    rng = np.random.default_rng(seed)
    xyz = np.repeat(rng.random((1, 543, 3), dtype=np.float32), frames, 0)
    xyz += .002 * rng.standard_normal((frames, 1, 1), dtype=np.float32).cumsum(0)
    xyz[rng.random(frames) < .5, 468:489] = np.nan
    return Recording(xyz, **{'sign': 'fist', 'signer': 'Ada'} | kw)


@pytest.fixture(scope='module')
def extremes(tmp_path_factory):
    "A corpus of one frame, twenty, and ten thousand; and its pack."
    folder = tmp_path_factory.mktemp('extremes')
    clips = [recording(n, n, signer=who) for n, who in ((1, 'Ada'), (20, 'Ben'), (10_000, 'Cem'))]
    corpus = write_corpus(clips, folder/'raw', SIGNS)
    return corpus, pack_corpus(corpus, folder/'pack', workers=1, show_progress=False)


@pytest.fixture(scope='module')
def model_file(tmp_path_factory):
    torch.manual_seed(0)
    return save_model(build_model('MeanPoolPredictor', 3, hidden_dim=8), tmp_path_factory.mktemp('model')/'m.safetensors', SIGNS)


def test_one_frame_and_ten_thousand_are_packed_and_loaded(extremes):
    corpus, pack = extremes
    assert list(pack.clips.frames) == [1, 20, 10_000] and not len(pack.quarantine)
    batch = next(iter(to_PT_DataLoader(ASL_DATASET(pack), batch_size=3, shuffle=False)))
    assert batch.mask.sum(1).tolist() == [1, 20, 10_000] and batch.x.shape[:2] == (3, 10_000)
    thin = next(iter(to_PT_DataLoader(ASL_DATASET(pack, max_seq_length=64), batch_size=3, shuffle=False)))
    assert thin.mask.sum(1).tolist() == [1, 20, 64]
    np.testing.assert_array_equal(batch.x[2, [0, -1]], thin.x[2, [0, -1]])


@pytest.mark.parametrize('name', FRONTENDS)
def test_one_frame_and_ten_thousand_through_every_frontend(extremes, name):
    _, pack = extremes
    frontend = build_frontend(name)
    batch = next(iter(to_PT_DataLoader(ASL_DATASET(pack, rows=frontend.rows), batch_size=3, shuffle=False)))
    together, mask = frontend(batch.x, batch.mask)
    assert together.isfinite().all() and mask.any(1).all()
    for k, n in enumerate((1, 20, 10_000)):
        alone, real = frontend(batch.x[k:k + 1, :n], batch.mask[k:k + 1, :n])
        torch.testing.assert_close(together[k][mask[k]], alone[0][real[0]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('name', FRONTENDS)
def test_one_frame_and_ten_thousand_get_a_sign(extremes, name):
    corpus, _ = extremes
    torch.manual_seed(0)
    predictor = SignPredictor(build_model('MeanPoolPredictor', 3, frontend=name), SIGNS)
    clips = [corpus.path(k) for k in range(3)]
    together, alone = predictor.logits(clips), torch.cat([predictor.logits([c]) for c in clips])
    assert together.isfinite().all()
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


# --- a full disk ---------------------------------------------------------------------------------

class SomebodyIsThere:
    "Stands for a tracker that sees a whole person in every frame."
    def reset(self): pass
    def track(self, rgb): return np.random.default_rng(0).random((543, 3), dtype=np.float32)


def film(path, n=40, size=(96, 64)):
    out = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 12, size)
    for _ in range(n): out.write(np.full((size[1], size[0], 3), 40, np.uint8))
    out.release()
    return path


def big_model(folder): save_model(build_model('MeanPoolPredictor', 3, hidden_dim=256), folder/'m.safetensors', SIGNS)
def corpus(folder): write_corpus((recording(40, k) for k in range(3)), folder/'corpus')
def parquet(folder): video_to_parquet(folder.parent/'film.mp4', folder/'film.parquet', tracker=SomebodyIsThere(), show_progress=False)
def video(folder): write_video(np.random.default_rng(0).integers(0, 256, (30, 120, 160, 3), np.uint8), folder/'film.webm', fps=12)


@pytest.mark.parametrize('write', [big_model, corpus, parquet, video])
@pytest.mark.parametrize('there', [False, True], ids=['new', 'over an old one'])
def test_full_disk_leaves_nothing_half_written(tmp_path, write, there, full_disk):
    film(tmp_path/'film.mp4')
    folder = tmp_path/'out'
    folder.mkdir()
    if there and write is not corpus: write(folder)         # a corpus is not written over another unless asked for
    before = {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()}
    with full_disk(30_000), pytest.raises(OSError, match='File too large'): write(folder)
    assert {p: p.read_bytes() for p in folder.rglob('*')} == before
    write(folder)                                           # with room again it works


def on_a_tiny_disk(tmp_path):
    "A file system of 60 kB, where this machine lets us mount one."
    if os.geteuid(): pytest.skip('mounting a small file system takes root: the limit on the size of a file stands for it elsewhere')
    disk = tmp_path/'disk'
    disk.mkdir()
    if subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=60k', 'tmpfs', str(disk)], capture_output=True).returncode:
        pytest.skip('no small file system can be mounted here: the limit on the size of a file stands for it')
    return disk


def test_a_video_that_lacks_its_last_byte_is_not_whole(tmp_path, full_disk):
    "All frames can be read in it; what is cut off is the index behind them."
    video(tmp_path)
    size = (tmp_path/'film.webm').stat().st_size
    (tmp_path/'film.webm').unlink()
    with full_disk(size - 1), pytest.raises(WriteError, match='film.webm was not written'): video(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('write', [big_model, corpus, parquet, video])
def test_a_disk_that_is_really_full(tmp_path, write):
    film(tmp_path/'film.mp4')
    disk = on_a_tiny_disk(tmp_path)
    try:
        with pytest.raises(WriteError, match='was not written: the disk is full'): write(disk)
        assert not list(disk.iterdir())
    finally: subprocess.run(['umount', str(disk)], check=True)


# --- what asl_predict says -----------------------------------------------------------------------

def asl_predict(*argv):
    "The command in a process of its own: exit status, stdout, stderr."
    code = 'import sys; from asl_nb.cli import asl_predict; sys.exit(asl_predict(sys.argv[1:]))'
    env = os.environ | {'ASL_NB_QUIET': '1', 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    r = subprocess.run([sys.executable, '-c', code, *map(str, argv)], capture_output=True, text=True, env=env, timeout=120)
    return r.returncode, r.stdout, r.stderr


def test_videos_that_hold_nothing(tmp_path, model_file):
    film(tmp_path/'nobody.mp4')
    film(tmp_path/'none.mp4', n=0)
    (tmp_path/'empty.mp4').touch()
    good = write_recording(recording(9), tmp_path/'good.parquet')
    status, out, err = asl_predict(model_file, tmp_path/'nobody.mp4', tmp_path/'none.mp4', tmp_path/'empty.mp4', good, '--json')
    assert status == 1, err
    assert [json.loads(line)['clip'] for line in out.splitlines()] == [str(good)]       # the good one is answered
    assert '3 of 4 clips gave no answer' in err and 'Traceback' not in err
    assert 'nobody was seen in the 40 frames of' in err
    for name in ('none.mp4', 'empty.mp4'): assert f'{name} cannot be read as a video' in err or f'{name} holds no frames' in err


class Trap:
    "Pickled, this is an order to make a file."
    def __init__(self, target): self.target = target
    def __reduce__(self): return Path.touch, (self.target,)


def test_code_in_a_checkpoint_is_never_run(tmp_path):
    trap, clip = Trap(tmp_path/'sprung'), write_recording(recording(9), tmp_path/'clip.parquet')
    (tmp_path/'a.safetensors').write_bytes(pickle.dumps(trap))
    torch.save(trap, tmp_path/'b.ckpt')
    torch.save({'state_dict': {}, 'hyper_parameters': trap}, tmp_path/'c.safetensors')
    torch.save({'state_dict': {}, 'callbacks': trap}, tmp_path/'d.pt', _use_new_zipfile_serialization=False)
    for name, what in (('a.safetensors', 'pickle'), ('b.ckpt', 'zip'), ('c.safetensors', 'zip'), ('d.pt', 'pickle')):
        with pytest.raises(ModelFileError, match=f'{what}.*It was not loaded'): load_model(tmp_path/name)
    status, out, err = asl_predict(tmp_path/'c.safetensors', clip)
    assert status == 1 and not out and 'runs the code in it' in err and 'Traceback' not in err
    assert not (tmp_path/'sprung').exists()
    pickle.loads(pickle.dumps(trap))                        # the trap is a good one
    assert (tmp_path/'sprung').exists()


@pytest.mark.parametrize('version', [MODEL_FORMAT - 1, MODEL_FORMAT + 1, -1, 10**9])
def test_a_model_file_of_another_format(tmp_path, model_file, version):
    data = model_file.read_bytes()
    n = int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:8 + n])
    said = json.loads(header['__metadata__']['asl_nb'])
    header['__metadata__']['asl_nb'] = json.dumps(said | {'format': version})
    text = json.dumps(header).encode()
    (tmp_path/'m.safetensors').write_bytes(len(text).to_bytes(8, 'little') + text + data[8 + n:])
    why = 'before the modules of asl_nb moved into packages' if version == 1 else 'upgrade|no version'
    with pytest.raises(ModelFileError, match=f'has format {version}, and this asl_nb reads {MODEL_FORMAT}: .*({why})'):
        load_model(tmp_path/'m.safetensors')


def test_a_model_file_of_another_release_of_asl_nb_is_read(tmp_path, model_file):
    "The release is noted, not demanded: what decides is the format."
    data = model_file.read_bytes()
    mark = json.dumps(json.dumps({'asl_nb': load_model(model_file)[1].versions['asl_nb']}))[2:-2].encode()
    assert data.count(mark) == 1
    other = mark.replace(load_model(model_file)[1].versions['asl_nb'].encode(), b'9.9.9')
    assert len(other) == len(mark)
    (tmp_path/'m.safetensors').write_bytes(data.replace(mark, other))
    assert load_model(tmp_path/'m.safetensors')[1].versions['asl_nb'] == '9.9.9'


def test_every_error_is_ours():
    for error in (ModelFileError, WriteError): assert issubclass(error, AslNbError)

"""One rule for every command: it replaces only what it can prove that it wrote, looked at again in the very moment; anything else is refused
with an error that says where to write instead, and stays as it is, to the byte."""
import json, os, shutil, subprocess, sys, time
from pathlib import Path

import pytest

import asl_nb.data.pack as P
from asl_nb.cli import shell
from asl_nb.cli import asl_evaluate, asl_pack, asl_report, asl_simulate, asl_train
from asl_nb.data.corpus import Corpus, CorpusError, write_corpus
from asl_nb.data.corpus import merge_corpora
from asl_nb.data.pack import Pack, pack_corpus
from asl_nb.data.pack_reader import PackError
from asl_nb.simulation.corpus import simulate_corpus

ROOT = Path(__file__).resolve().parents[1]
ELSE = 'choose another|under another name'


def content(folder): return {str(p.relative_to(folder)): p.is_file() and p.read_bytes() for p in sorted(Path(folder).rglob('*'))}


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "A corpus, its pack, a run of one short epoch, an evaluation, and somebody's thesis."
    home = tmp_path_factory.mktemp('made')
    corpus = simulate_corpus(home/'raw', 3, 5, 2, workers=1)
    pack_corpus(corpus, home/'pack', workers=1, show_progress=False)
    assert shell(asl_train, home/'pack', '--model', 'MeanPoolPredictor', '--epochs', 1, '--out', home/'run')[0] == 0
    assert shell(asl_evaluate, home/'run/best.safetensors', home/'pack', '--out', home/'evaluation')[0] == 0
    (home/'thesis').mkdir()
    (home/'thesis/config.yaml').write_text('mine')
    (home/'thesis/scores.json').write_text('{"mine": 1}')
    return home


@pytest.fixture
def home(made, tmp_path):
    shutil.copytree(made, tmp_path/'home')
    return tmp_path/'home'


def refuses(command, *argv):
    "The command ends with status 1 and says where to write instead."
    status, out, err = shell(command, *argv)
    assert status == 1 and any(w in err for w in ELSE.split('|')), (status, out, err)
    return err


@pytest.mark.parametrize('out', ['thesis', 'run', 'pack', 'raw', 'thesis/config.yaml', 'evaluation+'])
def test_an_evaluation_replaces_evaluations_only(home, out):
    if out[-1] == '+': (home/(out := out[:-1])/'notes.txt').write_text('mine')
    before = content(home)
    refuses(asl_evaluate, home/'run/best.safetensors', home/'pack', '--out', home/out)
    assert content(home) == before


def test_an_evaluation_is_replaced_by_another(home):
    assert shell(asl_evaluate, home/'run/best.safetensors', home/'pack', '--split', 'valid', '--out', home/'evaluation')[0] == 0
    said = json.loads((home/'evaluation/scores.json').read_text())
    assert (said['format'], said['split']) == ('asl_nb.evaluation', 'validation')


def test_an_evaluation_looks_again_at_the_end(home, monkeypatch):
    import asl_nb.training.evaluation as E
    whole = E.evaluate_logits
    def slow(*args):
        shutil.copytree(home/'thesis', home/'new')         # meanwhile somebody has put a thesis there
        return whole(*args)
    monkeypatch.setattr(E, 'evaluate_logits', slow)
    refuses(asl_evaluate, home/'run/best.safetensors', home/'pack', '--out', home/'new')
    assert content(home/'new') == content(home/'thesis')


def foreign(home, how):
    "A corpus with something in it that nobody but its owner can write again."
    raw = home/'raw'
    if how == 'among the clips': next(raw.rglob('*.parquet')).with_name('thesis.txt').write_text('mine')
    if how == 'a folder of it': (raw/'train_landmark_files/thesis').mkdir(); (raw/'train_landmark_files/thesis/t.txt').write_text('mine')
    if how == 'a hidden file': (raw/'train_landmark_files/.git').write_text('mine')
    if how == 'a link': (raw/'train_landmark_files/thesis').symlink_to(home/'thesis')
    if how == 'in the table':
        (raw/'films').mkdir(); shutil.copy(next(raw.rglob('*.parquet')), raw/'films/1.parquet')
        table = (raw/'train.csv').read_text()
        (raw/'train.csv').write_text(table + f'films/1.parquet,me,999999,{table.splitlines()[1].split(",")[-1]}\n')
    if how == 'a label mended by hand': (raw/'train.csv').write_text('\n'.join((raw/'train.csv').read_text().splitlines()[:-1]) + '\n')
    if how == 'as Kaggle gives it':
        for p in raw.glob('.*'): p.unlink()
    return raw


@pytest.mark.parametrize('how', ['among the clips', 'a folder of it', 'a hidden file', 'a link', 'in the table', 'a label mended by hand',
                                 'as Kaggle gives it'])
def test_a_corpus_replaces_only_a_corpus_that_was_written_here(home, how):
    raw, other = foreign(home, how), simulate_corpus(home/'other', 2, 2, 1, workers=1)
    before = content(home)
    refuses(asl_simulate, raw, '--overwrite', '--workers', 1)
    for make in (lambda: write_corpus(iter(other), raw, overwrite=True), lambda: merge_corpora(raw, other, overwrite=True)):
        with pytest.raises(CorpusError, match=ELSE): make()
    assert content(home) == before


def test_a_corpus_of_ours_is_replaced_whatever_made_it(home):
    (home/'raw/.DS_Store').touch()
    other = simulate_corpus(home/'raw', 2, 2, 1, workers=1, overwrite=True)
    assert len(merge_corpora(home/'merged', other)) == len(merge_corpora(home/'merged', other, overwrite=True)) == 4
    assert len(write_corpus(iter(other), home/'merged', overwrite=True)) == len(Corpus.read(home/'merged')) == 4


@pytest.mark.parametrize('make', [lambda out, other: simulate_corpus(out, 2, 2, 1, workers=1, overwrite=True),
                                  lambda out, other: merge_corpora(out, other, overwrite=True),
                                  lambda out, other: write_corpus(iter(other), out, overwrite=True)])
def test_a_corpus_looks_again_at_the_end(home, monkeypatch, make):
    "While it is made, somebody puts a file among the old clips."
    raw, other = home/'raw', simulate_corpus(home/'other', 2, 2, 1, workers=1)
    whole, thesis = Corpus.save, next(raw.rglob('*.parquet')).with_name('thesis.txt')
    def slow(self, *args): thesis.write_text('mine'); return whole(self, *args)
    monkeypatch.setattr(Corpus, 'save', slow)
    with pytest.raises(CorpusError, match='thesis.txt.*choose another'): make(raw, other)
    assert thesis.read_text() == 'mine' and len(Corpus.read(raw)) == 30
    assert not [p for p in home.iterdir() if p.name.startswith('.')]


def test_saving_a_table_keeps_that_of_somebody_else(home):
    for p in (home/'raw').glob('.*'): p.unlink()          # as Kaggle gives it
    (home/'raw/sign_to_prediction_index_map.json').write_text(json.dumps(Corpus.read(home/'raw').signs))
    corpus, before = Corpus.read(home/'raw'), content(home/'raw')
    with pytest.raises(CorpusError, match=ELSE): corpus.subset([0, 1]).save()
    corpus.save()                                           # it says what is there already
    assert content(home/'raw') == before
    corpus.subset([0, 1]).save('two.csv')
    assert len(Corpus.read(home/'raw', 'two.csv')) == 2


@pytest.mark.parametrize('overwrite', [True, False])
@pytest.mark.parametrize('what', ['thesis', 'file', 'pack'])
def test_a_pack_looks_again_at_the_end(home, monkeypatch, what, overwrite):
    "What appears at `out` while it packs stays there; what is packed stays beside it."
    out, whole = home/'new', P.make_index
    def slow(*args):
        if what == 'file': out.write_text('mine')
        else: shutil.copytree(home/what, out)
        if what == 'pack': (out/'notes.txt').write_text('mine')
        return whole(*args)
    monkeypatch.setattr(P, 'make_index', slow)
    with pytest.raises(PackError, match='choose another folder.*new.partial'):
        pack_corpus(home/'raw', out, workers=1, show_progress=False, overwrite=overwrite)
    monkeypatch.undo()
    if what == 'file': assert out.read_text() == 'mine'; out.unlink()
    else: assert {**content(home/what), **content(out)} == content(out); shutil.rmtree(out)
    def no(*args): raise AssertionError('it is packed already')
    monkeypatch.setattr(P.PackWriter, 'append', no)
    assert content(pack_corpus(home/'raw', out, workers=1, show_progress=False).path) == content(home/'pack')
    assert not (home/'new.partial').exists()


def test_a_pack_that_comes_to_hold_a_thesis(home, monkeypatch):
    whole = P.make_index
    def slow(*args): (home/'pack/t.txt').write_text('mine'); return whole(*args)
    monkeypatch.setattr(P, 'make_index', slow)
    with pytest.raises(PackError, match='t.txt.*choose another folder'):
        pack_corpus(home/'raw', home/'pack', rows='hands', workers=1, show_progress=False, overwrite=True)
    assert (home/'pack/t.txt').read_text() == 'mine' and Pack.open(home/'pack').verify()


def test_what_lies_beside_a_pack_in_the_making(home):
    for name in 'old', 'pack':
        (home/'new.partial'/name).mkdir(parents=True)
        (home/'new.partial'/name/'t.txt').write_text('mine')
    pack_corpus(home/'raw', home/'new', workers=1, show_progress=False)
    shutil.rmtree(home/'new.partial/pack', ignore_errors=True)
    assert (home/'new.partial/old/t.txt').read_text() == 'mine'


@pytest.mark.parametrize('out', ['thesis', 'raw', 'pack', 'evaluation', 'thesis/config.yaml'])
def test_a_run_begins_where_nothing_is(home, out):
    before = content(home)
    refuses(asl_train, home/'pack', '--model', 'MeanPoolPredictor', '--epochs', 1, '--out', home/out)
    assert content(home) == before


def test_a_run_begins_again_only_where_no_epoch_of_it_was_finished(home):
    again = asl_train, home/'pack', '--model', 'MeanPoolPredictor', '--epochs', 1, '--out', home/'run'
    before = content(home)
    assert 'resume' in refuses(*again)
    assert content(home) == before
    for name in 'last.ckpt', 'best.safetensors', 'history.csv': (home/'run'/name).unlink()
    (home/'run/notes.txt').write_text('mine')
    refuses(*again)
    (home/'run/notes.txt').unlink()
    (home/'run/.best.partial-0123abcd.safetensors').touch()  # of a run that was killed while it wrote
    assert shell(*again)[0] == 0 and (home/'run/best.safetensors').exists()


def test_a_report_replaces_reports_only(home):
    page = home/'page.html'
    page.write_text('<html>my own</html>')
    refuses(asl_report, home/'raw', '--table_only', '--out', page)
    assert page.read_text() == '<html>my own</html>'
    page.unlink()
    for _ in range(2): assert shell(asl_report, home/'raw', '--table_only', '--out', page)[0] == 0


def test_the_demonstration(home):
    before = content(home)
    for _ in range(2):
        done = subprocess.run([sys.executable, ROOT/'tools/demo.py', '--out', home/'thesis', '--epochs', '1'], capture_output=True, text=True,
                              timeout=100, env=os.environ | {'PYTHONPATH': str(ROOT)}, cwd=home)
        assert done.returncode == 0, done.stderr
        time.sleep(1)                   # its runs are named by the second
    assert before.items() <= content(home).items() and len(os.listdir(home/'thesis/runs')) == 2

#!/usr/bin/env python3
"""Every model of the registry, trained under one budget and measured on people never seen. Writes bench/models.json and bench/models.md.

usage: [ASL_REAL_DATA=FOLDER] python bench/models.py [--data simulated letters] [--models NAME ...] [--clips N]

Every row is a run of the library's Trainer with the settings of the model's YAML file; the budget alone is common to all: batches of 32, the
same number of clips seen, no early stop. The validation people choose the epoch; the test people are looked at once, when it is chosen. A
finished row is stored at once in models.json: killed and started again, the command goes on with the rows that are missing (--again: anew).
"""
import argparse, json, os, shutil, sys, time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT/'bench'), str(ROOT)]
os.environ.setdefault('ASL_NB_QUIET', '1')
WORK, STORE, PAGE = ROOT/'out'/'models', ROOT/'bench'/'models.json', ROOT/'bench'/'models.md'
CLIPS, BATCH, THREADS = 4320, 32, 1
OTHER_EYES = {'ConvFormer + seed96': ('ConvFormer', 'seed96'),     # beside the registry: what is the network's, what its frontend's?
              'GRUPredictor + winner118': ('GRUPredictor', 'winner118')}
SLOW = ['CVTransferLearningModel', 'HybridEnsembleModel']         # last, so that a stopped run has the others
TREES = 'trees on simple features'             # no network: ExtraTrees as in webcam33.py, for comparison
LEAST = 11                                     # languages that have a letter, for it to be a class
COPIES = ['fsl']                               # every one of its clips is, byte by byte, that of 'ase': no language of its own


def simulated(folder):
    "Forty invented signs in minimal pairs, by ten signers, three takes each, ragged as real recordings are."
    from asl_nb.simulation.corpus import simulate_corpus
    return simulate_corpus(folder, n_signs=40, n_signers=10, clips_per_sign_per_signer=3, seed=0, style='ragged', workers=1)


def letters(folder):
    "The letters that nearly all of the alphabets have, each language a 'signer' of its own."
    from asl_nb.data.keypoint_arrays import KeypointLayout, import_keypoints
    if not os.environ.get('ASL_REAL_DATA'): return None
    a = dict(np.load(Path(os.environ['ASL_REAL_DATA'])/'fingerspelling.npz'))
    own = ~np.isin(a['language'], COPIES)
    names, counts = np.unique(a['letter'][own], return_counts=True)
    keep = own & np.isin(a['letter'], names[counts >= LEAST])
    length = np.diff(a['offsets'])
    a['q'] = a['q'][np.repeat(keep, length)]
    a['offsets'] = np.concatenate([[0], length[keep].cumsum()])
    for k in ('letter', 'language', 'fps'): a[k] = a[k][keep]
    layout = KeypointLayout(values='q', missing='missing', scale='scale', fps='fps', offsets='offsets', sign='letter', signer='language')
    return import_keypoints(a, folder, layout)


DATA = {'simulated': simulated, 'letters': letters}


def make_pack(name):
    "The pack of a data set, made once; None where its recordings are not at hand."
    from asl_nb.data.pack import Pack, pack_corpus
    if (WORK/name/'pack').exists(): return Pack.open(WORK/name/'pack')
    if (WORK/name).exists(): shutil.rmtree(WORK/name)        # killed while it was made
    if DATA[name](WORK/name/'raw') is None: return None
    return pack_corpus(WORK/name/'raw', WORK/name/'pack', workers=1, show_progress=False)


def settings(name, clips, n_train):
    "The model's own settings under the common budget."
    from asl_nb.core.settings import load_config
    epochs = max(1, round(clips / n_train))
    name, *frontend = OTHER_EYES.get(name, [name])
    return load_config(name).override(**{'frontend.name': f for f in frontend}, **{'data.batch_size': BATCH, 'train.epochs': epochs, 'train.device': 'cpu',
                                         'train.early_stop_patience': epochs})


def milliseconds(model, frames=38, rounds=21):
    "Processor time of one clip alone, from landmarks to logits, on one thread: the median."
    import torch
    x, took = torch.rand(1, frames, len(model.rows), len(model.frontend.dims)), []
    with torch.inference_mode():
        for _ in range(rounds + 3):
            start = time.process_time()
            model.eval()(x)
            took.append(time.process_time() - start)
    return 1000 * float(np.median(took[3:]))


def measure_row(name, pack, split, clips, out):
    "Train, choose the epoch, look at the test people once."
    import torch
    from asl_nb.training.evaluation import evaluate
    from asl_nb.models.files import load_model
    from asl_nb.training.trainer import Trainer
    torch.set_num_threads(THREADS)
    if out.exists(): shutil.rmtree(out)                      # of a run that was killed
    config, start = settings(name, clips, len(split.train)), time.process_time()
    run = Trainer(None, pack, config, split, out).train()
    seconds, scores = time.process_time() - start, evaluate(run.model_file, pack, device='cpu').scores
    model = load_model(run.model_file, 'cpu')[0]
    row = dict(accuracy=scores['accuracy'], f1=scores['f1'], valid=run.scores['accuracy'], epoch=run.best_epoch,
               epochs=len(run.history), clips=len(run.history) * len(split.train), seconds=seconds, ms=milliseconds(model),
               parameters=sum(p.numel() for p in model.parameters()), trouble=run.trouble)
    for big in out.glob('*.ckpt'): big.unlink()
    return row


def measure_trees(pack, split):
    "What 500 trees on simple features of the more visible hand find."
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import f1_score
    from webcam33 import simple_features
    X, y, start = simple_features(pack), pack.clips['y'].to_numpy(), time.process_time()
    trees = ExtraTreesClassifier(500, random_state=0).fit(X[split.train], y[split.train])
    seconds, guess = time.process_time() - start, {p: trees.predict(X[split[p]]) for p in ('valid', 'test')}
    right = {p: float((g == y[split[p]]).mean()) for p, g in guess.items()}
    return dict(accuracy=right['test'], f1=float(f1_score(y[split.test], guess['test'], average='macro')), valid=right['valid'],
                clips=len(split.train), seconds=seconds, parameters=None, ms=None)


def store(rows):
    "Write what is known so far, all or nothing."
    from asl_nb.core.errors import atomic_path
    with atomic_path(STORE) as new: new.write_text(json.dumps(rows, indent=1, sort_keys=True) + '\n')


def describe(name, pack, split):
    "A data set and its split in words."
    held = {p: split.parts[p]['signers'] for p in ('train', 'valid', 'test')}
    count = {p: len(split[p]) for p in held}
    who = 'signers' if name == 'simulated' else 'languages'
    return dict(signs=len(pack.signs), clips=count, who=who, held=held)


def number(v, form): return '' if v is None else form.format(v)


def line(name, row):
    "A row of the table; blank where nothing was run."
    if row is None: return f'| {name} | | | | | | | |\n'
    if 'error' in row: return f'| {name} | not run: {row["error"]} | | | | | | |\n'
    return (f'| {name} | {row["accuracy"]:.3f} | {row["f1"]:.3f} | {row["valid"]:.3f} | {number(row["parameters"], "{:,}")} | {row["clips"]:,} '
            f'| {row["seconds"]:,.0f} | {number(row["ms"], "{:.1f}")} |\n')


TITLES = {'simulated': 'Simulated signs, signers never seen', 'letters': 'Letters of thirteen sign languages, languages never seen'}
ABOUT = {
    'simulated': 'Invented movements in minimal pairs, not American Sign Language, ragged as real recordings are (short clips, lost hands).',
    'letters': '`fingerspelling.npz` (github.com/sign-language-processing/spoken-to-signed-translation, MIT): one clip for each letter and '
    f'language. The clips of `fsl` are those of `ase` byte by byte and are left out; the classes are the letters that at least {LEAST} of the '
    'other 15 languages have, A to Z, without accents and other alphabets, which leaves 13 languages. A letter in two languages is one class here although their hands may differ: what is asked is how much of an '
    'alphabet carries over to a language that was never seen. Few clips: a share of .2 is known to ±.09 (95 %).'}


def page(rows, clips):
    "bench/models.md."
    from asl_nb.models.registry import registry
    from run import machine
    text = f'''# Every model under one budget

`ASL_REAL_DATA=… python bench/models.py`

Each model with the settings of its YAML file (optimiser, rate, schedule, augmentation), but in batches of {BATCH} and for {clips:,} clips seen, to
the nearest whole epoch, without early stop. The epoch is chosen by accuracy on validation people; the test people, in neither, are looked at once.
Seconds are processor time of training on one thread, validation after each epoch included; milliseconds likewise, for a clip of 38 frames alone,
from landmarks to logits, the median of 21. One run, one seed: differences of a few hundredths mean nothing. A blank row was not run.
'''
    for data in DATA:
        kept, what = rows.get(data, {}), rows.get('about', {}).get(data)
        text += f'\n## {TITLES[data]}\n\n{ABOUT[data]}\n'
        if what:
            text += (f'{what["signs"]} classes; clips: ' + ', '.join(f'{k} {n}' for k, n in what['clips'].items()) +
                     f'; {what["who"]} held out: {", ".join(what["held"]["test"])} (test), {", ".join(what["held"]["valid"])} (validation).\n')
        text += '\n| model | accuracy | macro F1 | validation | parameters | clips seen | training, s | ms a clip |\n|---|---|---|---|---|---|---|---|\n'
        for name in sorted([*registry(), *OTHER_EYES, TREES]): text += line(name, kept.get(name))
    notes = ROOT/'bench'/'models_notes.md'
    if notes.exists(): text += '\n' + notes.read_text().strip() + '\n'
    dates = sorted({r['date'] for data in DATA for r in rows.get(data, {}).values() if 'date' in r})
    if dates: text += f'\nMachine: {machine()} ({" to ".join(dict.fromkeys([dates[0], dates[-1]]))}), busy with other work.\n'
    PAGE.write_text(text)


def positive(text):
    "A whole number ≥ 1, for argparse."
    n = int(text)
    if n < 1: raise argparse.ArgumentTypeError(f'{text}: expected a whole number of at least 1')
    return n


def main():
    from asl_nb.models.registry import registry
    from asl_nb.data.splits import split_signers
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--data', nargs='+', default=list(DATA), choices=list(DATA))
    p.add_argument('--models', nargs='+', default=None, help='default: all, the fast ones first')
    p.add_argument('--clips', type=positive, default=CLIPS, help=f'clips that each model sees (default {CLIPS})')
    p.add_argument('--again', action='store_true', help='run the rows that are there once more')
    p.add_argument('--page', action='store_true', help='only write models.md from models.json')
    a = p.parse_args()
    rows = json.loads(STORE.read_text()) if STORE.exists() else {}
    if rows.get('budget', [a.clips, BATCH]) != [a.clips, BATCH] and not a.page: sys.exit(
        f'models.json was made with another budget, {rows["budget"]} (clips, batch), not {[a.clips, BATCH]}: move it away, or use --clips')
    names = a.models or [*registry(), *OTHER_EYES, TREES]
    if strange := set(names) - {*registry(), *OTHER_EYES, TREES}: sys.exit(f'no model {", ".join(sorted(strange))}; there are: {", ".join(sorted(registry()))}')
    rows['budget'] = rows.get('budget', [a.clips, BATCH])
    packs = {} if a.page else {d: p for d in a.data if (p := make_pack(d))}
    for data in set(a.data) - set(packs) if not a.page else []: print(f'{data}: skipped, ASL_REAL_DATA does not name a folder', flush=True)
    splits = {d: split_signers(p, n_folds=5, fold=0) for d, p in packs.items()}
    rows['about'] = rows.get('about', {}) | {d: describe(d, p, splits[d]) for d, p in packs.items()}
    for data, name in sorted(((d, n) for d in packs for n in names), key=lambda k: (k[1] in SLOW, list(DATA).index(k[0]), 'Ensemble' in k[1], k[1])):
        if name in rows.setdefault(data, {}) and not a.again: continue
        print(f'== {data} {name}', flush=True)
        try: row = (measure_trees(packs[data], splits[data]) if name == TREES else
                    measure_row(name, packs[data], splits[data], a.clips, WORK/data/name))
        except ImportError as e: row = dict(error=str(e))
        rows[data][name] = row | dict(date=time.strftime('%Y-%m-%d'))
        store(rows)
        page(rows, a.clips)
        print(f'   {row}', flush=True)
    page(rows, rows['budget'][0])
    print(PAGE.relative_to(ROOT))


if __name__ == '__main__': main()

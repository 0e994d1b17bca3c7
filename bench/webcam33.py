#!/usr/bin/env python3
"""Accuracy on real webcam takes, recorders left out: a recurrent network beside trees on simple features. Writes bench/webcam33.md.

usage: ASL_REAL_DATA=FOLDER python bench/webcam33.py [--model BiLSTMPredictor] [--frontend body75] [--epochs N] [--folds a b …] [--augment]

The 7,695 takes of 33 signs by 14 recorders (webcam33.npz, many public repositories, evaluation only) go through the whole library: corpus,
pack, training, evaluation. Each of the five folds of recorders (webcam33_folds.json) is held out once. The epoch is chosen on two small
recorders of the other folds, one of letters and one of words, so that the large ones stay in training; the held-out recorders are looked
at once, at the end, and nothing was tuned on them. No weights are kept.
"""
import argparse, json, os, shutil, sys, time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
WORK = ROOT/'out'/'webcam33'
LAYOUT = dict(values='q', missing='missing', scale='scale', offsets='offsets', sign='y', classes='classes', signer='signer', signers='signers')
LETTERS, WORDS = ['spreadthesign_ase', 'yumenin'], ['sarms', 'jeff']     # recorders to choose the epoch by: the first not held out


def make_pack(real):
    "Corpus and pack, made once."
    from asl_nb.data.pack import Pack, pack_corpus
    from asl_nb.data.keypoint_arrays import import_keypoints
    if (WORK/'pack').exists(): return Pack.open(WORK/'pack')
    if not (WORK/'raw'/'train.csv').exists(): import_keypoints(real/'webcam33.npz', WORK/'raw', LAYOUT)
    return pack_corpus(WORK/'raw', WORK/'pack')


def simple_features(pack):
    "A fixed-length description of each take: the hand's shape about its wrist, and how it moves (its mean, spread, ends)."
    left, right = pack.select_rows('left_hand'), pack.select_rows('right_hand')
    def one(x):
        l, r = x[:, left], x[:, right]
        hand = r if np.isfinite(r).mean() >= np.isfinite(l).mean() else l * [-1, 1]
        hand = hand[np.isfinite(hand[:, 0, 0])]
        if not len(hand): return np.zeros(4 * 42 + 6, 'float32')
        size = np.linalg.norm(hand[:, 9] - hand[:, 0], axis=-1).mean() + 1e-6
        shape = ((hand - hand[:, :1]) / size).reshape(len(hand), -1)
        path = (hand[:, 0] - hand[:, 0].mean(0)) / size
        return np.concatenate([shape.mean(0), shape.std(0), shape[0], shape[-1], path.std(0), path[0], path[-1]])
    return np.stack([one(np.array(pack[i])) for i in range(len(pack))]).astype('float32')


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument('--model', default='BiLSTMPredictor')
    p.add_argument('--frontend', default='body75')
    p.add_argument('--epochs', type=int, default=None)
    p.add_argument('--folds', nargs='+', default=None)
    p.add_argument('--augment', action='store_true', help="vary the training clips, as the model's settings say")
    a = p.parse_args()
    if not os.environ.get('ASL_REAL_DATA'): sys.exit('ASL_REAL_DATA is not set: name the folder that holds webcam33.npz')
    real = Path(os.environ['ASL_REAL_DATA']).resolve()
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import accuracy_score, f1_score
    from asl_nb import evaluate, train
    folds = json.loads((real/'webcam33_folds.json').read_text())
    pack = make_pack(real)
    X, y, signer = simple_features(pack), pack.clips['y'].to_numpy(), pack.clips['signer'].astype(str).to_numpy()
    rows, names = [], list(folds)
    for name in a.folds or names:
        test = np.isin(signer, folds[name])
        trees = ExtraTreesClassifier(500, n_jobs=-1, random_state=0).fit(X[~test], y[~test])
        guess = trees.predict(X[test])
        valid = [next(r for r in few if r not in folds[name]) for few in (LETTERS, WORDS)]
        start, out = time.time(), WORK/'runs'/name
        if out.exists(): shutil.rmtree(out)
        overrides = {'data.hold_out_test': folds[name], 'data.hold_out_valid': valid, 'frontend.name': a.frontend, 'data.augment': a.augment}
        run = train(pack.path, model=a.model, out=out, **overrides, **({'train.epochs': a.epochs} if a.epochs else {}))
        seconds = time.time() - start
        found = evaluate(run.model_file, pack.path, split='test')
        rows.append(dict(fold=name, recorders=', '.join(folds[name]), clips=int(test.sum()), network=found.scores['accuracy'],
                         network_f1=found.scores['f1'], trees=accuracy_score(y[test], guess),
                         trees_f1=f1_score(y[test], guess, average='macro', labels=np.unique(y[test])), seconds=seconds))
        print(rows[-1], flush=True)
    if a.folds: return
    n = np.array([r['clips'] for r in rows])
    mean = lambda k: np.average([r[k] for r in rows], weights=n)
    command = f'ASL_REAL_DATA=… python bench/webcam33.py --model {a.model} --frontend {a.frontend}' + (f' --epochs {a.epochs}' if a.epochs else '')
    text = f'''# 33 signs from webcams, recorders left out

`{command}`

Accuracy on the recorders of a fold, none of whom is in training or chose the epoch. The baseline is scikit-learn's `ExtraTreesClassifier`
with 500 trees on {X.shape[1]} simple features of the more visible hand; it also trains on the two validation recorders,
which the network gives up.

| fold | recorders held out | clips | {a.model} | macro F1 | trees | macro F1 | training, s |
|---|---|---|---|---|---|---|---|
'''
    for r in rows: text += (f'| {r["fold"]} | {r["recorders"]} | {r["clips"]:,} | {r["network"]:.3f} | {r["network_f1"]:.3f} | {r["trees"]:.3f} '
                            f'| {r["trees_f1"]:.3f} | {r["seconds"]:.0f} |\n')
    text += f'| all | | {n.sum():,} | **{mean("network"):.3f}** | | **{mean("trees"):.3f}** | | {sum(r["seconds"] for r in rows):.0f} |\n'
    text += '\nTakes of one recorder are near copies of each other: a split within recorders would say little about a new person. The network was\n' \
            'trained without augmentation on eight to ten recorders, and the trees do better. `BiLSTMPredictor` stands for the LSTM family; the\n' \
            'seconds were taken on a machine busy with other work.\n'
    (ROOT/'bench'/'webcam33.md').write_text(text)
    print(text)


if __name__ == '__main__': main()

#!/usr/bin/env python3
"""Computes the mean face shape and its left-right partners: asl_nb/static/face_mesh.csv.

usage: ASL_REAL_DATA=FOLDER tools/face_mesh.py [OUT.csv]      (FOLDER holds asl_signs/train_landmark_files)

Every fifth frame's 468 face rows are aligned (Procrustes: shift, scale, rotation) and averaged, each signer counting the
same. To find which row is the mirror image of which, the mean is reflected, and two steps alternate until nothing
changes: match each reflected point with one of the mean (the cheapest one-to-one assignment), align the reflection by
those matches. The permutation must be its own inverse; with it the mean is made exactly symmetric.
"""
import os, sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

ROOT = Path(__file__).resolve().parents[1]
ASPECT = 3/4      # width/height of the clips' images: head tilts keep eyes and midline at right angles only near it
HEADER = '''# Mean face of the 468 MediaPipe face mesh points and the index of each point's mirror image.
# Made by tools/face_mesh.py: average over the clips of {signers} signers of Google's Isolated Sign Language Recognition data
# (asl-signs, Kaggle 2023, CC BY 4.0), made symmetric. Origin: centroid. Unit: distance between the eyes' centres.
# x to the right and y down as in the image (the signer's right eye has x < 0), z away from the camera; equal units on each
# axis: MediaPipe's x and z, fractions of the image's width, were multiplied by width/height = 3/4 first.
'''


def read_faces(folder):
    "{signer: (frames, 468, 3)}: every fifth frame in which a face was seen."
    faces = {}
    for f in sorted(Path(folder).glob('*/*.parquet')):
        t = pq.read_table(f, columns=['x', 'y', 'z'])
        a = np.stack([t[c].to_numpy() for c in 'xyz'], -1).reshape(-1, 543, 3)[:, :468]
        a = a[~np.isnan(a).any((1, 2))][::5]*[ASPECT, 1, ASPECT]     # fractions → equal units on each axis
        if len(a): faces.setdefault(f.parent.name, []).append(a)
    return {k: np.concatenate(v) for k, v in faces.items()}


def unit(shape):
    "Shapes (..., 468, 3) about their centroid, of root mean square size 1."
    shape = shape - shape.mean(-2, keepdims=True)
    return shape/np.sqrt((shape**2).sum(-1).mean(-1))[..., None, None]


def turn(a, b):
    "The rotations that take shapes `a` (..., P, 3) closest to `b` (P, 3); never a reflection (Kabsch)."
    u, s, vt = np.linalg.svd(np.swapaxes(a, -1, -2) @ b)
    u[..., -1] *= np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt


def mean_shape(faces, rounds=5):
    "Generalised Procrustes mean (468, 3), every signer with the same weight."
    faces = {k: unit(v) for k, v in faces.items()}
    mean = unit(np.mean([v.mean(0) for v in faces.values()], 0))
    for _ in range(rounds):
        mean = unit(np.mean([(v @ turn(v, mean)).mean(0) for v in faces.values()], 0))
    return mean


def mirror_partner(mean, rounds=30):
    "The index of each point's mirror image (468,), and the mean's reflection laid over it."
    reflected, partner = mean*[-1, 1, 1], None
    for _ in range(rounds):
        before, partner = partner, linear_sum_assignment(cdist(reflected, mean)**2)[1]
        reflected = reflected @ turn(reflected, mean[partner])
        if before is not None and (before == partner).all(): break
    assert (partner[partner] == np.arange(len(mean))).all(), 'the partners are not mutual'
    return partner, reflected


def symmetrise(mean, partner, reflected):
    "The mean made exactly symmetric about x = 0, unit inter-ocular distance."
    both = np.empty_like(mean)
    both[partner] = (mean[partner] + reflected)/2
    across = (both - both[partner])*np.sign(mean[:, :1])
    x = across.sum(0)/np.linalg.norm(across.sum(0))            # normal of the mirror plane
    z = np.cross(x, [0, 1, 0]); z /= np.linalg.norm(z)         # keeps "down" in the plane
    both = both @ np.stack([x, np.cross(z, x), z], 1)
    both = (both + both[partner]*[-1, 1, 1])/2
    both -= both.mean(0)
    eyes = both[[33, 133]].mean(0) - both[[263, 362]].mean(0)
    return both/np.linalg.norm(eyes)


def main():
    if 'ASL_REAL_DATA' not in os.environ: sys.exit('set ASL_REAL_DATA to the folder of real recordings')
    out = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT/'asl_nb/static/face_mesh.csv')
    faces = read_faces(Path(os.environ['ASL_REAL_DATA'])/'asl_signs/train_landmark_files')
    mean = mean_shape(faces)
    partner, reflected = mirror_partner(mean)
    shape = symmetrise(mean, partner, reflected)
    lines = [f'{i},{x:.4f},{y:.4f},{z:.4f},{p}' for i, ((x, y, z), p) in enumerate(zip(shape + 0., partner))]
    text = HEADER.format(signers=len(faces)) + 'index,x,y,z,mirror\n' + '\n'.join(lines).replace('-0.0000', '0.0000') + '\n'
    new = out.with_suffix('.tmp')
    new.write_text(text, encoding='utf-8')
    new.replace(out)
    print(f'{out}: {sum(map(len, faces.values()))} frames of {len(faces)} signers, '
          f'{(partner == np.arange(468)).sum()} points on the midline')


if __name__ == '__main__': main()

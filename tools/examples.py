#!/usr/bin/env python3
"""Writes the two example recordings in data/examples/: simulated, invented movements, not American Sign Language.

usage: examples.py [FOLDER]      (default: data/examples)
"""
import sys
from pathlib import Path

from asl_nb.simulation.phonology import SignSpec
from asl_nb.simulation.motion import make_signers
from asl_nb.data.recording import write_recording
from asl_nb.simulation.corpus import simulate_clip

FOLDER = Path(__file__).resolve().parents[1]/'data'/'examples'
SIGNS = 'flatB_chin_arc_palm-in_1h', 'A_neutral_apart_palm-down_2h'


def make(folder):
    "Write the examples into a folder, and yield their paths."
    signer = make_signers(1, seed=2026)[0]
    for name in SIGNS:
        rec = simulate_clip(SignSpec.from_name(name), signer, seed=0)
        path = write_recording(rec, Path(folder)/f'{name}.parquet')
        print(f'{path.name}: {len(rec)} frames, {path.stat().st_size // 1000} kB')
        yield path


if __name__ == '__main__': list(make(*sys.argv[1:2] or [FOLDER]))

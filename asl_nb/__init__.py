"""Isolated American Sign Language recognition from MediaPipe landmarks: a course that is also a library.

The names that one needs most can be had from here, each loaded when it is first asked for (`from asl_nb import pack_corpus, train`):

settings      Config load_config
recordings    Recording read_recording write_recording Tracker video_to_recording
corpora       Corpus write_corpus merge_corpora simulate_corpus import_mp_data import_pose import_keypoints import_videos
looking       animate plot_strip plot_trajectories draw_frame LandmarkExplorer clip_statistics explore data_report subset
packs         Pack pack_corpus Split make_split split_signers SignDataModule Batch
features      Frontend build_frontend Augment build_augment
models        SignModel Branch build_model list_models register save_model load_model check_model
training      Trainer train evaluate Evaluation
use           SignPredictor predict
errors        AslNbError ArgumentError ConfigError RecordingError CorpusError PackError SplitError ModelFileError TrainingError

Everything else has its place in a package: core, data, simulation, view, preprocessing, exploration, augmentation, models,
training, live, keras, export, cli. `help(asl_nb.train)` says what a name does; notebook and module bear the same name.
"""
__version__ = "0.1.0"

_HOMES = {
    'core.settings': 'Config ConfigError load_config', 'core.errors': 'AslNbError ArgumentError',
    'data.landmarks': 'subset draw_frame', 'data.recording': 'Recording RecordingError read_recording write_recording',
    'data.corpus': 'Corpus CorpusError write_corpus merge_corpora', 'data.importers': 'import_mp_data import_pose',
    'data.keypoint_arrays': 'import_keypoints', 'data.pack_reader': 'PackError', 'data.pack': 'Pack pack_corpus',
    'data.splits': 'Split SplitError make_split split_signers', 'data.dataset': 'SignDataModule',
    'data.video': 'Tracker video_to_recording', 'data.video_corpus': 'import_videos',
    'simulation.corpus': 'simulate_corpus', 'view.skeleton': 'plot_strip plot_trajectories', 'view.animation': 'animate',
    'view.explorer': 'LandmarkExplorer', 'exploration.statistics': 'clip_statistics', 'exploration.published': 'explore',
    'exploration.report': 'data_report', 'preprocessing.frontends': 'Batch Frontend build_frontend',
    'augmentation.chain': 'Augment build_augment', 'models.base': 'SignModel Branch',
    'models.registry': 'build_model list_models register',
    'models.files': 'ModelFileError save_model load_model check_model', 'training.module': 'TrainingError',
    'training.evaluation': 'Evaluation evaluate', 'training.trainer': 'Trainer train', 'live.predictor': 'SignPredictor predict'}
_HOMES = {name: home for home, names in _HOMES.items() for name in names.split()}
__all__ = list(_HOMES)


def __getattr__(name):
    "The thing of that name, from its own module. Raises `AttributeError` with what is close to it."
    if name not in _HOMES:
        import difflib
        close = difflib.get_close_matches(name, __all__, n=1)
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}' + (f', did you mean {close[0]!r}?' if close else ''))
    from importlib import import_module
    value = globals()[name] = getattr(import_module(f'{__name__}.{_HOMES[name]}'), name)
    return value


def __dir__(): return sorted({*globals(), *__all__})

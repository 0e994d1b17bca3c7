"""Every model that has a YAML file, one after the other: is it checked, and does it refuse what it cannot be?

What one notebook teaches is tested there. Here the registry is gone through, so that a model that is added is not forgotten.
"""
import ast, json, sys
from importlib.resources import files
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from IPython.core.inputtransformer2 import TransformerManager

from asl_nb.core.errors import AslNbError, MissingExtra
from asl_nb.core.settings import Config, list_configs, load_config
from asl_nb.models.contract import CHECKS, ContractError
from asl_nb.models.registry import build_model, get_model_params, list_models, registry
from asl_nb.models.files import load_model, save_model
from asl_nb.models.attention import YetAnotherTransformerClassifier
from asl_nb.models.ensemble import MEMBERS
from asl_nb.models.recurrent import LSTMClassifier
from asl_nb.models.registry import all_settings, branch_class
from asl_nb.models.transformer import TransformerBranch, TransformerSequenceClassifier
from asl_nb.data.recording import Recording

MODELS = sorted(list_configs())
# what a model promises, and the check that holds it to it
PROMISES = {'output shape': 'shapes', 'padding and batch composition change nothing': 'padding', 'other landmarks change nothing': 'unrelated',
            'an all-missing clip gives finite logits': 'missing', 'a gradient reaches every parameter': 'gradients', 'overfits eight clips': 'overfits',
            'torch.export with dynamic batch and time': 'export', 'state-dict round trip is exact, deterministic for a seed': 'state',
            'the same clips give the same bits': 'repeats', 'bf16 autocast finite': 'bf16', 'clips of 1 and of 1,000 frames': 'lengths'}


def shell(name, **settings):
    "A model with shapes and no numbers; a test of one whose extra is not installed is skipped, and says so."
    try:
        with torch.device('meta'): return build_model(name, 5, **settings)
    except MissingExtra as e: pytest.skip(str(e))


def cells():
    "The code cells of the notebooks, as syntax trees."
    for path in sorted((Path(__file__).resolve().parents[1]/'nbs').glob('*.ipynb')):
        for cell in json.loads(path.read_text(encoding='utf-8'))['cells']:
            if cell['cell_type'] == 'code': yield ast.parse(TransformerManager().transform_cell(''.join(cell['source'])))


def words(call):
    "The strings in a piece of source."
    return {n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and isinstance(n.value, str)}


@pytest.fixture(scope='module')
def checked():
    "Every word in a cell that calls check_model."
    calls = (t for t in cells() for n in ast.walk(t) if isinstance(n, ast.Call) and getattr(n.func, 'id', '') == 'check_model')
    return set().union(*map(words, calls))


SMALLER = {name: dict(n_models=1) for name in ('HybridEnsembleModel', 'TransformerEnsemble', 'YetAnotherEnsemble')} | {
    'CVTransferLearningModel': dict(backbone='resnet18', height=64, width=32)}


@pytest.mark.parametrize('name', MODELS)
def test_padding_changes_nothing_even_where_the_frontend_makes_none(name):
    "Eleven of twelve models see clips of 32 frames, all real: their branches are asked by themselves."
    try: model = build_model(name, 5, **SMALLER.get(name, {}))
    except MissingExtra as e: pytest.skip(str(e))
    CHECKS['padding'](model, rel=1e-4 if name == 'CVTransferLearningModel' else 1e-5)


def test_a_transformer_that_forgets_its_mask_is_found():
    model, real = build_model('TransformerPredictor', 5), torch.ones
    def forward(x, mask):
        h = TransformerBranch.forward(model.branch, x, real(mask.shape, dtype=torch.bool))
        return h._replace(mask=mask, pooled=h.features.mean(1))
    model.branch.forward = forward
    with pytest.raises(ContractError, match='padded into a batch, a clip changes what TransformerBranch makes'): CHECKS['padding'](model)


def test_every_model_is_in_the_registry(): assert MODELS == sorted(registry())


def test_the_contract_holds_all_promises(): assert set(PROMISES.values()) == {*CHECKS, 'state'}


@pytest.mark.parametrize('name', MODELS)
def test_a_notebook_checks_the_contract_of(name, checked): assert name in checked, f'no check_model({name!r}, …) in any notebook'


@pytest.mark.parametrize('name', MODELS)
def test_the_seeds_of_a_model_are_complete(name):
    "Everything a run needs is settled, and building from what a model says of itself gives the same settings."
    model = shell(name)
    with torch.device('meta'): again = build_model(model.config, 5)
    assert again.config == model.config and model.config.name == name
    assert load_config(name).model['branch'].startswith('asl_nb.models.')


def paths(d, before=''):
    "Pairs (dotted name, value) of nested settings."
    for k, v in d.items():
        if isinstance(v, dict): yield from paths(v, f'{before}{k}.')
        else: yield f'{before}{k}', v


@pytest.mark.parametrize('name', MODELS)
def test_a_models_file_says_only_what_differs_or_that_it_is_the_seeds_list(name):
    text = (files('asl_nb')/f'configs/{name}.yaml').read_text(encoding='utf-8')
    said, bare = yaml.safe_load(text), Config().to_dict()
    groups = {k: {} for k, v in said['model'].items() if isinstance(v, dict)}
    usual = dict(paths(bare | {'model': all_settings(branch_class(name), groups)}))
    same = [k for k, v in paths(said) if k in usual and usual[k] == v]
    assert bool(same) == ("The seed's list is written out" in text), same


def settings_of(d, before=''):
    "Pairs (full name, value) of a branch's settings; a mapping comes before what is in it."
    for k, v in d.items():
        if before == '' and k in ('branch', 'leaf', 'input_dim'): continue
        yield before + k, v
        if isinstance(v, dict): yield from settings_of(v, f'{before}{k}.')


def impossible(key, value):
    "Values that a setting cannot have, judged by what it has."
    if 'weights' in key: return [3]                 # a folder's name
    if isinstance(value, bool): return ['perhaps', 3]
    if isinstance(value, int): return [-1, 2.5, 'much'] + [7] * ('head' in key)
    if isinstance(value, float): return [-.1, 'much', float('nan')]
    return ['nonsense', 3]


@pytest.mark.parametrize('name', MODELS)
def test_an_impossible_setting_is_refused_by_name_value_and_what_is_allowed(name):
    for key, value in settings_of(shell(name).config.model):
        for bad in impossible(key, value):
            with pytest.raises(AslNbError) as e: shell(name, **{f'model.{key}': bad})
            said = str(e.value)
            assert key.split('.')[-1] in said and repr(bad) in said and 'expected' in said, f'{key} = {bad!r}: {said}'


@pytest.mark.parametrize('name', MODELS)
def test_an_unknown_setting_is_refused_with_the_nearest_one(name):
    model = shell(name).config.model
    places = [''] + [f'{k}.' for k, v in settings_of(model) if isinstance(v, dict)]
    for place in places:
        with pytest.raises(AslNbError, match='nonsense = 1: there is no such setting'): shell(name, **{f'model.{place}nonsense': 1})
    key = next(k for k, v in settings_of(model) if not isinstance(v, dict) and '.' not in k)
    with pytest.raises(AslNbError, match=f"mean '{key}'"): shell(name, **{f'model.{key}s': 1})
    with pytest.raises(AslNbError, match='optimizer.rate = 1: there is no such setting. There are: name, lr'): shell(name, **{'optimizer.rate': 1})
    with pytest.raises(AslNbError, match='n_classes = 5, but data.n_classes = 250'): shell(name, **{'data.n_classes': 250})


@pytest.mark.parametrize('name', MODELS)
def test_what_is_no_batch_for_this_model_is_refused(name):
    model, x = shell(name), torch.rand(2, 20, 543, 3, device='meta')
    full = torch.ones(2, 20, dtype=torch.bool, device='meta')
    for bad, mask, says in ((x[:, :, :77], None, 'its own rows. or 543'), (x[..., :1], None, 'and C ≥ 2'), (x[0], None, 'B, T, L, C'),
                            (x[:0], full[:0], 'at least one clip'), (x[:, :0], full[:, :0], 'no frame'), (x, full[:, :9], 'expected bool of shape'),
                            (x, full * float('nan'), 'expected bool')):
        with pytest.raises(AslNbError, match=says): model(bad, mask)


@pytest.mark.parametrize('name, members', [('HybridModel', ('lstm', 'transformer')), ('YetAnotherEnsemble', ('yet_another',))])
def test_settings_hold_the_defaults_of_the_members_of_a_joined_model(name, members):
    "They go into a model's file: a later version with other defaults has to build the same network."
    for kind in members:
        want = {k for k in signature(MEMBERS[kind]).parameters if k != 'in_dim'}
        assert set(shell(name).config.model[kind]) == set(get_model_params(name)['model'][kind]) == want


def test_another_default_does_not_move_a_saved_joined_model(tmp_path, monkeypatch):
    small = dict(transformer=dict(num_layers=1, dim_feedforward=32), lstm=dict(hidden_dim=8, layer_dim=1))
    model, x = build_model('HybridModel', 2, **small).eval(), torch.rand(2, 9, 543, 3)
    save_model(model, tmp_path/'m.safetensors', dict(a=0, b=1))
    names = [k for k, p in signature(TransformerBranch.__init__).parameters.items() if p.default is not p.empty]
    others = ['none' if k == 'position' else v for k, v in zip(names, TransformerBranch.__init__.__defaults__)]
    monkeypatch.setattr(TransformerBranch.__init__, '__defaults__', tuple(others))
    assert build_model('HybridModel', 2, **small).branch.members[0].position == 'none'
    assert torch.equal(load_model(tmp_path/'m.safetensors')[0](x), model(x))


CLASSIFIERS = [LSTMClassifier, TransformerSequenceClassifier, YetAnotherTransformerClassifier]


@pytest.mark.parametrize('cls', CLASSIFIERS)
def test_a_classifier_without_a_frontend_takes_the_seeds_words_and_explains_the_rest(cls):
    assert cls(num_classes=7).output_layer.num_classes == cls(output_dim=7).output_layer.num_classes == 7
    for wrong, says in ((dict(output_dims=7), "did you mean 'output_dim'"), (dict(learning_rate=.1), 'set optimizer.lr'),
                        (dict(output_dim=7, num_classes=7), 'expected one of the two'), (dict(input_dim=0), 'in_dim = 0')):
        with pytest.raises(AslNbError, match=says): cls(**wrong)


@pytest.mark.parametrize('cls', CLASSIFIERS)
def test_a_classifier_without_a_frontend_refuses_what_are_no_features(cls):
    net, x = cls(output_dim=5).eval(), torch.randn(2, 9, 192)
    for bad, mask, says in ((x[..., :7], None, 'expected a tensor .B, T, 192.'), (x[:, :0], None, 'one frame'), (x[:0], None, 'one clip'),
                            (x, torch.ones(2, 9), 'expected bool'), (x / 0 * 0, None, 'NaN'), (x[0], None, 'expected a tensor'), ([3], None, 'list')):
        with pytest.raises(AslNbError, match=says): net(bad, mask)
    full, dims = torch.ones(2, 9, dtype=torch.bool), {0: torch.export.Dim('B', max=64), 1: torch.export.Dim('T', max=64)}
    if cls is LSTMClassifier: return                   # PyTorch unrolls it over the frames unless export_program is asked
    graph = torch.export.export(net, (x, full), dynamic_shapes=dict(x=dims, mask=dims), strict=False).module()
    assert torch.allclose(graph(x.repeat(2, 2, 1), full.repeat(2, 2)), net(x.repeat(2, 2, 1), full.repeat(2, 2)), atol=1e-5)


@pytest.mark.parametrize('cls', CLASSIFIERS)
def test_the_loop_of_training_takes_a_classifier_of_features(cls):
    "The seed's LightningTransformerSequenceClassifier: the steps of training round a network without a frontend."
    from asl_nb.training.module import LightningBaseModel
    torch.manual_seed(0)
    module = LightningBaseModel(cls(output_dim=5), load_config('TransformerPredictor'), 5)
    batch = SimpleNamespace(x=torch.randn(8, 9, 192), mask=torch.arange(9) < torch.arange(2, 10)[:, None], y=torch.arange(8) % 5, clip=torch.arange(8))
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    losses = []
    for step in range(8):
        losses.append(module.training_step(batch, step))
        optimizer.zero_grad(), losses[-1].backward(), optimizer.step()
    assert losses[-1] < losses[0]


def test_targets_that_are_no_class_numbers_are_refused():
    model = build_model('MeanPoolPredictor', 5)
    out = model.outputs(torch.rand(2, 9, 543, 3))
    for y, says in (([0., float('nan')], 'class numbers'), ([0, 5], 'not in 0…4'), ([0, -1], 'not in 0…4')):
        with pytest.raises(AslNbError, match=says): model.leaves['sign'].loss(out.leaves['sign'], out.root, torch.tensor(y))


def test_infinity_does_not_reach_a_model():
    from asl_nb.live.predictor import SignPredictor
    predictor = SignPredictor(build_model('MeanPoolPredictor', 2), {'a': 0, 'b': 1})
    xyz = torch.rand(9, 543, 3)
    xyz[4, 480, 0] = float('inf')
    for ask in (predictor.predict, lambda clip: Recording(clip.numpy())):
        with pytest.raises(AslNbError, match='infinite coordinate in frame 4'): ask(xyz)


def test_the_table_has_every_model():
    table = list_models(timed=False)
    assert list(table.name) == MODELS
    known = table[table.missing.isna()] if 'missing' in table else table
    assert (known.parameters > 1000).all() and known.parameters[known.name == 'ConvFormer'].item() == 1_830_040
    assert all(name in repr(table) and name in table._repr_html_() for name in MODELS)


def test_the_table_says_which_extra_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, 'transformers', None)
    table = list_models(['CVTransferLearningModel', 'MeanPoolPredictor'], n_classes=7, timed=False)
    assert table.missing[0] == "pip install 'asl_nb[vision]'" and table.parameters.isna().tolist() == [True, False]

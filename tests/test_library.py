"""Every design of configs/ gives the exact value of an oracle that was written from the papers, not from the YAML.

The compiled function is not looked at here: tests/test_laws.py holds it to the exact value.
"""

import random
from fractions import Fraction as F
from functools import cache
from pathlib import Path

import oracle
import pytest
import torch
from oracle_library import ORACLES, Group

import shaping
from shaping import real
from shaping.compiled import draws
from shaping.compiled.apply import evaluated, token_advantage
from shaping.groups import exact
from shaping.groups.check import draw_shape
from shaping.language.vocabulary import BATCH

CONFIGS = Path(__file__).parents[1] / "configs"
DESIGNS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
TOKENS = ["entropy_tokens", "low_prob_damping"]
DOMAIN = {"maxrl": [0, F(1, 2), 1, 3], "bnpo": [0, F(1, 4), F(1, 2), 1], "unlikeliness": [0, F(1, 2), 1, 2]}
VERDICTS_ALONE = {"a_grae"}
GRADED = [0, 1, F(1, 2), -1, F(1, 10), 2]


@cache
def load(name, **params):
    return shaping.load(CONFIGS / f"{name}.yaml", **params)


def takes(name, N):
    try:
        load(name).check(N)
    except shaping.DesignError:
        return False
    return True


def group(name, N, seed, correct=None):
    """A seeded group: verdicts or graded rewards, lengths and log-probabilities with ties."""
    rng, design = random.Random(f"{seed} {N}"), load(name)
    correct = [rng.randint(0, 1) for _ in range(N)] if correct is None else correct
    judged = design.counts or name in VERDICTS_ALONE
    reward = correct if judged else [rng.choice(DOMAIN.get(name, GRADED)) for _ in range(N)]
    length = [rng.choice([1, 40, 40, 700, 1200, 5000, 18000]) for _ in range(N)]
    logprob = [-F(rng.randint(1, 40), 16) for _ in range(N)]
    tokens = [tuple(-F(rng.randint(0, 96), 32) for _ in range(rng.randint(1, 4))) for _ in range(N)]
    return Group(tuple(reward), tuple(correct), tuple(length), tuple(logprob), tuple(tokens))


def ours(design, groups, progress=F(0)):
    """Exact advantages of the YAML, and the groups with the draws that it made."""
    N = groups[0].N
    moment = design.moment(progress.numerator, progress.denominator) if design.clock else None
    columns = {"length": [g.length for g in groups], "logprob": [g.logprob for g in groups]}
    members = {}
    for node in design.draws:
        count, size = draw_shape(design, node, N, moment)
        drawn = draws.members(len(groups), N, count, size, consecutive=node.consecutive, seed=5, step=0)
        members[node] = drawn.tolist()
        subsets = [tuple(map(tuple, drawn_in_group)) for drawn_in_group in members[node]]
        groups = [
            Group(g.reward, g.correct, g.length, g.logprob, g.token_logprob, s)
            for g, s in zip(groups, subsets, strict=True)
        ]
    values = exact.batch(
        design,
        [g.reward for g in groups],
        [g.correct if design.counts else g.reward for g in groups],
        signals={signal: columns[signal] for signal in design.inputs},
        draws=members,
        moment=moment,
    )
    return [[real.nearest(value) for value in row] for row in values], groups


def theirs(name, groups, progress=F(0), **params):
    return [
        [oracle.nearest_float64(value) for value in row] for row in ORACLES[name](groups, progress=progress, **params)
    ]


def agree(name, groups, progress=F(0), **params):
    mine, groups = ours(load(name, **params), groups, progress)
    assert mine == theirs(name, groups, progress, **params), groups
    return mine


def test_every_design_has_an_oracle_and_every_oracle_a_design():
    assert set(DESIGNS) == set(ORACLES)


VALUES = [name for name in DESIGNS if name not in TOKENS]


@pytest.mark.parametrize("name", VALUES)
def test_every_verdict_of_up_to_eight_answers(name):
    tried = nonzero = 0
    for N in range(2, 9):
        if takes(name, N):
            for n_pos in range(N + 1):
                correct = [1] * n_pos + [0] * (N - n_pos)
                random.Random(n_pos).shuffle(correct)
                mine = agree(name, [group(name, N, n_pos, correct), group(name, N, -1)], progress=F(1, 3))
                tried += 1
                nonzero += any(map(any, mine))
    assert tried >= 9 and nonzero >= tried / 5


@pytest.mark.parametrize("name", [name for name in VALUES if not load(name).counts])
def test_graded_rewards(name):
    nonzero = 0
    for seed in range(21):
        N = 2 + seed % 7
        if takes(name, N):
            nonzero += any(map(any, agree(name, [group(name, N, seed), group(name, N, seed + 50)])))
    assert nonzero >= 1


@pytest.mark.parametrize("name", [name for name in VALUES if any(node.scope == BATCH for node in load(name).nodes)])
def test_batches_of_many_groups_that_differ(name):
    for seed in range(4):
        assert any(map(any, agree(name, [group(name, 6, f"{seed} {i}") for i in range(7)])))


@pytest.mark.parametrize("name", ["passk_then_pass1", "passk_annealed"])
def test_designs_that_change_over_a_run_at_every_eighth_of_it(name):
    seen = set()
    for eighth in range(9):
        seen.add(str(agree(name, [group(name, 8, 3, [1, 0, 0, 0, 0, 1, 0, 0])], progress=F(eighth, 8))))
    assert len(seen) == {"passk_then_pass1": 2, "passk_annealed": 7}[name]  # k = 8 and k = 7 give nothing at n_pos = 2


DRAWING = ["pkpo", "pkpo_loo", "pkpo_loo_minus_one", "passk_bootstrap", "combination", "exceeding_passk"]


@pytest.mark.parametrize(
    ("name", "k"), [(name, k) for name in DRAWING for k in range(1, 8) if (name, k) != ("pkpo_loo_minus_one", 1)]
)
def test_every_number_of_draws(name, k):
    for seed in range(3):
        agree(name, [group(name, 8, seed)], k=k)


def tokens(name, design, seed):
    """Of one seeded group, for each answer: what its tokens get, and what the oracle says."""
    g = group(name, 2 + seed % 6, seed)
    read_PN = evaluated(design, torch.tensor([list(map(float, g.reward))], dtype=torch.float64), None, {}, None, 0)
    width = max(map(len, g.token_logprob))
    row = [[*map(float, tokens), *[float("nan")] * (width - len(tokens))] for tokens in g.token_logprob]
    logprob_BT = torch.tensor(row, dtype=torch.float64)
    answer_B = [value.reshape(-1) for value in read_PN[1:]]
    found = token_advantage(design, g.N, logprob_BT, ~logprob_BT.isnan(), answer_B).tolist()
    (expected,) = ORACLES[name]([g])
    return found, [[*map(float, row), *[0.0] * (width - len(row))] for row in expected]


@pytest.mark.parametrize("name", TOKENS)
def test_tokens(name):
    nonzero = 0
    for seed in range(10):
        for found, expected in zip(*tokens(name, load(name), seed), strict=True):
            assert found == pytest.approx(expected, abs=1e-12)
            nonzero += any(found)
    assert nonzero > 20

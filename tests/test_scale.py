"""Groups of a thousand answers, batches of ten million, rewards that no float holds: finite, exact, or refused by name.

Two oracles: exact.py, which evaluates the YAML itself, and tests/oracle*.py, which were written from the papers. An
error is measured against the largest advantage of the group, or against 1 where that is less.
"""

import subprocess
import sys

import oracle
import pytest
import torch
from oracle_library import ORACLES, Group
from samples import CONFIGS, credit, design, fitting, grpo, many, rows
from test_laws import PUSHES_CONSTANT_GROUPS

import shaping
from shaping import real
from shaping.errors import DesignError, RewardError
from shaping.groups import exact
from shaping.language.vocabulary import BATCH

DESIGNS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def load(name):
    return shaping.load(CONFIGS / f"{name}.yaml")


VERDICTS = [name for name in DESIGNS if load(name).counts and not load(name).graded]
DRAWN = {"passk_bootstrap", "passk_full_sampling"}  # exact draws take the cube of N; tests/test_library.py has them
# What an oracle from the papers looks at one by one, subset after subset.
SUBSETS = {name for name in DESIGNS if "passk" in name or "pkpo" in name or name in ("combination", "adaptive_entropy")}
TOKENS = {"entropy_tokens", "low_prob_damping"}
CLOSE = {torch.float64: 1e-12, torch.float32: 1e-5}
every_design = pytest.mark.parametrize("name", DESIGNS)


def groups_of(name, N):
    """A design and one batch: all wrong, one right, half, all but one, all; and graded rewards of four levels."""
    made, columns = many(name, 6, N, dtype=torch.float64, seed=N)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    for row, n_pos in enumerate((0, 1, N // 2, N - 1, N)):
        verdict_N = (order < n_pos).double()
        columns["reward_PN"][row] = columns["score_PN"][row] = verdict_N
    for signal, step in (("length", 5_000), ("logprob", 1)):  # few levels: exact groups take the square of their number
        if signal in columns:
            columns[signal] = (columns[signal] / step).ceil() * step
    return made, columns


def exactly(made, columns):
    """What exact.py says of these very floats."""
    signals = {name: columns[name].tolist() for name in made.inputs}
    moment = made.moment(3, 10) if made.clock else None
    both = (columns[key].tolist() for key in ("reward_PN", "score_PN"))
    return exact.batch(made, *both, signals=signals, moment=moment)


def agree(found_PN, expected, dtype):
    """Finite, and as close as the dtype allows; some of it is not 0."""
    assert found_PN.dtype == dtype and found_PN.isfinite().all() and found_PN.any()
    for found, row in zip(found_PN.tolist(), expected, strict=True):
        within = CLOSE[dtype] * max(1, *map(abs, row))
        assert max(abs(a - b) for a, b in zip(found, row, strict=True)) <= within


# ---------------------------------------------------------------- large groups


@pytest.mark.parametrize("dtype", CLOSE, ids=str)
@pytest.mark.parametrize("name", sorted(set(DESIGNS) - DRAWN))
def test_groups_of_255_get_the_exact_value(name, dtype):
    made, columns = groups_of(name, 255)
    columns = {key: values.to(dtype) for key, values in columns.items()}
    agree(credit(made, columns), [[real.nearest(a) for a in row] for row in exactly(made, columns)], dtype)


@pytest.mark.parametrize("N", [100, pytest.param(1_024, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", sorted(set(DESIGNS) - DRAWN - SUBSETS - TOKENS))
def test_large_groups_get_what_the_papers_say(name, N):
    made, columns = groups_of(name, N)
    columns = {key: values.float() for key, values in columns.items()}
    rest = {key: columns.get(key, torch.zeros(6, N)).tolist() for key in ("length", "logprob")}
    verdict_PN = (columns["score_PN"] >= 1).long().tolist()
    groups = [
        Group(*map(tuple, row))
        for row in zip(columns["reward_PN"].tolist(), verdict_PN, rest["length"], rest["logprob"], strict=True)
    ]
    expected = ORACLES[name](groups)
    agree(credit(made, columns), [[float(a) for a in row] for row in expected], torch.float32)


@pytest.mark.parametrize("k", [1, 4, 512, 1_023, 1_024])
def test_pass_at_k_of_1024_is_rounded_once_from_its_closed_form(k):
    passk, nonzero = shaping.load(CONFIGS / "passk.yaml", k=k), 0
    for n_pos in (0, 1, 2, 511, 1_022, 1_023, 1_024):
        verdicts = [1] * n_pos + [0] * (1_024 - n_pos)
        expected = oracle.passk_closed_form(verdicts, k)
        for dtype, nearest in ((torch.float32, oracle.nearest_float32), (torch.float64, oracle.nearest_float64)):
            ends = passk(rows(verdicts, dtype=dtype))[0, [0, -1]].tolist()
            assert ends == [nearest(expected[0]), nearest(expected[-1])]
            nonzero += any(ends)
    assert nonzero or k == 1_024


@pytest.mark.nightly
@pytest.mark.parametrize("name", sorted(set(DESIGNS) - DRAWN))
def test_groups_of_1024_get_the_exact_value_for_every_count(name):
    made = fitting(name, 1_024)
    if not made.tabulated:
        made, columns = groups_of(name, 1_024)
        agree(credit(made, columns), [[real.nearest(a) for a in row] for row in exactly(made, columns)], torch.float64)
        return
    rewards = torch.ones(1_025, 1_024).tril(-1)  # row n_pos has n_pos ones
    moment = made.moment(3, 10) if made.clock else None
    found = credit(made, {"reward_PN": rewards})
    for n_pos, (right, wrong) in enumerate(exact.table(made, 1_024, moment)):
        expected = [0.0 if a is None else real.nearest(a, mantissa=24, min_exponent=-149) for a in (right, wrong)]
        row = torch.where(rewards[n_pos] == 1, *torch.tensor(expected))
        assert torch.equal(found[n_pos], row)
    assert found.any()


# ---------------------------------------------------------------- rewards that no float holds


@pytest.mark.parametrize("level", [0.1, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("name", [name for name in DESIGNS if name != "a_grae" and "r" in load(name).signals])
def test_a_large_group_of_equal_rewards_gives_exactly_nothing(name, level):
    for N, dtype in ((2, torch.bfloat16), (255, torch.float16), (255, torch.float64), (1_000, torch.float32)):
        made, columns = many(name, 3, N)
        columns = {key: values[:, :1].expand(3, N).to(dtype) for key, values in columns.items()}
        columns["reward_PN"] = torch.full((3, N), level, dtype=dtype)
        if name not in VERDICTS:
            columns["score_PN"] = columns["reward_PN"]
        found = credit(made, columns)
        assert found.dtype == dtype and found.isfinite().all()
        assert name in PUSHES_CONSTANT_GROUPS or not found.any()


def test_the_known_fault_of_rewards_that_no_float_holds_is_not_ours():
    # torch.std of nine times 0.95 in float32 is about 6e-8, so (r - mean) / std would be of order 1
    same = torch.full((1, 9), 0.95)
    assert (same.std() > 0) or ((same - same.mean()) != 0).any()
    assert not shaping.load(CONFIGS / "grpo_sample_std.yaml")(same).any()


@every_design
def test_a_minus_before_a_zero_changes_nothing(name):
    made, columns = many(name, 50, 8)
    columns["reward_PN"] = columns["reward_PN"].masked_fill(columns["reward_PN"] == columns["reward_PN"][0, 0], 0)
    negative = columns | {key: negated(columns[key]) for key in ("reward_PN", "score_PN")}
    assert any(values.signbit().any() for values in negative.values())
    assert torch.equal(credit(made, negative), credit(made, columns))


def negated(values):
    """-0.0 for every zero."""
    return torch.where(values == 0, -values, values)


# ---------------------------------------------------------------- what is almost a verdict


@pytest.mark.parametrize("name", VERDICTS)
def test_one_minus_a_ten_millionth_is_no_verdict_and_is_named(name):
    for dtype, shown in ((torch.float32, "0.9999998807907104"), (torch.float64, "0.9999999")):
        made, columns = many(name, 3, 8, dtype=dtype)
        columns["score_PN"][2, 5] = 1 - 1e-7
        with pytest.raises(RewardError, match=rf"score {shown} at prompt 2, answer 5 is neither 0 nor 1"):
            credit(made, columns)
    for dtype in (torch.bfloat16, torch.float16):  # there it is 1
        made, columns = many(name, 3, 8, dtype=dtype)
        columns["score_PN"][2, 5] = 1 - 1e-7
        assert columns["score_PN"][2, 5] == 1 and credit(made, columns).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_of_the_numbers_of_two_bytes_around_0_and_1_three_are_verdicts(dtype):
    every = torch.arange(-(2**15), 2**15, dtype=torch.int32).to(torch.int16).view(dtype)
    near = every[(every.abs() < 4 * torch.finfo(dtype).tiny) | ((every.abs() > 0.9) & (every.abs() < 1.1))]
    psr, taken = shaping.load(CONFIGS / "psr.yaml"), []
    for value in near:
        try:
            psr(value.expand(1, 2))
            taken.append(str(value.item()))
        except RewardError:
            continue
    assert len(near) > 100 and sorted(taken) == ["-0.0", "0.0", "1.0"]


# ---------------------------------------------------------------- where digits would be lost


@pytest.mark.parametrize(
    "formula",
    [
        "(r - mean(r)) / std(r)",
        "(r - mean(r)) / std(r) + 0 * mean(r)",
        "(r - mean(r, where=r > 0)) / std(r, where=r > 0)",
    ],
)
def test_rewards_that_differ_in_their_last_digits_are_told_apart(formula):
    # two values are one standard deviation from their mean, however close they are
    close = design(formula, flat=0)(rows([0.95, 0.95 + 2**-20], [0.1, 0.1 + 2**-26]))
    assert close.tolist() == [[pytest.approx(-1, rel=1e-6), pytest.approx(1, rel=1e-6)]] * 2


def test_a_selection_of_answers_is_told_apart_by_its_last_digits_too():
    gfpo = shaping.load(CONFIGS / "gfpo.yaml", keep_k=2)
    kept = gfpo(rows([0.95, 0.95 + 2**-20, 7]), length=rows([1, 1, 9]))
    assert kept.tolist() == [[pytest.approx(-1, rel=1e-6), pytest.approx(1, rel=1e-6), 0]]


def test_an_answer_that_is_not_the_best_gets_exactly_nothing_where_only_the_best_does():
    best = shaping.load(CONFIGS / "grpo_passk_verl.yaml")(rows([0.1, 0.3, 0.7, 0.95], [0.3, 0.7, 0.1, 0.7]))
    assert best.tolist() == [[0, 0, 0, 0.25], [0, 0, 0, 0]]  # 0.95 - 0.7; two that are best leave nothing


def test_rewards_whose_squares_leave_the_floats_are_refused_and_do_not_become_nothing():
    with pytest.raises(DesignError, match="the advantage of prompt 1, answer 0 is nan: a formula left the range of"):
        grpo()(rows([1, 0], [1e25, -1e25]))
    assert grpo()(rows([1e25, -1e25], dtype=torch.float64)).tolist() == [[1, -1]]
    for spread in ("std(r)", "var(r)", "std(r, where=r > -5)", "var(r, where=r > -5)"):
        with pytest.raises(DesignError, match="the advantage of prompt 0, answer 0 is nan: a formula left the range"):
            design(f"(r - mean(r)) / {spread}", flat=0)(rows([1e20, 0, 0, 1]))


def test_the_spread_of_ten_million_rewards_is_right_to_six_digits():
    # one in five is right: mean 0.2, std 0.4, so (1 - 0.2) / 0.4 = 2 and -0.2 / 0.4; a running sum of squares is off
    # by half a percent
    lite = shaping.load(CONFIGS / "lite_ppo.yaml")
    found = lite(rows([1, 0, 0, 0, 0]).expand(2_000_000, 5))
    assert found[0].tolist() == pytest.approx([2, -0.5, -0.5, -0.5, -0.5], rel=1e-6)
    assert torch.equal(found, found[:1].expand_as(found))


def test_ten_million_answers_are_counted_one_by_one():
    rewards = rows([1, 0, 0, 0, 0]).expand(2_000_000, 5)
    assert design("count(r > 0, over=batch) + r")(rewards)[0].tolist() == [2_000_001, *[2_000_000] * 4]
    assert design("sum(r, over=batch) + 0 * r")(rewards)[0, 0] == 2_000_000
    assert design("mean(r, over=batch) + 0 * r")(rewards)[0, 0] == pytest.approx(0.2, rel=1e-7)


# ---------------------------------------------------------------- ten million answers

TEN_MILLION = """
import resource, torch
from samples import credit, many
N = {N}
made, columns = many("{name}", 10_000_000 // N, N)
columns["reward_PN"][0, 0] = columns["score_PN"][0, 0] = 1  # one answer that is better than all others
found = credit(made, columns)
assert found.isfinite().all() and found.shape == columns["reward_PN"].shape
assert found.any() or N == 2  # the best of both is the same for both
places = [(0, 1), (0, 100)] + ([] if made.draws else [(1_234, 1_241), (9_000, 9_765)])
for first, last in places if {alone} else []:
    few = credit(made, {{key: values[first:last] for key, values in columns.items()}})
    assert torch.equal(few.view(torch.int32), found[first:last].view(torch.int32)), (first, last)
torch.set_num_threads(1)
if made.draws:  # ten billion numbers are drawn for groups of 1,024: once is enough
    columns = {{key: values[:100] for key, values in columns.items()}}
again = credit(made, columns)
assert torch.equal(again.view(torch.int32), found[: len(again)].view(torch.int32))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.nightly
@pytest.mark.parametrize("N", [2, 8, 1_024])
@every_design
def test_ten_million_answers_need_less_than_four_gigabytes_and_change_no_bit_of_a_group(name, N):
    alone = not any(node.scope == BATCH for node in fitting(name, N).nodes)
    code = TEN_MILLION.format(name=name, N=N, alone=alone)
    command = [sys.executable, "-c", code]
    environment = {"PYTHONPATH": f"{CONFIGS.parent}:{CONFIGS.parent / 'tests'}", "PATH": ""}
    kilobytes = int(subprocess.check_output(command, text=True, env=environment))
    assert kilobytes < 4_000_000

"""Groups of rewards 0 and 1 get the float nearest to the exact value, whatever stands beside them in the batch."""

from fractions import Fraction
from itertools import product

import pytest
import torch
from samples import CONFIGS, credit, design, fitting, rows

import shaping
from shaping import kernels, real
from shaping.compiled import pieces
from shaping.compiled.apply import evaluated, token_advantage
from shaping.compiled.looked_up import looks_up, table
from shaping.errors import DesignError, RewardError
from shaping.groups import exact

DESIGNS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
LOOKED_UP = [name for name in DESIGNS if looks_up(shaping.load(CONFIGS / f"{name}.yaml"))]
every_such = pytest.mark.parametrize("name", LOOKED_UP)


def nearest(value, dtype):
    return real.nearest(value) if dtype == torch.float64 else real.nearest(value, mantissa=24, min_exponent=-149)


def every_group(N, dtype=torch.float32):
    return torch.tensor(list(product([0.0, 1.0], repeat=N)), dtype=dtype)


def same(a, b):
    return a.dtype == b.dtype and torch.equal(a + 0, b + 0) and a.shape == b.shape


def test_most_designs_of_the_library_that_read_rewards_are_looked_up():
    assert len(LOOKED_UP) >= 16
    assert {"grpo", "rloo", "pkpo", "f_grpo", "rs_grpo", "entropy_tokens", "without_easy"} <= set(LOOKED_UP)
    # tables anyway; lengths; the batch; draws
    assert not {"passk", "opo", "bnpo", "passk_bootstrap"} & set(LOOKED_UP)


@every_such
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_group_of_verdicts_gets_the_float_nearest_to_the_exact_value(name, dtype):
    for N in (2, 5):
        made = fitting(name, N)
        groups = every_group(N, dtype)
        expected = exact.batch(made, groups.tolist(), moment=made.moment(3, 10) if made.clock else None)
        found = credit(made, {"reward_PN": groups})
        assert found.tolist() == [[nearest(value, dtype) for value in row] for row in expected] and found.any()


@every_such
def test_other_groups_beside_it_change_no_bit(name):
    N = 5
    made, verdict_PN = fitting(name, N), every_group(N)
    alone = credit(made, {"reward_PN": verdict_PN})
    if made.counts:
        return  # takes no other groups
    graded_PN = torch.rand(len(verdict_PN), N, generator=torch.Generator().manual_seed(0))
    others = credit(made, {"reward_PN": graded_PN})
    for order in ("beside", "before", "between"):
        if order == "between":
            both = torch.stack((verdict_PN, graded_PN), 1).flatten(0, 1)
            found = credit(made, {"reward_PN": both}).unflatten(0, (-1, 2)).unbind(1)
        else:
            pair = (verdict_PN, graded_PN) if order == "beside" else (graded_PN, verdict_PN)
            found = credit(made, {"reward_PN": torch.cat(pair)}).chunk(2)
            found = found if order == "beside" else found[::-1]
        assert same(found[0], alone) and same(found[1], others)
    partly = verdict_PN.clone()
    partly[:, 2] = 0.5
    mixed = credit(made, {"reward_PN": torch.cat((partly, verdict_PN))})
    assert same(mixed[len(partly) :], alone) and same(mixed[: len(partly)], credit(made, {"reward_PN": partly}))


@every_such
def test_the_table_is_one_function_that_torch_compile_takes_whole(name):
    made = fitting(name, 4)
    moment = made.moment(3, 10) if made.clock else None
    groups = every_group(4)
    known = table(made, 4, torch.float32, groups.device, moment)
    assert known.known_n is None
    torch._dynamo.reset()
    compiled = torch.compile(known.function, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(groups), credit(made, {"reward_PN": groups}))


def test_what_is_almost_0_or_1_is_computed():
    # 1e-45 is the smallest float32; a rank tells it from 0
    ranks = design("rank(r)")
    assert ranks(rows([1e-45, 0, 0], [0, 1, 0], [1 - 2**-24, 1, 1])).tolist() == [[2, 0, 0], [0, 2, 0], [0, 1, 1]]
    assert design("(r - mean(r)) / std(r)", flat=0)(rows([1 - 2**-20, 1], [1, 1])).tolist() == [[-1, 1], [0, 0]]
    off_P = kernels.off_verdicts(rows([1, 0], [-0.0, 1], [1e-45, 0], [1 + 2**-23, 1], [-1, 0], [torch.nan, 0]))
    assert (off_P == 0).tolist() == [True, True, False, False, False, False]


def test_rewards_and_scores_have_to_be_the_same_where_a_design_reads_both():
    # r - p with a right answer that is paid nothing: p = 1/2 for both
    both = design("r - p")
    assert both(rows([1, 0], [0, 0]), rows([1, 0], [1, 0])).tolist() == [[0.5, -0.5], [-0.5, -0.5]]
    # rewards alone: what scores say is not read
    assert design("r - mean(r)")(rows([1, 0]), rows([0.3, 7])).tolist() == [[0.5, -0.5]]


def test_a_design_that_calls_1_wrong_is_believed():
    # `correct: score < 1/2`: of [1, 0, 0] two are correct
    lazy = design("r + n_pos", correct="score < 0.5")
    assert lazy(rows([1, 0, 0], [1, 1, 1])).tolist() == [[3, 2, 2], [1, 1, 1]]
    strict = design("r + 10 * n_pos", correct="score > 1")
    assert strict(rows([1, 0, 2], [1, 0, 0])).tolist() == [[11, 10, 12], [1, 0, 0]]
    usual = design("(r + n_pos) / 3", correct="score > 0.25")
    expected = [[nearest(Fraction(n, 6), torch.float32) for n in row] for row in ((4, 2), (3, 2))]
    assert usual(rows([1, 0], [0.5, 0])).tolist() == expected


def test_what_is_left_of_a_group_is_looked_up_among_as_many_as_are_left():
    dropping = shaping.loads("on_missing: drop\nadvantage:\n  each: (r - mean(r)) / std(r, ddof=1)\n  flat: 0")
    plain = design("(r - mean(r)) / std(r, ddof=1)", flat=0)
    nan = torch.nan
    found = dropping(rows([1, 0, nan, 1], [nan, 0.25, 1, 0], [1, 1, 0, 0], [nan, nan, nan, 1]))
    assert found[0, [0, 1, 3]].tolist() == plain(rows([1, 0, 1]))[0].tolist() and found[0, 2] == 0
    assert found[2].tolist() == plain(rows([1, 1, 0, 0]))[0].tolist() and not found[3].any()
    assert found[1, 1:].tolist() == pytest.approx(plain(rows([0.25, 1, 0]))[0].tolist(), rel=1e-6)
    expected = exact.advantages(plain, [1, 0, 1])
    assert found[0, [0, 1, 3]].tolist() == [nearest(value, torch.float32) for value in expected]


def test_groups_that_the_table_has_no_number_for_are_computed():
    # exp(200) is no float32, and a group without a correct answer needs none: n_pos e^200 / 10 at n_pos = 1 is refused
    steep = design("exp(200 * max(r)) * 0.1")
    assert steep(rows([0, 0], [0.25, 0])).tolist()[0] == pytest.approx([0.1, 0.1])
    with pytest.raises(DesignError, match="the advantage of prompt 1, answer 0 is inf: a formula left the range of"):
        steep(rows([0, 0], [1, 0]))
    # where only the way there leaves the floats, the table knows better: e^200 / (e^200 + 1)
    assert design("exp(200 * r) / sum(exp(200 * r))", flat=0)(rows([1, 0]))[0].tolist() == [1, pytest.approx(0)]


def test_a_token_section_reads_the_advantage_that_was_looked_up():
    made = shaping.loads("advantage: {each: (r - mean(r)) / std(r), flat: 0}\ntoken: (A / 3 + r) * token_surprisal")
    groups = rows([1, 0, 0, 0], [0.5, 0, 0, 0])
    for part in (groups, groups[:1]):
        advantage_PN, *read = evaluated(made, part, None, {}, None, 0)
        assert advantage_PN[0].tolist() == [nearest(a, torch.float32) for a in exact.advantages(made, [1, 0, 0, 0])]
        token_BT = token_advantage(made, 4, -torch.ones(4, 1), torch.ones(4, 1), [x[0] for x in read])
        assert token_BT[:, 0].tolist() == pytest.approx([3**0.5 / 3 + 1, *[-(3**-0.5) / 3] * 3], rel=1e-6)


# ---------------------------------------------------------------- pieces, and threads that each take some


@pytest.fixture(params=[1, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 64)
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    assert torch.get_num_threads() == request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["grpo", "f_grpo", "passk", "pkpo_loo", "entropy_tokens", "w_reinforce"])
def test_pieces_and_threads_change_no_bit(name, threads, monkeypatch):
    made, generator = shaping.load(CONFIGS / f"{name}.yaml"), torch.Generator().manual_seed(0)
    groups = (torch.rand(999, 8, generator=generator) < 0.3).float()
    if not made.counts:
        groups[::3] = torch.rand(333, 8, generator=generator)
    in_pieces = made(groups)
    with torch.inference_mode():
        assert same(made(groups), in_pieces)
    monkeypatch.setattr(pieces, "PIECE", 1 << 20)
    assert same(made(groups), in_pieces) and in_pieces.any()
    half = made(groups.double()).float()
    assert torch.allclose(half, in_pieces, rtol=1e-5, atol=1e-6)


def test_what_is_refused_is_named_by_its_place_in_the_whole_batch(threads):
    groups = torch.zeros(500, 8)
    groups[300, 5] = torch.nan
    with pytest.raises(RewardError, match="reward nan at prompt 300, answer 5 is not a finite number"):
        design("r - mean(r)")(groups)
    with pytest.raises(RewardError, match="reward nan at prompt 300, answer 5 is neither 0 nor 1"):
        design("n_pos")(groups)
    with pytest.raises(RewardError, match="score 0.5 at prompt 400, answer 1 is neither 0 nor 1"):
        scores = torch.zeros(500, 8)
        scores[400, 1] = 0.5
        design("r - p")(torch.zeros(500, 8), scores)
    groups[300, 5], groups[10, 1] = torch.inf, 1_000  # what cannot be used comes before what leaves the floats
    with pytest.raises(RewardError, match="reward inf at prompt 300, answer 5"):
        design("exp(r)")(groups)
    groups[300, 5] = 0
    with pytest.raises(DesignError, match="the advantage of prompt 10, answer 1 is inf"):
        design("exp(r)")(groups)
    with pytest.raises(DesignError, match="the advantage of prompt 10, answer 1 is inf: a formula left .*float16"):
        design("r * 70000")(torch.eye(16, 8, dtype=torch.float16)[[8] * 10 + [1]])

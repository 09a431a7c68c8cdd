"""The same rewards give the same bits: in any batch, wherever they lie in memory, in any process, on all its threads.

Sums of floats depend on their order, and torch chooses the order: by how a tensor lies in memory, by the number of
threads, by the place of a value in a stretch of memory. Batches here are so long that torch uses several threads.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from samples import CONFIGS, credit, design, fitting, many, rows

import shaping
from shaping import kernels
from shaping.compiled import apply
from shaping.compiled.apply import evaluated, token_advantage

DESIGNS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
TOKENS = ["entropy_tokens", "low_prob_damping"]
every_design = pytest.mark.parametrize("name", DESIGNS)


def looks_at_other_groups(name):
    return shaping.load(CONFIGS / f"{name}.yaml").reads_batch


def same(a, b):
    """To the last bit, signs of zeros included."""
    return a.dtype == b.dtype and a.contiguous().view(torch.uint8).equal(b.contiguous().view(torch.uint8))


@pytest.fixture
def threads():
    """Sets how many threads torch uses; the test's end sets what there were."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_one_last_bit_and_the_sign_of_a_zero_are_noticed():
    one = rows([1, 0])
    assert same(one, one.clone())
    assert not same(one, rows([1 + 2**-23, 0])) and not same(one, rows([1, -0.0])) and not same(one, one.double())


# ---------------------------------------------------------------- in any batch


@pytest.mark.parametrize("name", [name for name in DESIGNS if not looks_at_other_groups(name)])
def test_a_group_gets_the_same_bits_alone_among_seven_and_among_thousands(name):
    for N, P in ((3, 12_000), (33, 1_100)):
        made, columns = many(name, P, N)
        together = credit(made, columns)
        assert together.any()
        for place in (0, 1_001, P - 7) if not made.draws else (0,):  # draws go by the place of the prompt
            for few in (1, 7):
                part = slice(place, place + few)
                alone = credit(made, {key: values[part] for key, values in columns.items()})
                assert same(alone, together[part])


def test_a_whole_group_gets_the_same_bits_whatever_other_groups_miss():
    made = shaping.loads("on_missing: drop\nadvantage: {each: (r - mean(r)) / std(r), flat: 0}")
    whole = torch.rand(200, 8, generator=torch.Generator().manual_seed(0))
    one_gone, none_left = whole[:1].clone(), torch.full((1, 8), torch.nan)
    one_gone[0, 3] = torch.nan
    together = made(torch.cat([none_left, whole, one_gone]))
    assert same(together[1:-1], made(whole)) and not together[0].any() and together[-1, 3] == 0
    assert same(together[-1:], made(one_gone))
    tokens = shaping.loads("on_missing: drop\nadvantage: (r - mean(r)) / (1 + std(r))\ntoken: A * position")
    alone, mixed = (evaluated(tokens, x, None, {}, None, 0) for x in (whole, torch.cat([none_left, whole])))
    assert len(alone) == len(mixed) == 2 and all(same(a, b[1:]) for a, b in zip(alone, mixed, strict=True))


@pytest.mark.parametrize("formula", ["r ** 0.37", "1.7 ** r", "r ** r", "sigmoid(r)", "tanh(r)", "log(r) + exp(-r)"])
def test_no_function_rounds_otherwise_at_the_end_of_a_batch(formula):
    made = design(formula, flat=0)
    values = torch.rand(11_003, 3, generator=torch.Generator().manual_seed(0)) * 4 + 0.01
    for dtype in (torch.float32, torch.float64):
        together = made(values.to(dtype))
        assert same(torch.cat([made(part.to(dtype)) for part in values.split(1_000)]), together)
        assert same(torch.cat([made(part.to(dtype)) for part in values[-40:].split(1)]), together[-40:])


def test_powers_and_sigmoids_are_right_to_the_last_bit_or_two():
    x = torch.linspace(-80, 80, 10_001, dtype=torch.float64)
    assert torch.allclose(kernels.sigmoid(x), torch.sigmoid(x), rtol=1e-15, atol=0)
    for exponent in (0.37, 4.0, -3.0, 1.5):
        base = x.abs() + 0.01
        assert torch.allclose(kernels.power(base, exponent), base**exponent, rtol=1e-15, atol=0)
    # whole powers of what floats hold are held: 3^5, (-2)^7, and 2^-3
    assert kernels.power(rows([3.0, -2.0, 2.0]), rows([5.0, 7.0, -3.0])).tolist() == [[243, -128, 0.125]]
    assert kernels.power(2.0, rows([10.0, 0.0])).tolist() == [[1024, 1]]


# ---------------------------------------------------------------- wherever the rewards lie in memory

LAYOUTS = {
    "prompts last": lambda x: x.t().contiguous().t(),
    "every second number": lambda x: torch.stack((x, x), -1)[..., 0],
    "one number further on": lambda x: torch.cat((x.new_zeros(1), x.flatten()))[1:].view(x.shape),
    "part of wider rows": lambda x: torch.cat((x, x), 1)[:, : x.shape[1]],
}


@every_design
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_rewards_give_the_same_bits_if_they_lie_in_memory_as(name, layout):
    made, columns = many(name, 300, 33)
    elsewhere = {key: LAYOUTS[layout](values) for key, values in columns.items()}
    assert same(credit(made, elsewhere), credit(made, columns))


@every_design
def test_one_number_for_a_whole_group_gives_what_its_copies_give(name):
    made, columns = many(name, 500, 8)
    once = {key: values[:, :1].expand(500, 8) for key, values in columns.items()}
    assert same(credit(made, once), credit(made, {key: values.contiguous() for key, values in once.items()}))


# ---------------------------------------------------------------- threads, processes, runs


@every_design
def test_the_number_of_threads_changes_no_bit(name, threads):
    made, columns = many(name, 12_001, 8)
    seen = []
    for number in (1, 2, 4, 4):
        threads(number)
        seen.append(credit(made, columns))
    assert seen[0].any() and all(same(other, seen[0]) for other in seen[1:])


@pytest.mark.parametrize("reduction", ["mean", "sum", "std", "var", "min", "max"])
@pytest.mark.parametrize("where", ["", ", where=r > 0.2"])
def test_the_number_of_threads_changes_no_bit_of_a_statistic_over_the_batch(reduction, where, threads):
    whole = design(f"{reduction}(r * r{where}, over=batch) + r", flat=0)
    values = torch.rand(40_001, 5, generator=torch.Generator().manual_seed(0))
    threads(1)
    alone = whole(values)
    for number in (2, 4):
        threads(number)
        assert same(whole(values), alone)


def fingerprint():
    """Of what all designs give; DESIGNS in their order."""
    found = hashlib.sha256()
    for name in DESIGNS:
        found.update(credit(*many(name, 6_000, 8)).numpy().tobytes())
    return found.hexdigest()


def test_another_process_with_one_thread_gives_the_same_bits():
    code = "import test_same_bits; print(test_same_bits.fingerprint())"
    path = os.pathsep.join([str(Path(__file__).parent), str(CONFIGS.parent)])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, env=environment, text=True).strip() == fingerprint()


# ---------------------------------------------------------------- draws, tokens


def test_the_same_seed_and_step_give_the_same_draws_and_others_other_ones():
    made, columns = many("passk_bootstrap", 50, 8)
    first = made(**columns, seed=3)
    assert same(made(**columns, seed=3), first) and not same(made(**columns, seed=4), first)
    # the step counts, for a design without a schedule and for one with
    assert same(made(**columns, seed=3, step=0), first)
    later = made(**columns, seed=3, step=7)
    assert same(made(**columns, seed=3, step=7), later) and not same(later, first)
    text = (CONFIGS / "passk_bootstrap.yaml").read_text()
    text = text.replace(
        "{default: 4, range: [1, N]}", "{default: 4, range: [1, N], schedule: k if progress < 1 else 1}"
    )
    scheduled = shaping.loads(text)
    assert same(scheduled(**columns, seed=3, step=7, total_steps=10), later)


@pytest.mark.parametrize("name", ["passk_bootstrap", "passk_full_sampling"])
def test_draws_are_the_same_for_however_many_prompts_there_is_memory_at_a_time(name, monkeypatch):
    made, columns = many(name, 100, 8)
    at_once = credit(made, columns)
    for answers in (1, 7 * 64, 99 * 64):  # prompts: 1, 7, 99 of passk_bootstrap, whose draws choose from 64 a prompt
        monkeypatch.setattr(apply, "DRAWN_AT_ONCE", answers)
        assert same(credit(made, columns), at_once)
    assert at_once.any()


@pytest.mark.parametrize("name", TOKENS)
def test_the_tokens_of_an_answer_get_the_same_bits_alone_and_on_any_number_of_threads(name, threads):
    made, columns = many(name, 400, 4)
    _, *read = evaluated(made, columns["reward_PN"], None, {}, None, 0)
    generator = torch.Generator().manual_seed(0)
    logprob_BT, mask_BT = -3 * torch.rand(1_600, 100, generator=generator), torch.ones(1_600, 100)

    def given(part):
        answer_B = [value.flatten()[part] for value in read]
        return token_advantage(made, 4, logprob_BT[part], mask_BT[part], answer_B)

    together = given(slice(None))
    assert together.any() and same(given(slice(1_001, 1_002)), together[1_001:1_002])
    for number in (1, 4):
        threads(number)
        assert same(given(slice(None)), together)


def test_every_design_is_looked_at():
    assert len(DESIGNS) >= 45 and sum(map(looks_at_other_groups, DESIGNS)) < 12
    assert fitting("passk_full_sampling", 3).params["k"].value == 1

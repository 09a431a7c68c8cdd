"""A design that gives 0 to every group is told before a run, and only such a design. The advice was tried."""

import itertools

import oracle
import pytest
from samples import CONFIGS

import shaping
from shaping.cli import main
from shaping.errors import commanded
from shaping.groups.silence import NOTHING, VERDICTS, silence
from shaping.groups.silent import refuse_silent, silent_notes

PASSK = str(CONFIGS / "passk.yaml")
BETWEEN = "advantage: (r - mean(r)) * (0.2 < r < 0.8)"


def refused(text, N, **params):
    """The message, as the command line shows it."""
    made = shaping.load(text, **params) if text.endswith(".yaml") else shaping.loads(text, "d.yaml", **params)
    made.check(N)
    with commanded("--param"), pytest.raises(shaping.DesignError) as error:
        refuse_silent(made, N)
    return str(error.value)


def trained(text, N, **params):
    """The notes on a design that is not refused."""
    made = shaping.load(text, **params) if text.endswith(".yaml") else shaping.loads(text, "d.yaml", **params)
    made.check(N)
    refuse_silent(made, N)
    return silent_notes(made, N)


def test_passk_with_k_of_the_whole_group_fails_the_check_with_the_k_that_trains(capsys):
    assert main(["check", PASSK, "--n", "4"]) == 1
    place, line, _, hint, *_ = capsys.readouterr().out.splitlines()
    said = "for groups of 4 every 0/1 group gets 0: nothing would be trained; k must be below N"
    assert place == f"{PASSK}:11:16: {said}" and line == "  11 |   k: {default: 4, range: [1, N]}"
    assert hint == "hint: for example --param k=2, or groups of 5 answers"
    assert main(["check", PASSK, "--n", "4", "--param", "k=2"]) == 0
    assert main(["check", PASSK, "--n", "5"]) == 0


@pytest.mark.parametrize("N", range(2, 9))
def test_passk_is_silent_for_exactly_the_k_for_which_the_oracle_gives_every_group_0(N):
    for k in range(1, N + 1):
        groups = [[True] * n + [False] * (N - n) for n in range(N + 1)]
        nothing = not any(any(oracle.passk_closed_form(group, k)) for group in groups)
        assert (silence(shaping.load(PASSK, k=k), N) == NOTHING) == nothing == (k == N)


def test_every_design_of_the_library_trains_on_groups_of_16_and_is_not_refused():
    for path in sorted(CONFIGS.glob("*.yaml")):
        assert trained(str(path), 16) == [], path.stem


def test_a_design_that_uses_passk_is_refused_with_its_own_k():
    for name in ("exceeding_passk", "passk"):
        assert "; k must be below N\n" in refused(str(CONFIGS / f"{name}.yaml"), 8, k=8)
    assert trained(str(CONFIGS / "combination.yaml"), 8, k=8) == []  # Pass@1 is left in it


def test_a_large_dead_zone_is_no_mistake():
    made = shaping.load(PASSK, k=7)
    assert [any(oracle.passk_closed_form([True] * n + [False] * (8 - n), 7)) for n in range(9)].count(True) == 1
    assert silence(made, 8) == "" and trained(PASSK, 8, k=7) == []


def test_a_part_of_the_run_without_signal_is_a_note_that_names_its_steps():
    # k falls from 8 by one in every eighth of the run; with k = 8 = N nothing is learnt: 125 of 1,000 steps.
    (note,) = trained(str(CONFIGS / "passk_annealed.yaml"), 8)
    assert "note: for groups of 8 every 0/1 group gets 0 in a part of the run: of 1,000 steps in step 0..124" in note
    (note,) = trained(str(CONFIGS / "passk_then_pass1.yaml"), 4, switch="0.3")
    assert "of 1,000 steps in step 0..299" in note
    late = "params: {k: {default: 2, range: [1, N], schedule: '2 if step < 700 else N'}}"
    late = late.replace("else N", "else 4")
    (note,) = trained(f"{late}\nadvantage: {{correct: 'binomial(n_neg, k)', wrong: 0 * n_neg, flat: 0}}", 4)
    assert "of 1,000 steps in step 700..999" in note


def test_a_threshold_that_leaves_nothing_is_refused_with_one_that_trains():
    assert refused(str(CONFIGS / "without_easy.yaml"), 8, threshold=0).endswith(
        "hint: for example --param threshold=1/2"
    )


@pytest.mark.parametrize(
    "advantage",
    [
        "passk * length",  # a factor that is 0, whatever the lengths are
        "passk - (passk + passk * logprob)",
        "sum(passk, over=batch) * r",
        "passk / (1 + length) if truncated else abs(passk)",
        "max(passk * length, 2 * passk)",
        "{each: passk * length / std(length), flat: 0}",
    ],
)
def test_what_lengths_and_other_groups_enter_is_silent_where_a_factor_is(advantage):
    text = f"let:\n  passk: correct * binomial(n_neg, k)\nadvantage: {advantage}\nparams: {{k: DEFAULT}}\n"
    assert "for groups of 4 every 0/1 group gets 0: nothing would be trained" in refused(
        text.replace("DEFAULT", "4"), 4
    )
    assert silence(shaping.loads(text.replace("DEFAULT", "3")), 4) == ""


def test_lengths_alone_are_a_signal_and_nothing_is_said():
    assert trained("advantage: length - mean(length)", 4) == []
    assert trained("advantage: (r - mean(r)) * (length > 1000000)", 4) == []


def test_a_design_for_any_rewards_gets_a_note_and_one_for_0_1_is_refused():
    (note,) = trained(BETWEEN, 4)
    assert "note: for groups of 4 every 0/1 group gets 0: a run on such rewards would train nothing" in note
    assert "every 0/1 group gets 0: nothing would be trained" in refused(f"rewards: 0/1\n{BETWEEN}", 4)
    assert "every group, whatever its rewards, gets 0" in refused("params: {c: 0}\nadvantage: c * (r - mean(r))", 4)


def test_the_two_rewards_that_a_design_is_for_are_those_that_are_looked_at():
    ends = "advantage: (1 + r) * (1 - r)"
    assert "every group of rewards -1/1 gets 0" in refused(f"rewards: -1/1\n{ends}", 4)
    assert trained(f"rewards: -1/0\n{ends}", 4) == [] and silence(shaping.loads(ends), 4) == ""


def test_draws_of_the_whole_group_and_a_single_draw_teach_nothing_and_two_draws_do():
    bootstrap = CONFIGS / "passk_bootstrap.yaml"
    assert "for groups of 4 every group, whatever its rewards, gets 0" in refused(str(bootstrap), 4, k=4)
    assert "; k must be below N\n" in refused(str(bootstrap), 4, k=4) and trained(str(bootstrap), 4, k=3) == []
    draws = "draws: {{size: 4, count: {}, disjoint: yes, reward: max(r), advantage: reward - mean(reward)}}\n"
    made = [shaping.loads(draws.format(count) + "advantage: drawn") for count in (1, 2)]
    assert [silence(each, 8) for each in made] == [NOTHING, ""]
    # A reward of a draw that only 0/1 rewards make 0: whole groups are drawn, and their mean is not.
    made = "draws: {size: N, count: 2, reward: max(r), advantage: reward * (1 - reward)}\nadvantage: drawn\n"
    assert silence(shaping.loads(made), 4) == VERDICTS and silence(shaping.loads(made.replace("max", "mean")), 4) == ""


def test_a_token_section_of_its_own_trains_even_if_every_advantage_is_0():
    assert trained("advantage: 0 * r\ntoken: A - token_surprisal", 4) == []
    assert "nothing would be trained" in refused("advantage: 0 * r\ntoken: A * token_surprisal", 4)


def test_what_is_called_silent_gives_0_to_every_0_1_group_of_random_formulas():
    """Every formula of a small grammar: never called silent if some 0/1 group gets anything."""
    from shaping.groups.exact import verdict_pair

    atoms = ["correct", "p", "n_neg - 2", "r - mean(r)", "0"]
    called = 0
    for a, b, c in itertools.product(atoms, repeat=3):
        made = shaping.loads(f"advantage: ({a}) * ({b}) * (n_pos >= 2) * (n_neg >= 2) * ({c})")
        pairs = [verdict_pair(made, 4, n) for n in range(5)]
        nothing = not any(value for pair in pairs for value in pair if value is not None)
        assert bool(silence(made, 4)) == nothing
        called += nothing
    assert 20 < called < 125


def test_the_advice_follows_from_what_was_tried():
    # Only k = 3 of 1..6 trains groups of 6.
    text = "params: {k: {default: 2, range: [1, N]}}\nadvantage: correct * (k == 3)"
    said = refused(text, 6)
    assert "; k must be another number\n" in said and said.endswith("hint: for example --param k=3")
    above = refused("params: {k: {default: 2, range: [1, N]}}\nadvantage: correct * (k > 2)", 6)
    assert "; k must be above 2\n" in above and "--param k=3" in above
    assert refused("advantage: 0 * correct", 6).endswith("neither another parameter nor a larger group was found")


def test_the_exact_decision_of_a_group_of_1024_is_within_the_work_that_a_design_may_be(soon):
    assert "k must be below N\n" in refused(PASSK, 1024, k=1024)
    assert silence(shaping.load(PASSK, k=1023), 1024) == ""

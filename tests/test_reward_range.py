"""`rewards:` — which rewards a design is for: what it may say, and what becomes of a reward that is none of them."""

import copy
import pickle
import re
from fractions import Fraction
from types import SimpleNamespace

import pytest
import torch
from samples import CONFIGS, message, rows

import shaping
from passk_rlhf.cpu import replacements

replacements.register()

from openrlhf.trainer.ppo_utils.experience import Experience  # noqa: E402

from passk_rlhf.hook import designed_advantages  # noqa: E402
from passk_rlhf.resume import change_of_design  # noqa: E402
from shaping import RewardError, loads  # noqa: E402

DR_GRPO = "advantage: r - mean(r)\n"
DESIGNS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
FORMS = "hint: write `0/1`, `-1/1`, `0 to 1`, `>= 0`, `any`"


def refusal(text, *groups, scores=None, **more):
    with pytest.raises(RewardError) as error:
        loads(text, "d.yaml")(rows(*groups), None if scores is None else rows(*scores), **more)
    return str(error.value)


# What a file says → rewards that are among them, and rewards that are not.
SAID = {
    "any": ([-1e30, 0.0, 0.3, 1e30], []),
    "0/1": ([0.0, 1.0, -0.0], [0.5, -1.0, 1.0000001, 2.0]),
    "-1/1": ([-1.0, 1.0], [0.0, 0.999]),
    "0/0.1/1": ([0.1, 0.0], [0.2, 0.09]),
    "0 to 1": ([0.0, 1.0, 0.37], [-1e-30, 1.0000001]),
    "-1 to 1/2": ([-1.0, 0.5, 0.0], [0.6, -1.1]),
    ">= 0": ([0.0, 5e9], [-1e-30]),
    "> 0": ([1e-30], [0.0, -1.0]),
    "<= r_max": ([1.5, -9.0], [1.6]),
    "< r_max": ([1.4, -9.0], [1.5]),
    "-r_max to r_max": ([1.5, -1.5], [-1.6]),
    "0/r_max": ([0.0, 1.5], [1.0]),
    ">= 0.1": ([0.1], [0.09]),  # 0.1 as float32 is a little more, and as float16 a little less
    "<= 0.1": ([0.1], [0.11]),
}


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_reward_is_taken_or_refused_as_the_file_says(said, dtype):
    made = loads(f"params: {{r_max: 1.5}}\nrewards: {said}\nadvantage: r - mean(r) + 0 * r_max\n", "d.yaml")
    fine, others = SAID[said]
    for value in fine:
        group = torch.tensor([[value, value]], dtype=dtype)
        assert made(group).tolist() == [[0, 0]], value
    for value in others:
        with pytest.raises(RewardError, match=re.escape(f"`rewards: {said}")):
            made(torch.tensor([[fine[0], fine[-1]], [fine[0], value]], dtype=dtype))


def test_the_error_names_prompt_answer_value_and_the_place_in_the_file():
    said = refusal(f"rewards: >= 0\n{DR_GRPO}", [1.0, 0.0], [0.5, -0.25])
    first, second = said.splitlines()
    assert first == "design 'd': reward -0.25 at prompt 1, answer 1 is outside of `rewards: >= 0`."
    assert second == "The design says so at d.yaml:1:10. Return such rewards, or train on a design for others."
    said = refusal(f"params: {{top: 2}}\nrewards: <= top\n{DR_GRPO}", [3.0, 0.0])
    assert "outside of `rewards: <= top (top = 2)`.\nThe design says so at d.yaml:2:10." in said


MISTAKES = {
    "0..1": ("d.yaml:1:10: rewards: 0..1 is no set of rewards", FORMS),
    "binary": ("d.yaml:1:10: rewards: binary is no set of rewards", FORMS),
    "0 to 1 to 2": ("d.yaml:1:10: rewards: 0 to 1 to 2 is no set of rewards", FORMS),
    "0/": ("d.yaml:1:10: rewards: 0/ lacks a number", FORMS),
    "to 1": ("d.yaml:1:10: rewards: to 1 lacks a number", FORMS),
    "[0, 1]": ("d.yaml:1:10: 'rewards' says in a word which rewards the design is for", FORMS),
    "1 to 0": ("d.yaml:1:10: rewards: no two numbers are 1 to 0", "hint: the smaller number stands first"),
    "1/1": ("d.yaml:1:10: rewards: no two numbers are 1/1", "hint: the smaller number stands first"),
    "<= top": ("d.yaml:1:13: unknown name 'top' in 'rewards'", "hint: names here: cost, later"),
    "0 to mean(r)": ("d.yaml:1:20: unknown name 'r' in 'rewards'", "hint: names here: cost, later"),
    "<= later": (
        "d.yaml:1:13: the rewards that a design is for are the same in every step and for every N, and this changes",
        "hint: take a number, or a parameter without a schedule",
    ),
    "0 to 1/0": ("d.yaml:1:15: division by zero", None),
}


@pytest.mark.parametrize("said", MISTAKES)
def test_a_mistake_is_told_at_its_place_with_what_may_stand_there(said):
    rest = "params: {cost: 1, later: {default: 1, schedule: later * progress}}\nadvantage: r * cost * later\n"
    lines = message(f"rewards: {said}\n{rest}").splitlines()
    place, hint = MISTAKES[said]
    assert lines[0] == place and (hint is None or lines[-1] == hint)


def test_a_design_that_counts_by_0_and_1_is_not_for_others_unless_it_says_which_are_correct():
    said = message("rewards: -1/1\nadvantage: correct - p\n")
    assert said.startswith(
        "d.yaml:1:10: rewards: -1/1, and this design counts correct answers, which score 1 and others"
    )
    made = loads("rewards: -1/1\ncorrect: score > 0\nadvantage: correct - p\n")
    assert made(rows([1.0, -1.0, -1.0, -1.0])).tolist() == [[0.75, -0.25, -0.25, -0.25]]
    assert "score 0.0" in refusal(
        "rewards: -1/1\ncorrect: score > 0\nadvantage: correct - p\n", [1.0, 1.0], scores=[[0.0, 1.0]]
    )
    assert message("rewards: 0/1\nadvantage: length\n").startswith("d.yaml:1:10: no formula reads a reward")


def test_what_is_looked_at_is_what_formulas_read():
    # Of a list the scores, where they are read: the reward may be a verdict with a penalty on top.
    both = "rewards: {}\nadvantage: (r - mean(r)) * (1 - p)\n"
    assert loads(both.format("0/1"))(rows([0.5, 0.0]), rows([1.0, 0.0])).tolist() == [[0.125, -0.125]]
    assert "reward -0.5 at prompt 0, answer 1" in refusal(both.format(">= 0"), [0.5, -0.5], scores=[[1.0, 0.0]])
    assert "reward 0.5 at prompt 0, answer 0" in refusal(f"rewards: 0/1\n{DR_GRPO}", [0.5, 0.0], scores=[[1.0, 0.0]])
    graded = "rewards: 0 to 1\nadvantage: score - mean(score)\n"
    assert loads(graded)(rows([9.0, -9.0]), rows([1.0, 0.0])).tolist() == [[0.5, -0.5]]
    assert "score 2.0 at prompt 0, answer 1" in refusal(graded, [0.0, 0.0], scores=[[0.0, 2.0]])


def test_an_answer_that_is_left_out_is_not_out_of_range_and_one_that_is_nan_is_not_a_number():
    positive = f"rewards: '> 0'\n{DR_GRPO}"
    assert loads(f"on_missing: drop\n{positive}")(rows([1.0, torch.nan, 2.0])).tolist() == [[-0.5, 0.0, 0.5]]
    assert "outside of `rewards: > 0`" in refusal(f"on_missing: drop\n{positive}", [1.0, torch.nan, 0.0])
    assert "reward nan at prompt 0, answer 1 is not a finite number" in refusal(positive, [1.0, torch.nan, 2.0])


def test_designs_that_use_others_are_for_what_each_of_them_is_for():
    inner = "{advantage: r - mean(r), rewards: >= 0}"
    using = f"use: {{inner: {inner}}}\nadvantage: inner\n"
    assert "outside of `rewards: >= 0`.\nThe design says so at d.yaml:1:" in refusal(using, [1.0, -1.0])
    both = f"rewards: -1 to 1\n{using}"
    assert "`rewards: -1 to 1`" in refusal(both, [2.0, 0.0]) and "`rewards: >= 0`" in refusal(both, [1.0, -0.5])
    assert "outside of `rewards: >= 0`" in refusal(f"rewards: any\n{using}", [1.0, -1.0])
    assert message(f"rewards: -2/-1\n{using}").startswith("d.yaml:1:10: rewards: no two numbers are -2/-1 and >= 0")
    given = "use: {inner: {design: {params: {top: 1}, advantage: r, rewards: <= top}, params: {top: 1 + 2}}}\n"
    assert "<= top" in refusal(f"{given}advantage: inner\n", [4.0, 0.0])
    assert loads(f"{given}advantage: inner\n")(rows([3.0, 0.0])).tolist() == [[3, 0]]
    assert "for every N, and this changes" in message(given.replace("1 + 2", "N") + "advantage: inner\n")


def test_the_saved_text_of_a_design_its_copies_and_its_pickle_say_the_same():
    uses = shaping.load(CONFIGS / "passk_annealed.yaml")
    for made in (uses, loads(uses.resolved), pickle.loads(pickle.dumps(uses)), copy.deepcopy(uses)):
        assert {each.text for each in made.rewards} == {"0/1"}
    capped = shaping.load(CONFIGS / "ngrpo.yaml", r_max=2)
    (rewards,) = loads(capped.resolved).rewards
    names = loads(capped.resolved).constants(None)
    assert rewards.holds(Fraction(2), names) and not rewards.holds(Fraction(3), names)


def test_a_checkpoint_of_before_a_design_said_its_rewards_is_of_the_same_design():
    for name in ("passk", "passk_annealed", "maxrl"):
        text = shaping.load(CONFIGS / f"{name}.yaml").resolved
        before = re.sub(r'\n?rewards: [^\n]+|"rewards": "[^"]+", ', "", text)
        assert before != text and change_of_design(before, text) is None, name
        assert change_of_design(before.replace("advantage:", "advantage: 2 *"), text), name


# ── The library ─────────────────────────────────────────────────────────────

GRADED = {"a_grae": "0 to 1", "bnpo": "0 to 1", "maxrl": ">= 0", "ngrpo": "<= r_max", "unlikeliness": ">= 0"}


@pytest.mark.parametrize("name", DESIGNS)
def test_the_header_and_the_section_of_a_design_of_the_library_say_the_same(name):
    text, made = (CONFIGS / f"{name}.yaml").read_text(), shaping.load(CONFIGS / f"{name}.yaml")
    said = {each.text for each in made.rewards}
    if name in GRADED:
        assert said == {GRADED[name]}
    else:
        assert said == ({"0/1"} if re.search("For 0/1 rewards[.;, ](?!only)", text) else set())
        assert bool(said) != bool(re.search("[Aa]ny\\s+(#\\s+)?rewards", text))
    readme = (CONFIGS.parent / "README.md").read_text()
    column = re.search(rf"\(configs/{name}\.yaml\).*\| ([^|]+) \|\n", readme)[1]
    words = {"0/1": "0/1", "0 to 1": "0 to 1", ">= 0": "0 or more", "<= r_max": "up to `r_max`", "": "any"}
    assert column == words["".join(said)]


def test_maxrl_refuses_the_rewards_for_which_it_would_be_silent():
    # (r - mean) / max(mean, 0): the mean of 1, -1, -1, -1 is -1/2, and all would get `flat: 0`.
    text = (CONFIGS / "maxrl.yaml").read_text()
    signed = rows([1.0, -1.0, -1.0, -1.0])
    assert loads(text.replace("rewards: >= 0\n", ""))(signed).tolist() == [[0, 0, 0, 0]]
    assert "reward -1.0 at prompt 0, answer 1 is outside of `rewards: >= 0`" in refusal(text, signed[0].tolist())
    assert loads(text)(rows([1.0, 0.0, 0.0, 0.0])).tolist() == [[3, -1, -1, -1]]


@pytest.mark.parametrize("name", ["a_grae", "bnpo"])
def test_designs_for_shares_refuse_what_is_none(name):
    text = shaping.load(CONFIGS / f"{name}.yaml").resolved
    assert "`rewards: 0 to 1`" in refusal(text, [1.5, 0.0], [0.0, 1.0])
    assert "`rewards: 0 to 1`" in refusal(text, [-0.5, 0.0], [0.0, 1.0])


# ── In a run ────────────────────────────────────────────────────────────────


def step(design, rewards, overlong=None, stop=None, truncated=None):
    """A step of OpenRLHF's experiences, an answer each, in the order 3, 2, 1, 0; answers of 2, 2, 2 and 6 tokens."""
    reward = SimpleNamespace(
        clip_range=(-10, 10),
        overlong_buffer_len=overlong,
        overlong_penalty_factor=1.0,
        stop_properly_penalty_coef=stop,
    )
    args = SimpleNamespace(
        algo=SimpleNamespace(advantage=SimpleNamespace(dump=None)),
        reward=reward,
        rollout=SimpleNamespace(n_samples_per_prompt=4, max_new_tokens=6),
        data=None,
    )
    experiences = [
        Experience(
            index=[place],
            rewards=torch.tensor([rewards[place]]),
            scores=torch.tensor([rewards[place]]),
            action_mask=torch.tensor([[True] * (6 if place == 3 else 2)]),
            kl=torch.zeros(1, 6 if place == 3 else 2),
            response_length=torch.tensor([6 if place == 3 else 2]),
            truncated=torch.tensor([float(truncated == place)]),
            prompts=["What is 6 * 7?"],
            info={"reward": torch.tensor([rewards[place]])},
        )
        for place in (3, 2, 1, 0)
    ]
    maker = SimpleNamespace(args=args, kl_ctl=SimpleNamespace(value=0.0))
    maker.get_cumulative_returns = lambda reward_BT, mask, gamma: reward_BT.flip(-1).cumsum(-1).flip(-1)
    designed_advantages(loads(design, "design.yaml"), maker, experiences, 0)
    return {each.index[0]: each.advantages[0, 0].item() for each in experiences}, maker


def test_the_first_step_ends_with_prompt_answer_value_and_text():
    with pytest.raises(RewardError) as error:
        step(f"rewards: >= 0\n{DR_GRPO}", [1.0, 0.0, -1.0, 0.0])
    said = str(error.value)
    assert (
        "reward -1.0 at prompt 0, answer 2 is outside of `rewards: >= 0`.\nThe design says so at design.yaml:1:10."
        in said
    )
    assert said.endswith("\nprompt 0: 'What is 6 * 7?'") and "penalty" not in said and "--reward" not in said
    found, maker = step(f"rewards: >= 0\n{DR_GRPO}", [1.0, 0.0, 0.0, 0.0])
    assert found == {0: 0.75, 1: -0.25, 2: -0.25, 3: -0.25}
    assert maker.passk_rlhf_signal.effective == 1 and maker.passk_rlhf_signal.answers == 4


@pytest.mark.parametrize(
    ("flags", "flag", "after"),
    [
        ({"overlong": 4}, "--reward.overlong_buffer_len", "-1"),  # 6 tokens, 2 of them free: a whole penalty of 1
        ({"stop": -0.5, "truncated": 3}, "--reward.stop_properly_penalty_coef", "-0.5"),
    ],
)
def test_a_reward_that_a_length_penalty_has_pushed_out_is_told_with_the_flag(flags, flag, after):
    with pytest.raises(RewardError) as error:
        step(f"rewards: >= 0\n{DR_GRPO}", [1.0, 1.0, 1.0, 0.0], **flags)
    assert f"The reward function gave 0; after {flag} it is {after}." in str(error.value)
    # A list is about scores where they are read: the penalty on top is meant.
    found, _ = step("rewards: 0/1\nadvantage: (r - mean(r)) * (1 - p)\n", [1.0, 1.0, 1.0, 0.0], **flags)
    assert found[3] < 0 < found[0]

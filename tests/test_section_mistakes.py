# ruff: noqa: E501 (messages stand as they are printed)
"""Mistakes with names, scopes, options and sections: the exact message, at its place, with the next step."""

import shutil
from textwrap import dedent

import pytest
from samples import CONFIGS

import shaping
from shaping.errors import DesignError

BESIDE = {  # other files of the folder
    "wrong.yaml": "advantage: nonsense\n",
    "back.yaml": "use: {d: d.yaml}\nadvantage: d\n",
    "graded.yaml": "correct: score > 0.5\nadvantage: correct\n",
    "kept.yaml": "keep: n_pos > 0\nadvantage: r - mean(r, over=batch) if n_pos > 1 else 0\n",
    "tokens.yaml": "advantage: r\ntoken: A * token_logprob\n",
}
MISTAKES = {
    "a used design that is not there": (
        "use: {other: gone.yaml}\nadvantage: other\n",
        """
        d.yaml:1:14: there is no design 'gone.yaml'
          1 | use: {other: gone.yaml}
                           ^^^^^^^^^
        hint: designs in .: back.yaml, d.yaml, graded.yaml, grpo.yaml, kept.yaml, passk.yaml, tokens.yaml, wrong.yaml
        """,
    ),
    "a used design in another folder": (
        "use: {other: ../grpo.yaml}\nadvantage: other\n",
        """
        d.yaml:1:14: '../grpo.yaml' is outside the folder of the design
          1 | use: {other: ../grpo.yaml}
                           ^^^^^^^^^^^^
        hint: a design uses files of its own folder, or below
        """,
    ),
    "a used design that is wrong": (
        "use: {other: wrong.yaml}\nadvantage: other\n",
        """
        wrong.yaml:1:12: unknown name 'nonsense' in 'advantage'
          1 | advantage: nonsense
                         ^^^^^^^^
        hint: names here: N, P, correct, length, logprob, n_neg, n_pos, p, progress, r, score, step, surprisal, total_steps, truncated
        """,
    ),
    "a design that uses itself": (
        "use: {again: d.yaml}\nadvantage: again\n",
        """
        d.yaml:1:14: a design uses itself: d.yaml → d.yaml
          1 | use: {again: d.yaml}
                           ^^^^^^
        """,
    ),
    "two designs that use each other": (
        "use: {other: back.yaml}\nadvantage: other\n",
        """
        back.yaml:1:10: a design uses itself: d.yaml → back.yaml → d.yaml
          1 | use: {d: d.yaml}
                       ^^^^^^
        """,
    ),
    "a parameter the used design does not have": (
        "use:\n  other: {design: passk.yaml, params: {kk: 2}}\nadvantage: other\n",
        """
        d.yaml:2:40: the used design has no parameter 'kk'
          2 |   other: {design: passk.yaml, params: {kk: 2}}
                                                     ^^
        hint: it has: k
        """,
    ),
    "a parameter of a used design that counts answers": (
        "use:\n  other: {design: passk.yaml, params: {k: n_pos}}\nadvantage: other\n",
        """
        d.yaml:2:43: parameter 'k' is the same for all groups
          2 |   other: {design: passk.yaml, params: {k: n_pos}}
                                                        ^^^^^
        """,
    ),
    "a used design whose parameter is out of range": (
        "use:\n  other: {design: passk.yaml, params: {k: 99}}\nadvantage: other\n",
        """
        d.yaml:2:43: k = 99 is outside 1..8, its range for groups of N = 8
          2 |   other: {design: passk.yaml, params: {k: 99}}
                                                        ^^
        hint: set it under `use:`
        """,
    ),
    "a used design that is a list": (
        "use: {other: [passk.yaml]}\nadvantage: other\n",
        """
        d.yaml:1:14: a used design is the name of a file
          1 | use: {other: [passk.yaml]}
                           ^^^^^^^^^^^^
        hint: grpo: grpo.yaml
        """,
    ),
    "a used design with another verdict": (
        "use: {other: graded.yaml}\nadvantage: other\n",
        """
        d.yaml:1:14: the used design says itself which answers are correct
          1 | use: {other: graded.yaml}
                           ^^^^^^^^^^^
        hint: write the same here: correct: score > 0.5
        """,
    ),
    "a used design with keep and the batch": (
        "use: {other: kept.yaml}\nadvantage: other\n",
        """
        d.yaml:1:14: the used design has `keep` and statistics over the batch
          1 | use: {other: kept.yaml}
                           ^^^^^^^^^
        hint: its statistics over the batch are of what it keeps: write it out here
        """,
    ),
    "a used design with tokens": (
        "use: {other: tokens.yaml}\nadvantage: other\n",
        """
        d.yaml:1:14: the used design has a section 'token', which is not used here
          1 | use: {other: tokens.yaml}
                           ^^^^^^^^^^^
        """,
    ),
    "a let that is called like a signal": (
        "let: {length: r}\nadvantage: length\n",
        """
        d.yaml:1:7: 'length' already means something in every design
          1 | let: {length: r}
                    ^^^^^^
        hint: choose another name
        """,
    ),
    "a let that is called like a reduction": (
        "let: {mean: r}\nadvantage: mean\n",
        """
        d.yaml:1:7: 'mean' already means something in every design
          1 | let: {mean: r}
                    ^^^^
        hint: choose another name
        """,
    ),
    "lets in a circle": (
        "let: {a: b + 1, b: a + 1}\nadvantage: a\n",
        """
        d.yaml:1:20: 'let' goes in a circle: a → b → a
          1 | let: {a: b + 1, b: a + 1}
                                 ^
        hint: define one of them without the others
        """,
    ),
    "a signal that is a parameter": (
        "params: {k: 1}\nsignals: {k: tool calls}\nadvantage: k\n",
        """
        d.yaml:2:11: 'k' is already a parameter
          2 | signals: {k: tool calls}
                        ^
        hint: choose another name
        """,
    ),
    "a signal without a meaning": (
        "signals: {calls: {a: b}}\nadvantage: calls\n",
        """
        d.yaml:1:18: say in a few words what 'calls' is
          1 | signals: {calls: {a: b}}
                               ^^^^^^
        """,
    ),
    "a signal that is built in": (
        "signals: {length: tokens}\nadvantage: length\n",
        """
        d.yaml:1:11: 'length' already means something in every design
          1 | signals: {length: tokens}
                        ^^^^^^
        hint: choose another name
        """,
    ),
    "keep that is the same for all": (
        "keep: N > 2\nadvantage: r\n",
        """
        d.yaml:1:7: 'keep' is the same for all groups
          1 | keep: N > 2
                    ^^^^^
        hint: a condition on n_pos, length ...
        """,
    ),
    "keep over tokens": (
        "keep: token_logprob > 0\nadvantage: r\n",
        """
        d.yaml:1:7: 'token_logprob' in 'keep' is not known here
          1 | keep: token_logprob > 0
                    ^^^^^^^^^^^^^
        hint: it exists only in the section `token:`
        """,
    ),
    "keep that may have no value": (
        "keep: 1 / n_pos > 0\nadvantage: r\n",
        """
        d.yaml:1:7: division by zero for N = 8, n_pos = 0
          1 | keep: 1 / n_pos > 0
                    ^^^^^^^^^
        hint: `keep` must have a value for every group
        """,
    ),
    "draws without a size": (
        "draws: {count: 2, reward: max(r), advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:1: 'draws' has no 'size'
          1 | draws: {count: 2, reward: max(r), advantage: reward}
              ^^^^^
        hint: size, count, reward and advantage are needed
        """,
    ),
    "draws that nothing reads": (
        "draws: {size: 2, count: 2, reward: max(r), advantage: reward}\nadvantage: r\n",
        """
        d.yaml:1:1: nothing reads `draws`
          1 | draws: {size: 2, count: 2, reward: max(r), advantage: reward}
              ^^^^^
        hint: its result is the name `drawn`: advantage: drawn
        """,
    ),
    "draws whose size counts answers": (
        "draws: {size: n_pos, count: 2, reward: max(r), advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:15: 'draws.size' is the same for all groups
          1 | draws: {size: n_pos, count: 2, reward: max(r), advantage: reward}
                            ^^^^^
        """,
    ),
    "draws larger than the group": (
        "draws: {size: 9, count: 2, reward: max(r), advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:1: 2 draws of 9 answers each, from groups of 8
          1 | draws: {size: 9, count: 2, reward: max(r), advantage: reward}
              ^^^^^
        hint: size is 1..N; count is 1..4*N, and at most floor(N / size) of disjoint draws
        """,
    ),
    "a draw's reward for each answer": (
        "draws: {size: 2, count: 2, reward: r, advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:36: 'draws.reward' is one value a draw
          1 | draws: {size: 2, count: 2, reward: r, advantage: reward}
                                                 ^
        hint: reward: max(r)
        """,
    ),
    "a draw that looks at counts": (
        "draws: {size: 2, count: 2, reward: max(r) * p, advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:45: unknown name 'p' in 'draws.reward'
          1 | draws: {size: 2, count: 2, reward: max(r) * p, advantage: reward}
                                                          ^
        hint: names here: N, correct, length, logprob, r, score, surprisal, truncated
        """,
    ),
    "a draw that looks at the batch": (
        "draws: {size: 2, count: 2, reward: 'max(r, over=batch)', advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:37: 'draws.reward' looks at other groups
          1 | draws: {size: 2, count: 2, reward: 'max(r, over=batch)', advantage: reward}
                                                  ^^^^^^^^^^^^^^^^^^
        hint: leave out over=batch
        """,
    ),
    "draws that may have no value": (
        "draws: {size: 2, count: 2, reward: max(r), advantage: 1 / std(reward)}\nadvantage: drawn\n",
        """
        d.yaml:1:55: for some rewards this is a division by zero
          1 | draws: {size: 2, count: 2, reward: max(r), advantage: 1 / std(reward)}
                                                                    ^^^^^^^^^^^^^^^
        hint: say what such draws get: `flat: 0` under `draws:`
        """,
    ),
    "draws that are perhaps disjoint": (
        "draws: {size: 2, count: 2, disjoint: maybe, reward: max(r), advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:38: 'draws.disjoint' is yes or no
          1 | draws: {size: 2, count: 2, disjoint: maybe, reward: max(r), advantage: reward}
                                                   ^^^^^
        """,
    ),
    "drawn without draws": (
        "advantage: drawn\n",
        """
        d.yaml:1:12: 'drawn' in 'advantage' is not known here
          1 | advantage: drawn
                         ^^^^^
        hint: it is made by the section `draws:`
        """,
    ),
    "draws with answers left out": (
        "on_missing: drop\ndraws: {size: 2, count: 2, reward: max(r), advantage: reward}\nadvantage: drawn\n",
        """
        d.yaml:1:13: draws of a fixed size cannot leave answers out
          1 | on_missing: drop
                          ^^^^
        hint: leave answers without a reward an error, or out of the reward function
        """,
    ),
    "another way with missing answers": (
        "on_missing: skip\nadvantage: r\n",
        """
        d.yaml:1:13: on_missing: skip
          1 | on_missing: skip
                          ^^^^
        hint: it is `error` (the default) or `drop`
        """,
    ),
    "a token section that looks at no token": (
        "advantage: r\ntoken: 2 * A\n",
        """
        d.yaml:2:8: 'token' does not look at the token
          2 | token: 2 * A
                     ^^^^^
        hint: use token_logprob, token_surprisal or position, or leave the section out
        """,
    ),
    "a token in the advantage": (
        "advantage: r * position\n",
        """
        d.yaml:1:16: 'position' in 'advantage' is not known here
          1 | advantage: r * position
                             ^^^^^^^^
        hint: it exists only in the section `token:`
        """,
    ),
    "A outside of the token section": (
        "advantage: 2 * A\n",
        """
        d.yaml:1:16: 'A' in 'advantage' is not known here
          1 | advantage: 2 * A
                             ^
        hint: it exists only in the section `token:`
        """,
    ),
    "a token's value over the group": (
        "advantage: r\ntoken: A * mean(token_logprob, over=batch)\n",
        """
        d.yaml:2:17: 'token_logprob' in 'token' is one value a token
          2 | token: A * mean(token_logprob, over=batch)
                              ^^^^^^^^^^^^^
        hint: over=batch takes one a group or an answer
        """,
    ),
    "a token section that may have no value": (
        "advantage: r\ntoken: A / token_logprob\n",
        """
        d.yaml:2:8: for some rewards this is a division by zero
          2 | token: A / token_logprob
                     ^^^^^^^^^^^^^^^^^
        hint: a token has to have a value whatever its answer is
        """,
    ),
    "a schedule over counts": (
        "params: {k: {default: 2, schedule: n_pos}}\nadvantage: k\n",
        """
        d.yaml:1:36: unknown name 'n_pos' in 'params.k.schedule'
          1 | params: {k: {default: 2, schedule: n_pos}}
                                                 ^^^^^
        hint: names here: k, progress, step, total_steps
        """,
    ),
    "a schedule that leaves the range": (
        "params: {k: {default: 2, range: [1, N], schedule: k - 2 * progress}}\nadvantage: k * r\n",
        """
        d.yaml:1:23: k = 7/8 is outside 1..8, its range for groups of N = 8, at step 9 of a run of 16
          1 | params: {k: {default: 2, range: [1, N], schedule: k - 2 * progress}}
                                    ^
        hint: keep it there: schedule: clip(..., 1, 8)
        """,
    ),
    "a schedule that divides by zero": (
        "params: {k: {default: 2, schedule: 1 / step}}\nadvantage: k * r\n",
        """
        d.yaml:1:36: division by zero
          1 | params: {k: {default: 2, schedule: 1 / step}}
                                                 ^^^^^^^^
        hint: that is at step 0 of a run of 16
        """,
    ),
    "a mean of what is one value a group": (
        "advantage: r - mean(p)\n",
        """
        d.yaml:1:21: 'p' in 'advantage' reduces over the answers of a group, but this is one value a group
          1 | advantage: r - mean(p)
                                  ^
        hint: use it as it is, without mean(...); over the groups of the batch: mean(..., over=batch)
        """,
    ),
    "a mean over the batch of what is one value a batch": (
        "advantage: r - mean(P, over=batch)\n",
        """
        d.yaml:1:21: 'P' in 'advantage' is one value a batch
          1 | advantage: r - mean(P, over=batch)
                                  ^
        hint: over=batch takes one a group or an answer
        """,
    ),
    "a mean over the answers of a constant": (
        "advantage: r - mean(3)\n",
        """
        d.yaml:1:21: '3' in 'advantage' reduces over the answers of a group, but this is one value for all groups
          1 | advantage: r - mean(3)
                                  ^
        hint: use it as it is, without mean(...)
        """,
    ),
    "a reduction over something else": (
        "advantage: mean(r, over=tokens)\n",
        """
        d.yaml:1:25: 'tokens' in 'advantage' is no value for over=
          1 | advantage: mean(r, over=tokens)
                                      ^^^^^^
        hint: over=batch; without it, over the group's answers
        """,
    ),
    "where that is no condition on answers": (
        "advantage: mean(r, where=n_pos > 1)\n",
        """
        d.yaml:1:12: for some rewards there is no value for this mean
          1 | advantage: mean(r, where=n_pos > 1)
                         ^^^^^^^^^^^^^^^^^^^^^^^^
        hint: say what such a group gets: `flat: 0` under `advantage:`
        """,
    ),
    "ddof of a mean": (
        "advantage: mean(r, ddof=1)\n",
        """
        d.yaml:1:12: 'mean(r, ddof=1)' in 'advantage' has no option 'ddof'
          1 | advantage: mean(r, ddof=1)
                         ^^^^^^^^^^^^^^^
        hint: options of mean: where=, over=
        """,
    ),
    "ddof that is no number": (
        "advantage: std(r, ddof=n_pos)\n",
        """
        d.yaml:1:24: 'n_pos' in 'advantage' is no value for ddof=
          1 | advantage: std(r, ddof=n_pos)
                                     ^^^^^
        hint: a whole number, 0 or more
        """,
    ),
    "a ddof larger than the group": (
        "advantage: std(r, ddof=9)\n",
        """
        d.yaml:1:12: groups of 8 have too few answers for this std
          1 | advantage: std(r, ddof=9)
                         ^^^^^^^^^^^^^^
        hint: it needs 10: take a smaller ddof, or larger groups
        """,
    ),
    "an unknown option": (
        "advantage: mean(r, axis=0)\n",
        """
        d.yaml:1:12: 'mean(r, axis=0)' in 'advantage' has no option 'axis'
          1 | advantage: mean(r, axis=0)
                         ^^^^^^^^^^^^^^^
        hint: options of mean: where=, over=
        """,
    ),
    "a quantile without q": (
        "advantage: quantile(r)\n",
        """
        d.yaml:1:12: 'quantile(r)' in 'advantage' takes one value to reduce and q, got 1 argument
          1 | advantage: quantile(r)
                         ^^^^^^^^^^^
        """,
    ),
    "a quantile that depends on the group": (
        "advantage: quantile(r, p)\n",
        """
        d.yaml:1:24: 'p' in 'advantage' is no value for q
          1 | advantage: quantile(r, p)
                                     ^
        hint: the same for all groups: a number, a parameter, N
        """,
    ),
    "a quantile beyond one": (
        "advantage: quantile(r, 2)\n",
        """
        d.yaml:1:12: a quantile is between 0 and 1, not 2 for N = 8
          1 | advantage: quantile(r, 2)
                         ^^^^^^^^^^^^^^
        """,
    ),
    "k draws of rewards that depends on the group": (
        "advantage: max_of(r, n_pos)\n",
        """
        d.yaml:1:22: 'n_pos' in 'advantage' is no value for k
          1 | advantage: max_of(r, n_pos)
                                   ^^^^^
        hint: the same for all groups: a number, a parameter, N
        """,
    ),
    "a verdict that changes over the run": (
        "params: {t: {default: 0.5, schedule: t * progress}}\ncorrect: score > t\nadvantage: correct - p\n",
        """
        d.yaml:2:18: 'correct' means the same in every step, and 't' changes
          2 | correct: score > t
                               ^
        hint: take a parameter without a schedule; what changes over the run goes into `advantage:`
        """,
    ),
    "a share of N over a batch of groups that differ in it": (
        "on_missing: drop\nadvantage: r - quantile(r, 1/N, over=batch)\n",
        """
        d.yaml:2:28: with on_missing: drop, groups differ in N, and this is one share for all of them
          2 | advantage: r - quantile(r, 1/N, over=batch)
                                         ^^^
        hint: take a number, or a parameter
        """,
    ),
    "a mean of tokens that an answer may not have": (
        "advantage: r\ntoken: A * position * mean(token_surprisal, where=token_surprisal > 1)\n",
        """
        d.yaml:2:23: for some answers there is no value for this mean
          2 | token: A * position * mean(token_surprisal, where=token_surprisal > 1)
                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: sum and count always have a value: sum(x, where=c) / max(1, count(c)); so has max(x if c else 0)
        """,
    ),
    "more draws than answers": (
        "advantage: max_of(r, 9)\n",
        """
        d.yaml:1:12: max_of draws k = 9 of 8 answers; k is a whole number in 1..8 for N = 8
          1 | advantage: max_of(r, 9)
                         ^^^^^^^^^^^^
        """,
    ),
    "a selection of the others": (
        "advantage: others_mean(r, where=correct)\n",
        """
        d.yaml:1:12: 'others_mean(r, where=correct)' in 'advantage' has no option 'where'
          1 | advantage: others_mean(r, where=correct)
                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        hint: options of others_mean: none
        """,
    ),
    "a binomial of rewards": (
        "advantage: binomial(r, 2)\n",
        """
        d.yaml:1:12: 'binomial(r, 2)' in 'advantage' depends on the rewards themselves
          1 | advantage: binomial(r, 2)
                         ^^^^^^^^^^^^^^
        hint: binomial takes counts: N, n_pos, n_neg, parameters
        """,
    ),
    "a number that no float holds": (
        "advantage: r * 1e400\n",
        """
        d.yaml:1:16: a number beyond the range of floats does not fit a float
          1 | advantage: r * 1e400
                             ^^^^^
        """,
    ),
    "the remainder": (
        "advantage: r % 2\n",
        """
        d.yaml:1:12: 'r % 2' in 'advantage' is not part of the language
          1 | advantage: r % 2
                         ^^^^^
        hint: write a - b * floor(a / b)
        """,
    ),
    "a floor division": (
        "advantage: r // 2\n",
        """
        d.yaml:1:12: 'r // 2' in 'advantage' is not part of the language
          1 | advantage: r // 2
                         ^^^^^^
        hint: write floor(a / b)
        """,
    ),
    "an attribute": (
        "advantage: r.mean()\n",
        """
        d.yaml:1:12: 'r.mean()' in 'advantage' is not part of the language
          1 | advantage: r.mean()
                         ^^^^^^^^
        hint: names have no dots: write mean(r), say
        """,
    ),
    "an index": (
        "advantage: r[0]\n",
        """
        d.yaml:1:12: 'r[0]' in 'advantage' is not part of the language
          1 | advantage: r[0]
                         ^^^^
        hint: a formula is about every answer at once: r is its own reward, mean(r) that of its group
        """,
    ),
    "numpy": (
        "advantage: np.mean(r)\n",
        """
        d.yaml:1:12: 'np.mean(r)' in 'advantage' is not part of the language
          1 | advantage: np.mean(r)
                         ^^^^^^^^^^
        hint: names have no dots: write mean(r), say
        """,
    ),
    "a caret for a power": (
        "advantage: r ^ 2\n",
        """
        d.yaml:1:12: 'r ^ 2' in 'advantage' uses ^
          1 | advantage: r ^ 2
                         ^^^^^
        hint: a power is written **
        """,
    ),
    "two ampersands": (
        "advantage: r && 1\n",
        """
        d.yaml:1:15: cannot read 'advantage' as a formula
          1 | advantage: r && 1
                            ^
        hint: write: and, or, not
        """,
    ),
    "an else that is missing": (
        "advantage: r if p > 0.5\n",
        """
        d.yaml:1:12: cannot read 'advantage' as a formula
          1 | advantage: r if p > 0.5
                         ^
        hint: a choice has an else: a if n_pos > 0 else b
        """,
    ),
    "a word for a truth": (
        "advantage: 'r if true else 0'\n",
        """
        d.yaml:1:18: unknown name 'true' in 'advantage'
          1 | advantage: 'r if true else 0'
                               ^^^^
        hint: write 1
        """,
    ),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, text in BESIDE.items():
        (tmp_path / name).write_text(text)
    for name in ("passk", "grpo"):
        shutil.copy(CONFIGS / f"{name}.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_at_its_place_before_any_reward_is_seen(mistake, folder):
    text, expected = MISTAKES[mistake]
    (folder / "d.yaml").write_text(text)
    with pytest.raises(DesignError) as error:
        shaping.load("d.yaml").check(8)
    assert str(error.value) == dedent(expected).strip("\n")

"""Every mistake in a design file is told in one line, shown with a caret, and followed by the next step."""

from textwrap import dedent

import pytest
from samples import message

MISTAKES = {
    # ------------------------------------------------------------ not a design at all
    "an empty file": (
        "",
        """
        d.yaml:1:1: the file is empty
        hint: a design needs at least `advantage: <formula>`
        """,
    ),
    "nothing but comments": (
        "# advantage: r\n",
        """
        d.yaml:1:1: the file is empty
        hint: a design needs at least `advantage: <formula>`
        """,
    ),
    "a list": (
        "- advantage: r\n",
        """
        d.yaml:1:1: a design is a mapping of keys
          1 | - advantage: r
              ^
        hint: start with `name: ...`
        """,
    ),
    "no advantage": (
        "name: x\n",
        """
        d.yaml:1:1: a design needs `advantage:`
          1 | name: x
              ^
        hint: say what an answer gets: `advantage: r - mean(r)`
        """,
    ),
    "a bracket that never closes": (
        "name: x\nadvantage: {each: r\n",
        """
        d.yaml:3:1: not YAML: expected ',' or '}', but got '<stream end>'
          3 |
              ^
        """,
    ),
    "a colon in the middle": (
        "advantage: r: 1\n",
        """
        d.yaml:1:13: not YAML: mapping values are not allowed here
          1 | advantage: r: 1
                          ^
        """,
    ),
    "a control character": (
        "advantage: r # \a\n",
        """
        d.yaml:1:16: not YAML: special characters are not allowed
          1 | advantage: r # \a
                             ^
        """,
    ),
    # ------------------------------------------------------------ YAML that could hide something
    "an anchor": (
        "name: &n x\nadvantage: r\n",
        """
        d.yaml:1:7: a YAML anchor has no meaning in a design
          1 | name: &n x
                    ^^
        hint: write the value out
        """,
    ),
    "an alias": (
        "advantage: r\nname: *n\n",
        """
        d.yaml:2:7: a YAML alias has no meaning in a design
          2 | name: *n
                    ^^
        hint: write the value out
        """,
    ),
    "a tag": (
        "advantage: !!python/name:os.system r\n",
        """
        d.yaml:1:12: a YAML tag has no meaning in a design
          1 | advantage: !!python/name:os.system r
                         ^^^^^^^^^^^^^^^^^^^^^^^
        hint: write the value out
        """,
    ),
    "a second document": (
        "advantage: r\n---\nadvantage: 0\n",
        """
        d.yaml:2:1: a second document in one file
          2 | ---
              ^^^
        hint: one design a file
        """,
    ),
    "a merge key": (
        "<<: {advantage: r}\n",
        """
        d.yaml:1:1: unknown key '<<' in a design
          1 | <<: {advantage: r}
              ^^
        hint: keys here: advantage, claims, correct, draws, keep, let, name, on_missing, params, rewards, signals, token, use
        """,
    ),
    "a key that is a list": (
        "? [a, b]\n: r\n",
        """
        d.yaml:1:3: a key is one word
          1 | ? [a, b]
                ^^^^^^
        """,
    ),
    # ------------------------------------------------------------ keys
    "an unknown key with a near miss": (
        "name: x\nadvantages: r\n",
        """
        d.yaml:2:1: unknown key 'advantages' in a design
          2 | advantages: r
              ^^^^^^^^^^
        hint: did you mean 'advantage'? keys here: advantage, claims, correct, draws, keep, let, name, on_missing, params, rewards, signals, token, use
        """,
    ),
    "an unknown key far from any": (
        "advantage: r\nlearning_rate: 1\n",
        """
        d.yaml:2:1: unknown key 'learning_rate' in a design
          2 | learning_rate: 1
              ^^^^^^^^^^^^^
        hint: keys here: advantage, claims, correct, draws, keep, let, name, on_missing, params, rewards, signals, token, use
        """,
    ),
    "a duplicate key": (
        "advantage: r\nname: x\nadvantage: 0\n",
        """
        d.yaml:3:1: duplicate key 'advantage', first given on line 1
          3 | advantage: 0
              ^^^^^^^^^
        hint: keep one of the two
        """,
    ),
    "a duplicate key in other quotes, one level down": (
        "let:\n  a: 1\n  'a': 2\nadvantage: r\n",
        """
        d.yaml:3:4: duplicate key 'a', first given on line 2
          3 |   'a': 2
                 ^
        hint: keep one of the two
        """,
    ),
    "a name that is a list": (
        "name: [a]\nadvantage: r\n",
        """
        d.yaml:1:7: 'name' is one word
          1 | name: [a]
                    ^^^
        """,
    ),
    # ------------------------------------------------------------ advantage
    "an advantage without a formula": (
        "advantage:\nname: x\n",
        """
        d.yaml:1:11: cannot read 'advantage' as a formula
          1 | advantage:
                        ^
        hint: write a formula here; 0 is one
        """,
    ),
    "an advantage that is a list": (
        "advantage: [r]\n",
        """
        d.yaml:1:12: 'advantage' is one formula
          1 | advantage: [r]
                         ^^^
        hint: write it on one line
        """,
    ),
    "a misspelt branch": (
        "advantage:\n  corect: 1\n  wrong: 0\n",
        """
        d.yaml:2:3: unknown key 'corect' under 'advantage'
          2 |   corect: 1
                ^^^^^^
        hint: did you mean 'correct'? keys here: correct, each, flat, wrong
        """,
    ),
    "correct without wrong": (
        "advantage: {correct: 1, flat: 0}\n",
        """
        d.yaml:1:12: 'advantage' has correct
          1 | advantage: {correct: 1, flat: 0}
                         ^^^^^^^^^^^^^^^^^^^^^
        hint: give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either
        """,
    ),
    "each beside correct": (
        "advantage: {each: r, correct: 1}\n",
        """
        d.yaml:1:12: 'advantage' has correct and each
          1 | advantage: {each: r, correct: 1}
                         ^^^^^^^^^^^^^^^^^^^^^
        hint: give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either
        """,
    ),
    "flat alone": (
        "advantage: {flat: 0}\n",
        """
        d.yaml:1:12: 'advantage' has no formula
          1 | advantage: {flat: 0}
                         ^^^^^^^^^
        hint: give both `correct:` and `wrong:`, or `each:` for one formula; `flat:` may stand with either
        """,
    ),
    "a mistake in wrong": (
        "advantage:\n  correct: 1\n  wrong:   -n_poz\n",
        """
        d.yaml:3:13: unknown name 'n_poz' in 'advantage.wrong'
          3 |   wrong:   -n_poz
                          ^^^^^
        hint: did you mean 'n_pos'? names here: N, P, correct, length, logprob, n_neg, n_pos, p, progress, r, score, step, surprisal, total_steps, truncated
        """,
    ),
    "a mistake in flat, after a tab": (
        'advantage:\n  each: 1\n  flat: "0 +\tq"\n',
        """
        d.yaml:3:14: unknown name 'q' in 'advantage.flat'
          3 |   flat: "0 +\tq"
                          \t^
        hint: names here: N, P, correct, length, logprob, n_neg, n_pos, p, progress, r, score, step, surprisal, total_steps, truncated
        """,
    ),
    # ------------------------------------------------------------ let
    "a circle of three": (
        "let:\n  a: b + 1\n  b: 2 * c\n  c: sqrt(a)\nadvantage: r + a\n",
        """
        d.yaml:4:11: 'let' goes in a circle: a → b → c → a
          4 |   c: sqrt(a)
                        ^
        hint: define one of them without the others
        """,
    ),
    "a circle of one, behind an innocent name": (
        "let: {a: b, b: b}\nadvantage: a\n",
        """
        d.yaml:1:16: 'let' goes in a circle: b → b
          1 | let: {a: b, b: b}
                             ^
        hint: define one of them without the others
        """,
    ),
    "a mistake in a let that nothing uses": (
        "let:\n  unused: nope\nadvantage: r\n",
        """
        d.yaml:2:11: unknown name 'nope' in 'let.unused'
          2 |   unused: nope
                        ^^^^
        hint: names here: N, P, correct, length, logprob, n_neg, n_pos, p, progress, r, score, step, surprisal, total_steps, truncated, unused
        """,
    ),
    "a let that is a signal": (
        "let: {r: 1}\nadvantage: r\n",
        """
        d.yaml:1:7: 'r' already means something in every design
          1 | let: {r: 1}
                    ^
        hint: choose another name
        """,
    ),
    "a let that is a function": (
        "let:\n  mean: 1\nadvantage: r\n",
        """
        d.yaml:2:3: 'mean' already means something in every design
          2 |   mean: 1
                ^^^^
        hint: choose another name
        """,
    ),
    "a let that is a parameter": (
        "params: {k: 1}\nlet: {k: 2}\nadvantage: k\n",
        """
        d.yaml:2:7: 'k' is already a parameter
          2 | let: {k: 2}
                    ^
        hint: choose another name
        """,
    ),
    "a let with a blank in its name": (
        "let: {hard group: 1}\nadvantage: r\n",
        """
        d.yaml:1:7: 'hard group' cannot be a name
          1 | let: {hard group: 1}
                    ^^^^^^^^^^
        hint: letters, digits and _, beginning with a letter, and no word of Python's grammar: not lambda, but lam
        """,
    ),
    "a let in Greek": (
        "let: {σ: 1}\nadvantage: r\n",
        """
        d.yaml:1:7: 'σ' cannot be a name
          1 | let: {σ: 1}
                    ^
        hint: letters, digits and _, beginning with a letter, and no word of Python's grammar: not lambda, but lam
        """,
    ),
    "an empty let": (
        "let:\nadvantage: r\n",
        """
        d.yaml:1:1: 'let' is a mapping of names
          1 | let:
              ^^^
        hint: write:  let:
                  name: formula
        """,
    ),
    # ------------------------------------------------------------ params
    "a parameter called lambda": (
        "params: {lambda: 0.9}\nadvantage: r\n",
        """
        d.yaml:1:10: 'lambda' cannot be a name
          1 | params: {lambda: 0.9}
                       ^^^^^^
        hint: letters, digits and _, beginning with a letter, and no word of Python's grammar: not lambda, but lam
        """,
    ),
    "a parameter that is a signal": (
        "params: {N: 8}\nadvantage: r\n",
        """
        d.yaml:1:10: 'N' already means something in every design
          1 | params: {N: 8}
                       ^
        hint: choose another name
        """,
    ),
    "params that are a number": (
        "params: 4\nadvantage: r\n",
        """
        d.yaml:1:9: 'params' is a mapping
          1 | params: 4
                      ^
        hint: for example: params: {k: 4}
        """,
    ),
    "a parameter without a default": (
        "params: {k: {range: [1, N]}}\nadvantage: r\n",
        """
        d.yaml:1:10: parameter 'k' has no default
          1 | params: {k: {range: [1, N]}}
                       ^
        hint: add `default: <number>`
        """,
    ),
    "a parameter with an unknown key": (
        "params:\n  k: {defalt: 1}\nadvantage: r\n",
        """
        d.yaml:2:7: unknown key 'defalt' for parameter 'k'
          2 |   k: {defalt: 1}
                    ^^^^^^
        hint: did you mean 'default'? keys here: default, kind, range, schedule
        """,
    ),
    "a parameter that is a list": (
        "params: {k: [1, 2]}\nadvantage: r\n",
        """
        d.yaml:1:13: parameter 'k' is one number
          1 | params: {k: [1, 2]}
                          ^^^^^^
        """,
    ),
    "a parameter that depends on the group": (
        "params: {k: N}\nadvantage: r\n",
        """
        d.yaml:1:13: unknown name 'N' in 'params.k'
          1 | params: {k: N}
                          ^
        hint: names here: none
        """,
    ),
    "an irrational parameter": (
        "params: {k: sqrt(2)}\nadvantage: r\n",
        """
        d.yaml:1:13: parameter 'k' is a plain number
          1 | params: {k: sqrt(2)}
                          ^^^^^^^
        hint: for example 0.5 or 1/3
        """,
    ),
    "a parameter without a value": (
        "params: {k: 1 / (3 - 3)}\nadvantage: r\n",
        """
        d.yaml:1:13: division by zero
          1 | params: {k: 1 / (3 - 3)}
                          ^^^^^^^^^^^
        """,
    ),
    "a range of one": (
        "params: {k: {default: 1, range: [1]}}\nadvantage: r\n",
        """
        d.yaml:1:33: the range of 'k' is two bounds
          1 | params: {k: {default: 1, range: [1]}}
                                              ^^^
        hint: for example: range: [1, N]
        """,
    ),
    "a range over another name": (
        "params: {k: {default: 1, range: [1, n_pos]}}\nadvantage: r\n",
        """
        d.yaml:1:37: unknown name 'n_pos' in 'params.k.range'
          1 | params: {k: {default: 1, range: [1, n_pos]}}
                                                  ^^^^^
        hint: names here: N
        """,
    ),
    # ------------------------------------------------------------ correct
    "a verdict over the reward": (
        "correct: r > 0.5\nadvantage: correct\n",
        """
        d.yaml:1:10: unknown name 'r' in 'correct'
          1 | correct: r > 0.5
                       ^
        hint: an answer is judged by its raw score, before length penalties: correct: score > 0.5
        """,
    ),
    "a verdict that is the same for all": (
        "correct: 1\nadvantage: correct\n",
        """
        d.yaml:1:10: 'correct' does not look at the answer
          1 | correct: 1
                       ^
        hint: use `score`: score > 0.5
        """,
    ),
    "a verdict that compares answers": (
        "correct: score > mean(score)\nadvantage: correct\n",
        """
        d.yaml:1:18: 'correct' looks at other answers
          1 | correct: score > mean(score)
                               ^^^^^^^^^^^
        hint: each answer is judged by its own score; compare groups in `advantage`
        """,
    ),
    "a verdict that is a mapping": (
        "correct: {above: 1}\nadvantage: correct\n",
        """
        d.yaml:1:10: 'correct' is one formula over `score`
          1 | correct: {above: 1}
                       ^^^^^^^^^^
        hint: for example: correct: score > 0.5
        """,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_file_is_told_at_its_place(mistake):
    text, expected = MISTAKES[mistake]
    expected = dedent(expected).strip("\n")
    assert [line.rstrip() for line in message(text).split("\n")] == expected.split("\n")


@pytest.mark.parametrize("mistake", MISTAKES)
def test_windows_line_ends_change_no_message(mistake):
    text, _ = MISTAKES[mistake]
    assert message(text.replace("\n", "\r\n")) == message(text)

"""Designs for hypothesis to write: from the language's own tables, so that a new function is fuzzed by existing.

`files` are bytes: valid designs, nearly valid ones, and those with a few bytes changed, cut out or written twice.
"""

from __future__ import annotations

from hypothesis import strategies as st

from shaping.language.vocabulary import FUNCTIONS, OPERATORS, REDUCTIONS, SIGNALS
from shaping.proofs.claims import ARGUMENT

HOSTILE = ["9**9**9", "10**400", "1e9999", "1e-9999", "1/0", "0**-1", "binomial(10**9, 5*10**8)", "exp(exp(exp(9)))"]
HOSTILE += [
    "1e999999",
    "9" * 4_400,
    "0.1",
    "1e-6",
    "010",
    "1_0",
    "1/3",
    "-1",
    "2**0.5",
    "log_gamma(1e-300)",
    "1j",
    "nan",
]
NAMES = ["k", "a", "b", "c", "drawn", "reward", "other", *SIGNALS]
WORDS = ["yes", "no", "drop", "error", "~", "null", "[]", "{}", "''", '"\\x00"', '"\\ud800"', "!!str r", "&a r", "*a"]
BINARY = [row.infix for row in OPERATORS.values() if row.arity == (2, 2)]

numbers = st.one_of(st.integers(-3, 20).map(str), st.sampled_from(HOSTILE))
OPTIONS = ["", "", "", ", where=correct", ", over=batch", ", ddof=1", ", ddof=-1", ", q", ", 0.5", ", k"]


def _wild(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger formulas of these, right or wrong."""
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from([*BINARY, "//", "%", "^"]), inner),
        st.builds("{}({})".format, st.sampled_from(sorted(FUNCTIONS)), st.lists(inner, max_size=3).map(", ".join)),
        st.builds("{}({}{})".format, st.sampled_from(sorted(REDUCTIONS)), inner, st.sampled_from(OPTIONS)),
        st.builds("{}{}".format, st.sampled_from(["-", "+", "not ", "(", "--"]), inner),
    )


def _tame(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger formulas with as many arguments as there should be."""
    calls = [
        st.builds(f"{row.name}({', '.join(['{}'] * row.arity[0])})".format, *[inner] * row.arity[0])
        for row in FUNCTIONS.values()
    ]
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(BINARY), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}(r * {})".format, st.sampled_from(["mean", "std", "sum", "max", "rank", "others_mean"]), inner),
        st.builds("-{}".format, inner),
        *calls,
    )


wild = st.recursive(st.one_of(st.sampled_from(NAMES), numbers), _wild, max_leaves=8)
tame = st.recursive(
    st.sampled_from(["r", "n_pos", "p", "N", "correct", "1", "2", "0.5", "length"]), _tame, max_leaves=10
)
formulas = st.one_of(tame, tame, tame, wild)
scalars = st.one_of(
    formulas,
    formulas,
    formulas.map('"{}"'.format),
    formulas.map("|\n    {}".format),
    st.one_of(st.sampled_from(WORDS), st.text(max_size=12)),
)


def _mapping(keys: list[str], values: st.SearchStrategy[str] = scalars) -> st.SearchStrategy[str]:
    entry = st.builds("{}: {}".format, st.sampled_from(keys), values)
    block = st.lists(entry, min_size=1, max_size=4, unique_by=lambda text: text.split(":")[0])
    return block.map(lambda lines: "\n" + "\n".join(f"  {line}" for line in lines))


bounds = st.sampled_from(["N", "sqrt(N)", "N / 2", "N - 1", "log(N) + 1", "sqrt(2)", "2 * N", "exp(N)", "N ** 0.5"])
param = st.one_of(
    numbers,
    st.builds("{{default: {}, range: [{}, {}]}}".format, numbers, numbers, st.one_of(numbers, bounds)),
    st.builds(
        "{{default: {}, range: [{}, {}], kind: {}}}".format,
        numbers,
        numbers,
        bounds,
        st.sampled_from(["whole", "real", "k"]),
    ),
    st.builds('{{default: {}, schedule: "{}"}}'.format, numbers, formulas),
)
values = st.one_of(numbers, st.sampled_from(["sqrt(5)", "sqrt(2)", "[2, 3]", "5/2", "[1, sqrt(2)]", "N", "log(2)"]))
conditions = st.sampled_from(
    [
        "sum(A, over=batch) == 0",
        "n_pos == 0 or n_neg == 0 or correct == sqrt(n_neg / n_pos)",
        "A >= 0 or r < 1",
        "quantile(A, 2) == 0",
        "A / r == 1",
        "length < 3 or A == r",
        "correct / n_pos > 0",
        "log(eta) < N",
        "mean(correct, over=batch) == 0",
        "std(A, ddof=3) < 1",
        "A <= max_of(r, k)",
    ]
)
claim = st.one_of(
    st.sampled_from(sorted(ARGUMENT)),
    conditions,
    st.builds("{{{}: {{when: {{k: {}, N: {}}}}}}}".format, st.sampled_from(sorted(ARGUMENT)), values, values),
    st.builds("{{{}: {{groups: {}, when: {{k: {}}}}}}}".format, st.sampled_from(sorted(ARGUMENT)), numbers, values),
    st.builds('{{holds: {{formula: "{}", when: {{k: {}}}}}}}'.format, conditions, values),
    st.builds('{{bounded: "{}"}}'.format, formulas),
    formulas.map('"{}"'.format),
    st.builds("{{{}: {}}}".format, st.sampled_from([*ARGUMENT, "not"]), st.one_of(numbers, st.sampled_from(WORDS))),
    st.builds("{{{}: {{when: {{k: [{}, {}]}}}}}}".format, st.sampled_from(sorted(ARGUMENT)), numbers, numbers),
)
used = st.one_of(
    st.sampled_from(["grpo.yaml", "../x.yaml", "/etc/passwd", "0", "."]),
    formulas.map('{{advantage: "{}"}}'.format),
    st.builds('{{design: {{params: {{k: 1}}, advantage: "{}"}}, params: {{k: "{}"}}}}'.format, formulas, formulas),
)
sections = {
    "name": st.one_of(st.text(max_size=8), st.sampled_from(WORDS)),
    "correct": st.one_of(st.just("score > 0.5"), scalars),
    "on_missing": st.sampled_from(["drop", "error", "1"]),
    "rewards": st.one_of(st.sampled_from(["0/1", "0 to 1", ">= 0", "any", "-1/1", "> k", "1 to 0", "0/"]), scalars),
    "signals": _mapping(["a", "b", "length"], st.sampled_from(["words", "[]"])),
    "params": _mapping(["k", "a", "lambda"], param),
    "use": _mapping(["other", "d"], used),
    "let": _mapping(["a", "b", "c"]),
    "draws": st.one_of(
        st.builds(
            "\n  size: {}\n  count: {}\n  reward: {}\n  advantage: {}\n  flat: 0".format,
            st.sampled_from(["2", "N", "k", "1"]),
            st.sampled_from(["N", "2", "4*N", "1e9"]),
            st.one_of(st.just("max(r)"), formulas),
            st.one_of(st.just("reward - mean(reward)"), formulas),
        ),
        _mapping(["size", "count", "reward", "advantage", "disjoint"]),
    ),
    "keep": st.one_of(st.just("0 < n_pos < N"), scalars),
    "token": st.one_of(st.just("A * token_surprisal"), scalars),
    "claims": st.lists(claim, min_size=1, max_size=3).map(lambda lines: "".join(f"\n  - {line}" for line in lines)),
    "objective": scalars,
}
advantages = st.one_of(
    scalars,
    st.builds("{{each: '{}', flat: 0}}".format, tame),
    st.builds("{{each: '{}', flat: 0}}".format, formulas),
    st.builds("\n  correct: {}\n  wrong: {}\n  flat: {}".format, formulas, formulas, formulas),
    st.builds("\n  each: {}\n  flat: 0".format, formulas),
)


@st.composite
def designs(draw) -> str:
    """The text of a design, most often one that can be read."""
    chosen = draw(st.lists(st.sampled_from(sorted(sections)), max_size=2, unique=True))
    parts = [f"{name}: {draw(sections[name])}" for name in chosen]
    parts.append(f"advantage: {draw(advantages)}")
    return "\n".join(parts) + draw(st.sampled_from(["\n", "", "\n---\n", "\r\n"]))


@st.composite
def claiming(draw) -> str:
    """A small design that can often be used, and claims about it."""
    k = draw(st.sampled_from(["2", "1", "3/2", "4"]))
    kind = draw(st.sampled_from(["", ", kind: real", ", kind: whole"]))
    high = draw(bounds)
    advantage = draw(
        st.sampled_from(
            [
                "r - mean(r)",
                "correct - p",
                "k * (correct - p)",
                "correct ** k - p",
                "r - length / 100",
                "r - mean(r, over=batch)",
                "exp(r) - mean(exp(r))",
                "log(n_pos + k)",
                "(r if length < 400 else -1) * k",
            ]
        )
    )
    formula = draw(st.one_of(st.just(advantage), tame))
    claims = draw(st.lists(claim, min_size=1, max_size=2))
    lines = "".join(f"\n  - {line}" for line in claims)
    params = f'params: {{k: {{default: {k}, range: [1, "{high}"]{kind}}}}}'
    return f"{params}\nadvantage: {{each: '{formula}', flat: 0}}\nclaims:{lines}\n"


@st.composite
def files(draw) -> bytes:
    data = draw(designs()).encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 6))
        new = draw(
            st.one_of(st.binary(max_size=4), st.sampled_from([b"[[[[[", b": ", b"\n", b"(" * 200, b"**9", b"- "]))
        )
        middle = data[start : start + length]
        data = data[:start] + draw(st.sampled_from([new, middle * 2, b""])) + data[start + length :]
    return data

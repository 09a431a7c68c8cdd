"""Exact answers, computed slowly, for every design of the library: one short function a design.

In    a batch: a list of Group. An answer has a reward r, a verdict b, a length L, a log-probability lp
Out   one list a group, one Fraction an answer; the two token designs return a list of Fractions an answer

ORACLES, at the end, maps the name of a design to a function(batch, *, progress=0, **params). Sums, means and counts
are exact. Only a square root, exp, log or power is rounded, to 60 digits or more, and is a Fraction from then on: so
zero is exactly zero, and there is no eps unless the formula has one. A float means the number it stores; a default
is the decimal in the text, 0.6 = 3/5. Whatever draws k answers looks at every subset: for groups of up to eight.
The formulas themselves want exact parameters; ORACLES takes floats and makes them exact.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, wraps
from itertools import combinations
from math import floor, isqrt

from mpmath import libmp, mp, mpf
from oracle import over_root

Number = int | Fraction | float


@dataclass(frozen=True)
class Group:
    """The answers to one prompt; signals that a design does not use may be left out. r, b, L, lp and tokens are the
    same numbers as Fractions. subsets: the index tuples that were drawn, for passk_bootstrap.
    ValueError if lengths differ or a verdict is not 0 or 1.
    """

    reward: tuple
    correct: tuple
    length: tuple = ()
    logprob: tuple = ()
    token_logprob: tuple = ()
    subsets: tuple = ()

    def __post_init__(self):
        for name in ("correct", "length", "logprob", "token_logprob"):
            values = getattr(self, name)
            if len(values) != self.N and (values or name == "correct"):
                raise ValueError(f"{self.N} rewards, but {len(values)} entries in {name}")
        if not self.N or any(b not in (0, 1) for b in self.correct):
            raise ValueError(f"a group needs an answer, and verdicts must be 0 or 1; here: {self.correct}")

    N = cached_property(lambda self: len(self.reward))
    r = cached_property(lambda self: tuple(map(as_fraction, self.reward)))
    b = cached_property(lambda self: tuple(map(as_fraction, self.correct)))
    L = cached_property(lambda self: tuple(map(as_fraction, self.length)))
    lp = cached_property(lambda self: tuple(map(as_fraction, self.logprob)))
    tokens = cached_property(lambda self: tuple(tuple(map(as_fraction, answer)) for answer in self.token_logprob))
    c = cached_property(lambda self: sum(self.b))  # how many are correct
    p = cached_property(lambda self: mean(self.b))
    mu = cached_property(lambda self: mean(self.r))


def verdicts(text: str, **signals) -> Group:
    """A group with 0/1 rewards: verdicts("10") is Group(reward=(1, 0), correct=(1, 0))."""
    digits = tuple(int(b) for b in text)
    return Group(digits, digits, **signals)


def as_fraction(value: Number | Decimal | mpf) -> Fraction:
    """The same number as a Fraction, exactly. ValueError or OverflowError if it is not finite.
    >>> as_fraction(0.5), as_fraction(Decimal("-0.1")), as_fraction(mpf(-3) / 4)
    (Fraction(1, 2), Fraction(-1, 10), Fraction(-3, 4))
    """
    if isinstance(value, mpf):
        if not mp.isfinite(value):
            raise ValueError(f"{value} is not a number that a Fraction can hold")
        return Fraction(*libmp.to_rational(value._mpf_))
    return Fraction(value)


def shown(values: Sequence[Fraction]) -> str:
    """Four digits of each, for the examples below."""
    return " ".join(f"{float(x):.4g}" for x in values)


# Arithmetic: everything takes and returns Fractions


def _rounded(function: Callable, *arguments: Fraction) -> Fraction:
    with mp.workdps(80):  # 60 digits remain when an argument rounded to 80 is stretched by exp or a power
        return as_fraction(function(*(mpf(x.numerator) / x.denominator for x in arguments)))


def exp(x: Fraction) -> Fraction:
    return _rounded(mp.exp, x)


def log(x: Fraction) -> Fraction:
    return _rounded(mp.log, x)


def power(x: Fraction, exponent: Number) -> Fraction:
    """x ** exponent, exact for a whole exponent; 0 ** 0 is 1."""
    exponent = Fraction(exponent)
    return Fraction(x) ** int(exponent) if exponent.denominator == 1 else _rounded(mp.power, x, exponent)


def root(x: Fraction) -> Fraction:
    """Square root, exact where it is rational.
    >>> root(Fraction(4, 9)), shown([root(Fraction(2))])
    (Fraction(2, 3), '1.414')
    """
    p, q = isqrt(x.numerator), isqrt(x.denominator)
    return Fraction(p, q) if Fraction(p * p, q * q) == x else as_fraction(over_root(x, x))


def mean(values: Sequence[Number]) -> Fraction:
    return Fraction(sum(values)) / len(values)


def variance(values: Sequence[Fraction], ddof: int) -> Fraction:
    if len(values) <= ddof:
        raise ValueError(f"a variance over N - {ddof} needs more than {ddof} values; here: {len(values)}")
    return sum(x**2 for x in centered(values)) / Fraction(len(values) - ddof)


def sd(values: Sequence[Fraction], ddof: int) -> Fraction:
    return root(variance(values, ddof))


def zeros(group: Group) -> list[Fraction]:
    return [Fraction(0)] * group.N


def centered(x: Sequence[Fraction]) -> list[Fraction]:
    middle = mean(x)
    return [xi - middle for xi in x]


def standardized(x: Sequence[Fraction], ddof: int = 0) -> list[Fraction]:
    """(x - mean) / sd; all zeros if x is constant."""
    spread = sd(x, ddof)
    return [xi / spread if spread else Fraction(0) for xi in centered(x)]


def others(x: Sequence, i: int) -> list:
    return [xj for j, xj in enumerate(x) if j != i]


def minus_others(x: Sequence[Fraction]) -> list[Fraction]:
    """x_i - mean of the others. ValueError for a single x: there are no others."""
    if len(x) < 2:
        raise ValueError("a mean of the other answers needs 2 or more answers in a group")
    return [xi - mean(others(x, i)) for i, xi in enumerate(x)]


def smaller(x: Sequence[Fraction]) -> list[int]:
    """How many of the x are smaller than each; equal x share a rank.
    >>> smaller([5, 1, 5, 9])
    [1, 0, 1, 3]
    """
    return [sum(other < own for other in x) for own in x]


def draws(n: int, k: int) -> list[tuple[int, ...]]:
    """Every way to draw k of n answers. ValueError unless 1 <= k <= n."""
    if not 1 <= k <= n:
        raise ValueError(f"k = {k} draws from {n} answers; k must lie in 1..N")
    return list(combinations(range(n), k))


# GRPO and its relatives


def grpo(g: Group) -> list[Fraction]:
    """A = (r - mean) / sd with sd over N. Zeros for a constant group. Source: arXiv:2402.03300.
    >>> print(*grpo(verdicts("10000")))
    2 -1/2 -1/2 -1/2 -1/2
    """
    return standardized(g.r)


def grpo_sample_std(g: Group) -> list[Fraction]:
    """A = (r - mean) / sd with sd over N - 1, as in OpenRLHF's group_norm. Zeros for a constant group.
    Source: arXiv:2402.03300 with torch.std. ValueError if N < 2.
    >>> print(*grpo_sample_std(verdicts("1000")))
    3/2 -1/2 -1/2 -1/2
    """
    return standardized(g.r, ddof=1)


def grpo_trl(g: Group) -> list[Fraction]:
    """A = (r - mean) / (sd + 1e-4) with sd over N - 1; zeros for a constant group.
    Source: arXiv:2402.03300 in TRL. ValueError if N < 2.
    """
    spread = sd(g.r, ddof=1) + Fraction("1e-4")
    return [x / spread for x in centered(g.r)]


def grpo_verl(g: Group) -> list[Fraction]:
    """A = (r - mean) / (sd + 1e-6) with sd over N - 1; zeros for a constant group.
    Source: arXiv:2402.03300 in verl. ValueError if N < 2.
    """
    spread = sd(g.r, ddof=1) + Fraction("1e-6")
    return [x / spread for x in centered(g.r)]


def dr_grpo(g: Group) -> list[Fraction]:
    """A = r - mean; zeros for a constant group. Source: arXiv:2503.20783."""
    return centered(g.r)


def rloo(g: Group) -> list[Fraction]:
    """A = r - mean of the other answers; zeros for a constant group. Source: arXiv:2402.14740. ValueError if N < 2."""
    return minus_others(g.r)


def lite_ppo(batch: Sequence[Group]) -> list[list[Fraction]]:
    """A = (r - mean of the group) / sd of all raw rewards of the batch, over their number - 1.
    Zeros where a group is constant, and everywhere if the batch is. Source: arXiv:2508.08221, as in TRL's
    scale_rewards="batch" without its eps.
    """
    spread = sd([r for g in batch for r in g.r], ddof=1)
    return [[x / spread if spread else Fraction(0) for x in centered(g.r)] for g in batch]


def reinforce_pp_baseline(batch: Sequence[Group]) -> list[list[Fraction]]:
    """a = r - mean of the group, then A = (a - m) / sqrt(max(v, 1e-8)); m and v are mean and variance of a over all
    tokens of the batch: an answer counts L times. A constant group gets -m / sqrt(v), which need not be 0; a batch
    of constant groups gets zeros. Source: arXiv:2501.03262 in OpenRLHF.
    """
    a = [centered(g.r) for g in batch]
    weighted = [(L, x) for g, row in zip(batch, a, strict=True) for L, x in zip(g.L, row, strict=True)]
    total = sum(L for L, _ in weighted)
    m = sum(L * x for L, x in weighted) / total
    v = sum(L * (x - m) ** 2 for L, x in weighted) / total
    spread = root(max(v, Fraction("1e-8")))
    return [[(x - m) / spread for x in row] for row in a]


def opo(g: Group) -> list[Fraction]:
    """A = r - sum(L r) / sum(L): the baseline with least variance if gradients grow with length.
    Zeros for a constant group. Source: arXiv:2505.23585.
    >>> print(*opo(verdicts("10", length=(1, 3))))
    3/4 -1/4
    """
    baseline = sum(L * r for L, r in zip(g.L, g.r, strict=True)) / sum(g.L)
    return [r - baseline for r in g.r]


def gpg(batch: Sequence[Group]) -> list[list[Fraction]]:
    """A = alpha (r - mean), alpha = groups in the batch / groups that are not constant; zeros if all are constant.
    Source: arXiv:2504.02546 and its authors' code, which also holds alpha at 20 or less; verl counts otherwise.
    """
    varied = sum(variance(g.r, 0) > 0 for g in batch)
    alpha = Fraction(len(batch), varied) if varied else 0
    return [[alpha * x for x in centered(g.r)] for g in batch]


def bnpo(batch: Sequence[Group]) -> list[list[Fraction]]:
    """A = (r - mu) * min(1e6, 1 / BetaPDF(mu; al, be)), mu the mean of the group; 1e6 where the density is 0.
    With m and v the mean and the variance (over P - 1) of the P groups' mu, and q = m(1-m)/v - 1:
    al = max(1 + q m/3, 1), be = max(1 + q (1-m)/3, 1). v -> 0 makes the density infinite, so v = 0 gives zeros;
    one group alone gets zeros too. ValueError for rewards outside [0, 1]. Source: arXiv:2506.02864.
    Means 1/4, 1/2, 3/4 give q = 3, al = be = 3/2, density 4/pi at 1/2: pi/8 for each half right.
    >>> shown(bnpo([verdicts("1000"), verdicts("1100"), verdicts("1110")])[1])
    '0.3927 0.3927 -0.3927 -0.3927'
    """
    if any(not 0 <= r <= 1 for g in batch for r in g.r):
        raise ValueError("rewards must lie in [0, 1] for a Beta density of their mean")
    if len(batch) < 2 or variance([g.mu for g in batch], 1) == 0:
        return [zeros(g) for g in batch]
    m, v = mean([g.mu for g in batch]), variance([g.mu for g in batch], 1)
    q = m * (1 - m) / v - 1
    al, be = max(1 + q * m / 3, Fraction(1)), max(1 + q * (1 - m) / 3, Fraction(1))

    def density(x):
        return _rounded(lambda x, al, be: x ** (al - 1) * (1 - x) ** (be - 1) / mp.beta(al, be), x, al, be)

    weight = [min(Fraction(10**6), 1 / d) if (d := density(g.mu)) else Fraction(10**6) for g in batch]
    return [[w * x for x in centered(g.r)] for w, g in zip(weight, batch, strict=True)]


def ngrpo(g: Group, *, r_max: Number = 1) -> list[Fraction]:
    """A = (r - mean) / sd, both over the N answers and one more of reward r_max; sd over (N + 1) - 1.
    So an all-wrong group is pushed down; zeros only if every reward is r_max. Source: arXiv:2509.18851.
    >>> print(*ngrpo(verdicts("000")))
    -1/2 -1/2 -1/2
    """
    return standardized([*g.r, as_fraction(r_max)], ddof=1)[:-1]


# Pass@k


def passk(g: Group, *, k: int = 4) -> list[Fraction]:
    """Every k-subset is scored by its best verdict and the scores are standardized; A_i = mean over the subsets
    with i. Zeros if no answer is correct or fewer than k are wrong. Source: arXiv:2508.10751, Eqs 14-15, before
    any algebra. ValueError unless 1 <= k <= N.
    >>> shown(passk(verdicts("1100"), k=2))  # one pair of 6 fails: +-1/sqrt(5)
    '0.4472 0.4472 -0.4472 -0.4472'
    """
    subsets = draws(g.N, k)
    credit = standardized([max(g.b[i] for i in S) for S in subsets])
    return [mean([a for S, a in zip(subsets, credit, strict=True) if i in S]) for i in range(g.N)]


def passk_full_sampling(g: Group, *, k: int = 4) -> list[Fraction]:
    """The first k answers are one block, the next k another; a block's score is its largest reward, the scores are
    standardized and shared by the block. The N mod k answers left over get 0; zeros for fewer than 2 blocks or
    equal scores. Source: arXiv:2508.10751, Sec. 2.2.
    >>> print(*passk_full_sampling(verdicts("10001"), k=2))
    1 1 -1 -1 0
    """
    if k < 1:
        raise ValueError(f"a block has one or more answers; here: k = {k}")
    blocks = [g.r[start : start + k] for start in range(0, g.N - k + 1, k)]
    credit = standardized([max(block) for block in blocks]) if blocks else []
    return [a for a in credit for _ in range(k)] + [Fraction(0)] * (g.N - k * len(blocks))


def passk_bootstrap(g: Group, *, k: int = 4) -> list[Fraction]:
    """The drawn subsets are scored by their largest reward, the scores are standardized; A_i = their SUM over the
    subsets with i: about k times passk for N draws. 0 for an answer never drawn; zeros if all score alike.
    Source: arXiv:2508.10751, Sec. 2.3, Eq 6. ValueError unless each subset has k different answers.
    >>> print(*passk_bootstrap(verdicts("1000", subsets=((0, 1), (0, 2), (2, 3), (1, 3))), k=2))
    2 0 0 -2
    """
    if not g.subsets or any(len(S) != k or not set(S) <= set(range(g.N)) or len(set(S)) != k for S in g.subsets):
        raise ValueError(f"subsets must be draws of {k} different answers out of {g.N}; here: {g.subsets}")
    credit = standardized([max(g.r[i] for i in S) for S in g.subsets])
    return [sum((a for S, a in zip(g.subsets, credit, strict=True) if i in S), Fraction(0)) for i in range(g.N)]


def pkpo_s(rewards: Sequence[Fraction], k: int) -> list[Fraction]:
    """s_i = (1/C(n,k)) * sum over the k-subsets with i of their largest reward. Source: arXiv:2505.15201."""
    subsets = draws(len(rewards), k)
    return [
        sum(max(rewards[j] for j in S) for S in subsets if i in S) / Fraction(len(subsets)) for i in range(len(rewards))
    ]


def pkpo(g: Group, *, k: int = 4) -> list[Fraction]:
    """A = N s_i for a loss that averages over answers. No baseline: an all-right group gets k, not 0.
    Source: arXiv:2505.15201, s. ValueError unless 1 <= k <= N.
    >>> print(*pkpo(Group((3, 1, 0), (1, 0, 0)), k=2))  # pairs 3, 3, 1
    6 4 4
    """
    return [g.N * s for s in pkpo_s(g.r, k)]


def pkpo_loo(g: Group, *, k: int = 4) -> list[Fraction]:
    """A = N (s_i - mean of the others' s in the group without i). Unbiased, but its sum is -N k pass@k / (N - 1):
    an all-right group gets -k / (N - 1) each. Source: arXiv:2505.15201, s^(loo). ValueError unless 1 <= k <= N - 1.
    >>> print(*pkpo_loo(Group((3, 1, 0), (1, 0, 0)), k=2))
    3 -5 -5
    """
    return [g.N * (s - mean(pkpo_s(others(g.r, i), k))) for i, s in enumerate(pkpo_s(g.r, k))]


def pkpo_loo_minus_one(g: Group, *, k: int = 4) -> list[Fraction]:
    """A = N/C(N,k) * sum over the k-subsets with i of (largest reward - largest without i): what i adds to a subset.
    Zeros for a constant group. Source: arXiv:2505.15201, s^(loo-1). ValueError unless 2 <= k <= N.
    >>> print(*pkpo_loo_minus_one(Group((3, 1, 0), (1, 0, 0)), k=2))
    5 1 0
    """
    if k < 2:
        raise ValueError(f"k = {k} leaves no other answer to compare with; k must lie in 2..N")
    subsets = draws(g.N, k)

    def added(i, S):
        return max(g.r[j] for j in S) - max(g.r[j] for j in S if j != i)

    return [Fraction(g.N, len(subsets)) * sum(added(i, S) for S in subsets if i in S) for i in range(g.N)]


def grpo_passk_verl(g: Group) -> list[Fraction]:
    """A = r_i - largest of the others if that is positive, else 0: only a single best answer gets credit.
    Zeros on a tie for the best. Source: arXiv:2503.19595 as verl's GRPO_PASSK, without its division by sd.
    ValueError if N < 2.
    """
    if g.N < 2:
        raise ValueError("the best of the other answers needs 2 or more answers in a group")
    return [max(r - max(others(g.r, i)), Fraction(0)) for i, r in enumerate(g.r)]


def passk_weighted(g: Group, *, k: int = 4) -> list[Fraction]:
    """A = k (1 - p)^(k-1) (r - mean of the others): the weight of d/dp (1 - (1-p)^k) with the group's own p.
    Zeros for an all-right group (k > 1) and a constant one. Source: arXiv:2511.16231. ValueError if N < 2.
    >>> print(*passk_weighted(verdicts("1000"), k=2))  # 2 * 3/4 * (1, -1/3)
    3/2 -1/2 -1/2 -1/2
    """
    return [k * (1 - g.p) ** (k - 1) * x for x in minus_others(g.r)]


def exceeding_passk(g: Group, *, k: int = 4) -> list[Fraction]:
    """A = 4 / (10 ln(c + 1/2)) * passk: the push is greatest where one answer is correct.
    Zeros where passk is; for c = 0 the factor is negative, times 0. Source: arXiv:2508.10751, Eq 17.
    """
    return [Fraction(4, 10) / log(g.c + Fraction(1, 2)) * a for a in passk(g, k=k)]


def combination(g: Group, *, k: int = 4) -> list[Fraction]:
    """A = p passk + (1 - p) GRPO of the verdicts. Zeros for all wrong, all right. Source: arXiv:2508.10751, Eq 18."""
    return [g.p * a + (1 - g.p) * x for a, x in zip(passk(g, k=k), standardized(g.b), strict=True)]


def adaptive_entropy(batch: Sequence[Group], *, k: int = 4) -> list[list[Fraction]]:
    """h = mean of -lp in a group, rank = number of groups with smaller h: GRPO of the verdicts where
    rank >= P/2 of the P groups, passk elsewhere. A lone group, and groups that all tie, get passk.
    Source: arXiv:2508.10751, Sec. 4.2.3, with -lp standing for entropy.
    """
    h = [mean([-lp for lp in g.lp]) for g in batch]
    return [
        standardized(g.b) if 2 * rank >= len(batch) else passk(g, k=k)
        for g, rank in zip(batch, smaller(h), strict=True)
    ]


def passk_then_pass1(g: Group, *, k: int = 4, switch: Number = Fraction("0.5"), progress: Number = 0) -> list[Fraction]:
    """passk while progress < switch, then GRPO of the verdicts. Source: arXiv:2508.10751, Table 2."""
    return passk(g, k=k) if progress < switch else standardized(g.b)


def passk_annealed(g: Group, *, k: int = 8, progress: Number = 0) -> list[Fraction]:
    """passk with k' = max(1, k - floor(k progress)): from k draws to one. Source: arXiv:2508.10751 and the
    annealing of k in arXiv:2505.15201.
    """
    return passk(g, k=max(1, k - floor(k * progress)))


# Weights by difficulty, verdict or likelihood


def without_easy(g: Group, *, threshold: Number = Fraction("0.6")) -> list[Fraction]:
    """GRPO if p <= threshold, else zeros. Source: arXiv:2508.10751, Sec. 4.1.2 (which states no threshold).
    The default is 3/5 itself, so 3 of 5 correct are kept; the float 0.6 lies below 3/5 and would drop them.
    """
    return standardized(g.r) if g.p <= threshold else zeros(g)


def maxrl(g: Group) -> list[Fraction]:
    """A = (r - mean) / mean; zeros if the mean is not positive, or the group constant. Source: arXiv:2602.02710.
    >>> print(*maxrl(verdicts("1000")))
    3 -1 -1 -1
    """
    return [x / g.mu for x in centered(g.r)] if g.mu > 0 else zeros(g)


def f_grpo(g: Group, *, gamma: Number = 1) -> list[Fraction]:
    """A = GRPO over N - 1, times (1 - p)^gamma. Zeros for a constant group. Source: arXiv:2602.06717.
    >>> print(*f_grpo(verdicts("1000")))
    9/8 -3/8 -3/8 -3/8
    """
    return [a * power(1 - g.p, gamma) for a in standardized(g.r, ddof=1)]


def grpo_lead(
    g: Group,
    *,
    low: Number = Fraction("0.4"),
    high: Number = Fraction("1.5"),
    middle: Number = Fraction("0.75"),
    slope: Number = 10,
) -> list[Fraction]:
    """a = GRPO over N - 1; A = a w(p) where a > 0, else a w(1 - p); w falls from high to low around `middle`:
    w(x) = low + (high - low) / (1 + exp(slope (x - middle))). Zeros for a constant group. Source: arXiv:2504.09696.
    """

    def w(x):
        return low + (high - low) / (1 + exp(Fraction(slope * (x - middle))))

    return [a * w(g.p if a > 0 else 1 - g.p) for a in standardized(g.r, ddof=1)]


def rs_grpo(g: Group, *, beta: Number = 2) -> list[Fraction]:
    """A = (1/beta) (exp(beta r) / mean exp(beta r) - 1), r - mean as beta -> 0; zeros for a constant group.
    Source: arXiv:2509.24261.
    >>> shown(rs_grpo(verdicts("10")))  # tanh(1) / 2
    '0.3808 -0.3808'
    """
    weight = [exp(beta * r) for r in g.r]
    return [x / mean(weight) / beta for x in centered(weight)]


def psr(g: Group) -> list[Fraction]:
    """1 if correct, else 0: reinforce successes only. An all-right group gets ones. Source: arXiv:2506.01347."""
    return list(g.b)


def nsr(g: Group) -> list[Fraction]:
    """0 if correct, else -1: punish failures only. An all-wrong group gets -1. Source: arXiv:2506.01347."""
    return [b - 1 for b in g.b]


def w_reinforce(g: Group, *, weight: Number = Fraction("0.1")) -> list[Fraction]:
    """weight if correct, else -1, constant groups too. Source: arXiv:2506.01347."""
    return [Fraction(weight) if b else Fraction(-1) for b in g.b]


def disco_b(g: Group) -> list[Fraction]:
    """1/c if correct, -1/(N - c) if wrong; zeros if all right or all wrong. Source: arXiv:2505.12366, DisCO-b.
    >>> print(*disco_b(verdicts("1000")))
    1 -1/3 -1/3 -1/3
    """
    return [1 / g.c if b else -1 / (g.N - g.c) for b in g.b] if 0 < g.c < g.N else zeros(g)


def unlikeliness(g: Group, *, beta: Number = Fraction("0.25")) -> list[Fraction]:
    """x = r (1 - beta rank/N), rank = number of answers in the group with smaller lp; A = GRPO of x over N - 1.
    Zeros for an all-right group, which would be ranked by likelihood alone. Source: arXiv:2506.02355, rank as
    in its code; equal lp share a rank.
    """
    if g.c == g.N:
        return zeros(g)
    x = [r * (1 - beta * Fraction(rank, g.N)) for r, rank in zip(g.r, smaller(g.lp), strict=True)]
    return standardized(x, ddof=1)


def a_grae(batch: Sequence[Group], *, alpha: Number = 1) -> list[list[Fraction]]:
    """a = GRPO over N - 1, mu its group's mean, M = mean of mu over the batch's groups:
    x = (1 - M) a / (2 (1 - sqrt(mu))) + M a / (2 sqrt(mu)); A = x min(1, M/alpha) where x > 0, else x.
    Zeros where mu is 0 or 1. ValueError for rewards outside [0, 1]. Source: arXiv:2602.05548 as in its code,
    where alpha is 1 for mathematics; the paper has sqrt(1 - mu).
    """
    if any(not 0 <= r <= 1 for g in batch for r in g.r):
        raise ValueError("rewards must lie in [0, 1]: their mean goes under a square root")
    M = mean([g.mu for g in batch])

    def advantages(g):
        easy, hard = 2 * (1 - root(g.mu)), 2 * root(g.mu)
        x = [(1 - M) * a / easy + M * a / hard for a in standardized(g.r, ddof=1)]
        return [xi * min(Fraction(1), M / Fraction(alpha)) if xi > 0 else xi for xi in x]

    return [advantages(g) if 0 < g.mu < 1 else zeros(g) for g in batch]


# Length


def kimi_length(g: Group, *, weight: Number = 1) -> list[Fraction]:
    """lam = 1/2 - (L - min L) / (max L - min L), 0 if all lengths are equal; x = r + weight lam if correct,
    r + weight min(0, lam) if wrong; A = x - mean x. Source: arXiv:2501.12599.
    >>> print(*kimi_length(verdicts("110", length=(10, 20, 30))))  # x = 3/2, 1, -1/2
    5/6 1/3 -7/6
    """
    span = max(g.L) - min(g.L)
    lam = [Fraction(1, 2) - (L - min(g.L)) / span if span else Fraction(0) for L in g.L]
    return centered([r + weight * (x if b else min(Fraction(0), x)) for r, b, x in zip(g.r, g.b, lam, strict=True)])


def efficient_reasoning(g: Group, *, alpha: Number = Fraction("0.1")) -> list[Fraction]:
    """z = (L - mean) / sd over the correct answers, 0 if they are all as long; x = 1 - alpha sigmoid(z) if correct,
    0 if wrong; A = x - mean of the others. Zeros for an all-wrong group. Source: arXiv:2502.04463. ValueError if N < 2.
    >>> print(*efficient_reasoning(verdicts("10", length=(7, 9))))
    19/20 -19/20
    """
    correct = [i for i in range(g.N) if g.b[i]]
    z = standardized([g.L[i] for i in correct]) if correct else []
    x = zeros(g)
    for i, zi in zip(correct, z, strict=True):
        x[i] = 1 - alpha / (1 + exp(-zi))
    return minus_others(x)


def gfpo(g: Group, *, keep_k: int = 4) -> list[Fraction]:
    """Keep the answers with fewer than keep_k strictly shorter ones, so more than keep_k on a tie; they get GRPO
    among themselves, the others 0. Zeros if the kept rewards are equal. Source: arXiv:2508.09726. ValueError if
    keep_k < 1.
    >>> print(*gfpo(verdicts("1010", length=(1, 2, 3, 4)), keep_k=2))
    1 -1 0 0
    """
    kept = [i for i, shorter in enumerate(smaller(g.L)) if shorter < keep_k]
    credit = dict(zip(kept, standardized([g.r[i] for i in kept]), strict=True))
    return [credit.get(i, Fraction(0)) for i in range(g.N)]


def l1_exact(g: Group, *, target: Number = 1024, alpha: Number = Fraction("0.0003")) -> list[Fraction]:
    """GRPO of x = b - alpha |target - L|. Zeros if all x are equal. Source: arXiv:2503.04697, LCPO-Exact."""
    return standardized([b - alpha * abs(target - L) for b, L in zip(g.b, g.L, strict=True)])


def shorter_better(g: Group, *, alpha: Number = 2, beta: Number = Fraction("0.001")) -> list[Fraction]:
    """GRPO of x = alpha b - beta |L - S|; S = length of the shortest correct answer, the mean length if none is.
    Zeros if all x are equal. Source: arXiv:2504.21370, values of its code.
    """
    S = min([L for L, b in zip(g.L, g.b, strict=True) if b], default=mean(g.L))
    return standardized([alpha * b - beta * abs(L - S) for b, L in zip(g.b, g.L, strict=True)])


def laser(g: Group, *, alpha: Number = Fraction("0.5"), target: Number = 4096) -> list[Fraction]:
    """GRPO of x = b + alpha for a correct answer of length <= target, else x = b. Zeros if all x are equal.
    Source: arXiv:2505.15612.
    """
    return standardized([b + alpha * b * (length <= target) for b, length in zip(g.b, g.L, strict=True)])


def dapo(g: Group, *, max_length: Number = 20480, buffer: Number = 4096, factor: Number = 1) -> list[Fraction]:
    """Zeros for an all-right or all-wrong group; else GRPO of x = r - factor * (share of the buffer used), the buffer
    being the last tokens before max_length; beyond max_length the share stays 1. Source: arXiv:2503.14476.
    """
    if g.c in (0, g.N):
        return zeros(g)
    used = [min(max((L - (max_length - buffer)) / Fraction(buffer), Fraction(0)), Fraction(1)) for L in g.L]
    return standardized([r - factor * share for r, share in zip(g.r, used, strict=True)])


# One advantage a token


def entropy_tokens(g: Group, *, alpha: Number = Fraction("0.4"), kappa: Number = 2) -> list[list[Fraction]]:
    """a = GRPO; A_t = a + min(alpha (-logprob_t), |a| / kappa). Zeros for a constant group, whose |a| is 0.
    Source: arXiv:2506.14758, with -logprob_t standing for the entropy at t.
    """
    return [
        [a + min(-alpha * logprob, abs(a) / kappa) for logprob in answer]
        for a, answer in zip(standardized(g.r), g.tokens, strict=True)
    ]


def low_prob_damping(g: Group, *, alpha: Number = Fraction("0.2")) -> list[list[Fraction]]:
    """a = GRPO; A_t = a (alpha exp(logprob_t) + 1 - alpha). Zeros for a constant group. Source: arXiv:2505.12929."""
    a_N = standardized(g.r)
    return [
        [a * (alpha * exp(logprob) + 1 - alpha) for logprob in answer] for a, answer in zip(a_N, g.tokens, strict=True)
    ]


# The table


def _exact(value: Number) -> int | Fraction:
    exact = as_fraction(value)
    return int(exact) if exact.denominator == 1 else exact


def _oracle(formula: Callable, each_group: bool = True, uses_progress: bool = False) -> Callable:
    @wraps(formula)
    def oracle(batch, *, progress=0, **params):
        params = {name: _exact(value) for name, value in params.items()}
        if uses_progress:
            params["progress"] = as_fraction(progress)
        return [formula(g, **params) for g in batch] if each_group else formula(batch, **params)

    return oracle


# fmt: off
EACH_GROUP = (
    grpo, grpo_sample_std, grpo_trl, grpo_verl, dr_grpo, rloo, opo, ngrpo,
    passk, passk_full_sampling, passk_bootstrap, pkpo, pkpo_loo, pkpo_loo_minus_one, grpo_passk_verl, passk_weighted,
    exceeding_passk, combination, without_easy, maxrl, f_grpo, grpo_lead, rs_grpo, psr, nsr, w_reinforce, disco_b,
    unlikeliness, kimi_length, efficient_reasoning, gfpo, l1_exact, shorter_better, laser, dapo,
    entropy_tokens, low_prob_damping,
)
OVER_TIME = (passk_then_pass1, passk_annealed)
WHOLE_BATCH = (lite_ppo, reinforce_pp_baseline, gpg, bnpo, adaptive_entropy, a_grae)
# fmt: on

ORACLES: dict[str, Callable] = (
    {f.__name__: _oracle(f) for f in EACH_GROUP}
    | {f.__name__: _oracle(f, uses_progress=True) for f in OVER_TIME}
    | {f.__name__: _oracle(f, each_group=False) for f in WHOLE_BATCH}
)

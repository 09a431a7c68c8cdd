"""Exact answers, computed slowly, to check fast advantage code against.

In    one group as a plain list: verdicts (0 or 1), or rewards (int, Fraction, float)
Out   advantages as Decimal, probabilities and metrics as Fraction

Every advantage is top / sqrt(under) with rational top and under. Sums, means and counts stay Fractions and
one square root is taken at the very end (`over_root`): no eps, no tolerance, and zero is exactly zero. A float
means the number it stores. Add results as Fractions: Decimal + Decimal keeps 28 digits.
"""

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from itertools import combinations
from math import comb, isqrt

Reward = int | Fraction | float


def over_root(top: Reward, under: Reward = 1) -> Decimal:
    """top / sqrt(under), all digits if it is a finite decimal, else 60.
    Zero over anything, even over zero, is 0: a group that does not vary gives no credit.
    >>> over_root(1, 4), over_root(0, 0), round(over_root(-1, 5), 9)
    (Decimal('0.5'), Decimal('0'), Decimal('-0.447213595'))
    """
    if top == 0:
        return Decimal(0)
    p, q = (Fraction(top) ** 2 / Fraction(under)).as_integer_ratio()
    rational = isqrt(p * q) ** 2 == p * q  # 4000 digits: room for any difference of two float64s
    with localcontext(Context(prec=4000 if rational else 100)) as context:
        root = Decimal(isqrt(p * q)) / q if rational else (Decimal(p) / q).sqrt()
        if context.flags[Inexact]:
            context.prec = 60
        return +root if top > 0 else -root


def _nearest(x: Decimal | Reward, bits: int, smallest: int) -> float:
    """Round x once, half to even, to an integer of at most `bits` bits times 2^e, e >= smallest."""
    x = Fraction(x)
    e = x.numerator.bit_length() - x.denominator.bit_length() - bits  # 2^(bits-1) < |x| / 2^e < 2^(bits+1)
    if abs(x) >= Fraction(2) ** (e + bits):
        e += 1
    step = Fraction(2) ** max(e, smallest)  # subnormals share the smallest step
    return float(round(x / step) * step)  # round(Fraction) is exact and half to even; float() has nothing to do


def nearest_float64(x: Decimal | Reward) -> float:
    """The float64 nearest to x, ties to even; 0 gives 0.0. OverflowError beyond its range.
    A tie is a finite decimal, which `over_root` keeps whole, so it is seen as a tie; another
    value could only go wrong by agreeing with a tie to 60 digits.
    >>> nearest_float64(over_root(1, 5)), nearest_float64(2**53 + 1) == 2**53
    (0.4472135954999579, True)
    """
    return _nearest(x, bits=53, smallest=-1074)


def nearest_float32(x: Decimal | Reward) -> float:
    """The float32 nearest to x, ties to even, as a Python float; 0 gives 0.0. OverflowError beyond its range.
    Rounded once, from the exact value. By way of float64 it can be rounded twice: below, x is just
    above the middle of 1 and 1 + 2^-23; float64 drops the excess, and the tie then falls to 1.
    >>> x = 1 + Fraction(1, 2**24) + Fraction(1, 2**60)
    >>> nearest_float32(x) == 1 + 2**-23, nearest_float32(float(x))
    (True, 1.0)
    """
    nearest = _nearest(x, bits=24, smallest=-149)
    if abs(nearest) >= 2**128:
        raise OverflowError(f"{x} is too large for float32")
    return nearest


def _group(rewards: Sequence[Reward], at_least: int = 1) -> list[Fraction]:
    if len(rewards) < at_least:
        raise ValueError(f"this formula needs {at_least} or more answers in a group; here: {len(rewards)}")
    return [Fraction(r) for r in rewards]


def _verdicts(correct: Sequence[bool], k: int = 1) -> list[int]:
    if not 1 <= k <= len(correct):
        raise ValueError(f"k = {k} draws from {len(correct)} answers; k must lie in 1..N")
    if wrong_kind := [b for b in correct if b not in (0, 1)]:
        raise ValueError(f"verdicts must be 0 or 1; here: {wrong_kind}")
    return [int(b) for b in correct]


def _mean(values: Sequence[Fraction]) -> Fraction:
    return Fraction(sum(values)) / len(values)


def passk_by_enumeration(correct: Sequence[bool], k: int) -> list[Decimal]:
    """A_i = mean over the k-subsets S with i in S of (R_S - mean R) / std R, where R_S = max of S.
    How much better than usual the k-subsets with answer i do; mean and population std run over all
    C(N, k) subsets. All zeros if std is 0: none correct, or fewer than k wrong. ValueError unless 1 <= k <= N.
    Two of four correct, k = 2: one pair of 6 fails, std = sqrt(5)/6, so +-(1/6) / std = +-1/sqrt(5).
    Source: Chen et al. 2025, arXiv:2508.10751, Sec. 2.4 and App. B, before any algebra.
    >>> [float(round(a, 4)) for a in passk_by_enumeration([1, 1, 0, 0], k=2)]
    [0.4472, 0.4472, -0.4472, -0.4472]
    """
    verdicts = _verdicts(correct, k)
    reward = {S: max(verdicts[i] for i in S) for S in combinations(range(len(verdicts)), k)}
    mean = _mean(list(reward.values()))
    variance = _mean([(r - mean) ** 2 for r in reward.values()])
    credit = [_mean([r - mean for S, r in reward.items() if i in S]) for i in range(len(verdicts))]
    return [over_root(a, variance) for a in credit]


def passk_closed_form(correct: Sequence[bool], k: int) -> list[Decimal]:
    """The same from counts. With R = 1 - C(neg, k) / C(N, k) and sigma = sqrt(R (1 - R)):
        correct   (1 - R) / sigma
        wrong     (1 - R - C(neg - 1, k - 1) / C(N - 1, k - 1)) / sigma
    All zeros if sigma is 0. ValueError unless 1 <= k <= N. Source: arXiv:2508.10751, Eqs 11-15.
    Three of eight correct, k = 4: R = 1 - 5/70 = 13/14, so 1/sqrt(13) and -(3/5)/sqrt(13).
    >>> [float(round(a, 4)) for a in passk_closed_form([1, 0, 0, 1, 0, 0, 0, 1], k=4)]
    [0.2774, -0.1664, -0.1664, 0.2774, -0.1664, -0.1664, -0.1664, 0.2774]
    """
    verdicts = _verdicts(correct, k)
    n, n_neg = len(verdicts), verdicts.count(0)
    R = 1 - Fraction(comb(n_neg, k), comb(n, k))
    if R in (0, 1):
        return [Decimal(0)] * n
    wrong = 1 - R - Fraction(comb(n_neg - 1, k - 1), comb(n - 1, k - 1))
    return [over_root(1 - R if b else wrong, R * (1 - R)) for b in verdicts]


def pass_at_k(correct: Sequence[bool], k: int) -> Fraction:
    """Share of the k-subsets with a correct answer, by looking at each subset: small groups only.
    The chance that k different answers of the group contain a success. 0 if none is correct, 1 if
    fewer than k are wrong. ValueError unless 1 <= k <= N. Source: arXiv:2508.10751, Eq 5, on one group.
    >>> pass_at_k([1, 1, 0, 0], k=2)
    Fraction(5, 6)
    """
    return _mean([max(subset) for subset in combinations(_verdicts(correct, k), k)])


def pass_at_k_formula(correct: Sequence[bool], k: int) -> Fraction:
    """1 - C(n - c, k) / C(n, k) for c correct of n answers: the same share, from counts.
    0 if c = 0, 1 if n - c < k. ValueError unless 1 <= k <= n. Source: arXiv:2107.03374; rho in arXiv:2505.15201.
    >>> pass_at_k_formula([1, 0, 0, 0], k=3)
    Fraction(3, 4)
    """
    verdicts = _verdicts(correct, k)
    return 1 - Fraction(comb(verdicts.count(0), k), comb(len(verdicts), k))


def grpo(rewards: Sequence[Reward]) -> list[Decimal]:
    """A_i = (r_i - mean) / sqrt(mean (r - mean)^2), in population standard deviations.
    All zeros for a constant group, N = 1 included. Source: arXiv:2402.03300; arXiv:2508.10751, Eqs 1-3.
    >>> [str(a) for a in grpo([1, 0, 0, 0, 0])]
    ['2', '-0.5', '-0.5', '-0.5', '-0.5']
    """
    r = _group(rewards)
    variance = _mean([(x - _mean(r)) ** 2 for x in r])
    return [over_root(x - _mean(r), variance) for x in r]


def grpo_sample_std(rewards: Sequence[Reward]) -> list[Decimal]:
    """A_i = (r_i - mean) / sqrt(sum (r - mean)^2 / (N - 1)): OpenRLHF's group_norm as eps -> 0.
    All zeros for a constant group. ValueError if N < 2. Source: arXiv:2402.03300 with torch.std.
    >>> [str(a) for a in grpo_sample_std([1, 0, 0, 0])]  # variance (3/4) / 3 = 1/4
    ['1.5', '-0.5', '-0.5', '-0.5']
    """
    r = _group(rewards, at_least=2)
    variance = sum((x - _mean(r)) ** 2 for x in r) / (len(r) - 1)
    return [over_root(x - _mean(r), variance) for x in r]


def dr_grpo(rewards: Sequence[Reward]) -> list[Decimal]:
    """A_i = r_i - mean, in reward units; zeros for a constant group, N = 1 included. Source: arXiv:2503.20783.
    >>> [str(a) for a in dr_grpo([1, 0, 0, 0])]
    ['0.75', '-0.25', '-0.25', '-0.25']
    """
    r = _group(rewards)
    return [over_root(x - _mean(r)) for x in r]


def rloo(rewards: Sequence[Reward]) -> list[Decimal]:
    """A_i = r_i - mean of the other N - 1 rewards, in reward units. Source: arXiv:2402.14740.
    All zeros for a constant group. ValueError if N < 2: there are no others.
    >>> [str(a) for a in rloo([1, 0, 0])]
    ['1', '-0.5', '-0.5']
    """
    r = _group(rewards, at_least=2)
    return [over_root(x - _mean(r[:i] + r[i + 1 :])) for i, x in enumerate(r)]


def eta(advantages: Sequence[Decimal | Reward]) -> Decimal:
    """sum_i |A_i|, how hard one group pushes; 0 for no or only zero advantages. Source: arXiv:2508.10751, Eq 16.
    >>> eta(grpo([1, 0, 0, 0, 0]))
    Decimal('4')
    """
    return over_root(sum(abs(Fraction(a)) for a in advantages))


def batch_metrics(correct_PN: Sequence[Sequence[bool]], advantage_PN: Sequence[Sequence]) -> dict[str, Fraction]:
    """What a training step logs about P groups of N answers.
    pass1, pass2, pass4, .. and passN   mean over groups of Pass@k (arXiv:2107.03374)
    all_wrong, too_easy                 shares of groups: none correct; all correct, and every advantage 0
    dead_zone, effective                some correct and some not, and every advantage 0; some A not 0
    abs_correct, abs_wrong, abs_max     mean |A| over all correct, over all wrong answers (0 if none); largest |A|
    ValueError if the batch or a group is empty, or shapes differ.
    >>> m = batch_metrics([[1, 0, 0], [0, 0, 0]], [[1, -0.5, -0.5], [0, 0, 0]])
    >>> print(*(f"{name}={value}" for name, value in m.items() if name[:4] != "dead"))
    pass1=1/6 pass2=1/3 pass3=1/2 all_wrong=1/2 too_easy=0 effective=1/2 abs_correct=1 abs_wrong=1/5 abs_max=1
    """
    sizes = {len(row) for row in [*correct_PN, *advantage_PN]}
    if len(sizes) != 1 or len(correct_PN) != len(advantage_PN):
        raise ValueError(f"{len(correct_PN)} rows of verdicts, {len(advantage_PN)} of advantages, row lengths {sizes}")
    (N,) = sizes
    metrics, kinds, size_where = {}, [], {1: [], 0: []}
    for k in range(1, N + 1):
        if k == N or k.bit_count() == 1:
            metrics[f"pass{k}"] = _mean([pass_at_k_formula(b_N, k) for b_N in correct_PN])
    for b_N, a_N in zip(correct_PN, advantage_PN, strict=True):
        kinds += ["all_wrong"] * (not any(b_N)) + ["effective"] * any(a_N)
        if any(b_N) and not any(a_N):
            kinds.append("too_easy" if all(b_N) else "dead_zone")
        for b, a in zip(_verdicts(b_N), a_N, strict=True):
            size_where[b].append(abs(Fraction(a)))
    shares = ("all_wrong", "too_easy", "dead_zone", "effective")
    metrics |= {kind: Fraction(kinds.count(kind), len(correct_PN)) for kind in shares}
    metrics["abs_correct"] = _mean(size_where[1] or [0])
    metrics["abs_wrong"] = _mean(size_where[0] or [0])
    metrics["abs_max"] = max(size_where[1] + size_where[0])
    return metrics

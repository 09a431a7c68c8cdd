"""The torch forms of the vocabulary that torch itself does not have.

Every reduction runs over the last axis and subtracts a value of the group
before it sums. Of a constant group that leaves zeros, so its mean is the
constant itself and its standard deviation is 0 to the last bit. Without it
eight rewards of 0.1 have a float32 std of about 1e-9, and dividing by that
gives advantages of order 1.

What a group gets is the same to the last bit whatever stands beside it, and
however many threads there are. torch promises neither: it adds up a long row
in as many pieces as it has threads, and its vectorized `pow` and `sigmoid`
leave the end of every stretch of memory to another function, which rounds
otherwise. `_sum`, `power` and `sigmoid` are what is used instead.

Shapes: x_PN (prompts, answers) in, (P, 1) out; `where_PN` selects what counts.
For a whole batch, `as_one_group` makes it one group of P * N (or P) values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

import torch
from torch import Tensor

_PIECE = 4_096  # values that are added up in one go; torch gives rows of 32,768 or more to several threads


def total(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    if where_PN is not None:
        return _sum(torch.where(where_PN, x_PN, 0))
    start_P1 = x_PN[..., :1]
    return start_P1 * x_PN.shape[-1] + _sum(x_PN - start_P1)


def count(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    holds_PN = x_PN != 0 if where_PN is None else (x_PN != 0) & where_PN
    return holds_PN.sum(-1, keepdim=True).to(x_PN.dtype)


def mean(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """
    >>> mean(torch.full((1, 8), 0.1)) == 0.1
    tensor([[True]])
    >>> mean(torch.tensor([[1., 2., 9.]]), torch.tensor([[True, True, False]]))
    tensor([[1.5000]])
    """
    if x_PN.dtype == torch.float64:
        return _mean_of_wide(x_PN, where_PN)
    start_P1 = _start(x_PN, where_PN)
    return start_P1 + _mean(x_PN - start_P1, where_PN)


def _mean_of_wide(x_PN: Tensor, where_PN: Tensor | None) -> Tensor:
    """Without a value to count from: numbers that were float32 add up without rounding, so that groups of equal sums
    have equal means, whichever answer stands first. Of a constant group it is the constant.
    """
    mean_P1 = _no_value_if_infinite(_mean(x_PN, where_PN))
    return torch.where(mean_P1.isnan(), mean_P1, mean_P1.clamp(least(x_PN, where_PN), most(x_PN, where_PN)))


def centred(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """x - mean(x); 0 to the last bit where all are equal.

    The mean itself is not formed: it would be rounded as coarsely as the values are, and of 0.95 and 0.950001
    nothing right would be left.

    >>> centred(torch.tensor([[1., 0.], [0.1, 0.1]]))
    tensor([[ 0.5000, -0.5000],
            [ 0.0000,  0.0000]])
    """
    shifted_PN = x_PN - _start(x_PN, where_PN)
    return shifted_PN.sub_(_mean(shifted_PN, where_PN))


def mean_of_centred(x_PN: Tensor, centred_PN: Tensor) -> Tensor:
    """mean(x) beside x - mean(x), for one value a group instead of another pass.

    >>> x_PN = torch.tensor([[1., 2., 9.]])
    >>> mean_of_centred(x_PN, centred(x_PN))
    tensor([[4.]])
    """
    return x_PN[..., :1] - centred_PN[..., :1]


def var(x_PN: Tensor, where_PN: Tensor, *, ddof: int) -> Tensor:
    """sum((x - mean)^2) / (how many - ddof)."""
    size_P1 = _size(x_PN, where_PN)
    centred_PN = torch.where(where_PN, centred(x_PN, where_PN), 0)
    return _no_value_if_infinite(_sum(centred_PN.square()) / (size_P1 - ddof).clamp(min=1))


def std(x_PN: Tensor, where_PN: Tensor, *, ddof: int) -> Tensor:
    return var(x_PN, where_PN, ddof=ddof).sqrt()


def var_of_centred(centred_PN: Tensor, *, ddof: int) -> Tensor:
    return std_of_centred(centred_PN, ddof=ddof).square()


def std_of_centred(centred_PN: Tensor, *, ddof: int) -> Tensor:
    """Of what the mean was subtracted from: the norm is one pass, a tenth of the time of torch.std.

    >>> std_of_centred(torch.tensor([[0.5, 0.5, -0.5, -0.5]]), ddof=0)
    tensor([[0.5000]])
    """
    size = centred_PN.shape[-1]
    # Its sum is a running one, which for a batch of ten million float32 is off by one percent.
    norm = torch.linalg.vector_norm(centred_PN, dim=-1, keepdim=True) if size <= _PIECE else _sum(centred_PN**2).sqrt()
    return _no_value_if_infinite(norm / math.sqrt(max(size - ddof, 1)))  # of too few it is not read: see fewer_than


def _no_value_if_infinite(x_P1: Tensor) -> Tensor:
    """NaN for infinity: values whose squares leave the floats must not become 0 by being divided by it."""
    return x_P1 + (x_P1 - x_P1)


def beyond_rounding(spread_P1: Tensor, x_PN: Tensor, power: int, where_PN: Tensor | None = None) -> Tensor:
    """0 where the spread is no larger than rounding makes of equal values; `power` 2 if it is a variance.

    >>> third = torch.tensor([[1 / 3, 1 / 3 + 1e-16]], dtype=torch.float64)
    >>> beyond_rounding(std_of_centred(centred(third), ddof=0), third, 1) == 0
    tensor([[True]])
    """
    size_P1 = most(x_PN.abs(), where_PN)
    return torch.where(spread_P1 <= (8 * torch.finfo(x_PN.dtype).eps * size_P1) ** power, 0, spread_P1)


def least(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    return (x_PN if where_PN is None else torch.where(where_PN, x_PN, torch.inf)).amin(-1, keepdim=True)


def most(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    return (x_PN if where_PN is None else torch.where(where_PN, x_PN, -torch.inf)).amax(-1, keepdim=True)


def quantile(x_PN: Tensor, top: int | Tensor, bottom: int | Tensor, where_PN: Tensor | None = None) -> Tensor:
    """The value at share top / bottom of the sorted ones. Its place is computed in whole numbers: a share in floats
    can miss a value that it falls on.

    >>> quantile(torch.tensor([[4., 1., 2.]]), 3, 4)
    tensor([[3.]])
    """
    filled_PN = x_PN if where_PN is None else torch.where(where_PN, x_PN, torch.inf)
    sorted_PN = filled_PN.sort(-1).values
    top, bottom = (part.long() if isinstance(part, Tensor) else part for part in (top, bottom))
    place_P1 = top * (_count(x_PN, where_PN).clamp(min=1) - 1)
    below_P1, rest_P1 = place_P1 // bottom, place_P1 % bottom
    low_P1, high_P1 = (sorted_PN.gather(-1, index) for index in (below_P1, below_P1 + (rest_P1 > 0)))
    share_P1 = rest_P1.to(x_PN.dtype) / bottom
    return low_P1 + share_P1 * torch.where(high_P1 == low_P1, 0, high_P1 - low_P1)


def rank(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """For each: how many are smaller; equal ones share a rank.

    >>> rank(torch.tensor([[5., 1., 1., 7.]]))
    tensor([[2., 0., 0., 3.]])
    """
    filled_PN = x_PN if where_PN is None else torch.where(where_PN, x_PN, torch.inf)
    smaller_PN = torch.searchsorted(filled_PN.sort(-1).values, x_PN.contiguous())
    if where_PN is not None:
        smaller_PN = smaller_PN.minimum(where_PN.sum(-1, keepdim=True))  # +inf itself may be a value
    return smaller_PN.to(x_PN.dtype)


def others_mean(x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """For each: the mean of the others.

    >>> others_mean(torch.tensor([[1., 0., 0.]]))
    tensor([[0.0000, 0.5000, 0.5000]])
    """
    start_P1 = _start(x_PN, where_PN)
    shifted_PN = x_PN - start_P1 if where_PN is None else torch.where(where_PN, x_PN - start_P1, 0)
    return start_P1 + (_sum(shifted_PN) - shifted_PN) / (_size(x_PN, where_PN) - 1).clamp(min=1)


def above_others(x_PN: Tensor) -> Tensor:
    """x - others_mean(x), = (x - mean(x)) N / (N - 1); of values far from 0 nothing is rounded away.

    >>> above_others(torch.tensor([[10_001., 10_000., 10_000.]]))
    tensor([[ 1.0000, -0.5000, -0.5000]])
    """
    size = x_PN.shape[-1]
    return centred(x_PN) * (size / max(size - 1, 1))


# ── Maxima over draws of k answers: weights of the sorted values (lowering.py makes them, exactly) ──


def max_of(x_PN: Tensor, weight_N: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """sum_j weight_j x_(j): x_(j) is the largest of that share of all draws."""
    most_P1, below_PN, _ = _sorted(x_PN, where_PN)
    return most_P1 + _sum(below_PN * weight_N)


def max_with(x_PN: Tensor, own_N: Tensor, above_N: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """For the j-th smallest: own_j x_(j) + sum_(l > j) above_l x_(l)."""
    most_P1, below_PN, order_PN = _sorted(x_PN, where_PN)
    value_PN = own_N * below_PN + _sum_after(above_N * below_PN)
    return most_P1 + torch.empty_like(value_PN).scatter(-1, order_PN, value_PN)


def max_without(x_PN: Tensor, below_N: Tensor, above_N: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """For the j-th smallest: sum_(l < j) below_l x_(l) + sum_(l > j) above_l x_(l)."""
    most_P1, sorted_PN, order_PN = _sorted(x_PN, where_PN)
    below_PN = below_N * sorted_PN
    value_PN = below_PN.cumsum(-1) - below_PN + _sum_after(above_N * sorted_PN)
    return most_P1 + torch.empty_like(value_PN).scatter(-1, order_PN, value_PN)


def raise_of_max(
    x_PN: Tensor,
    own_N: Tensor,
    above_N: Tensor,
    below_N: Tensor,
    others_above_N: Tensor,
    where_PN: Tensor | None = None,
) -> Tensor:
    """`max_with` less `max_without`: where both count the same answers above, these cancel to the last bit.

    >>> ones = torch.ones(3)  # of draws of all three: only the largest raises the maximum, by 10002 - 10001
    >>> last, second = torch.tensor([0., 0., 1.]), torch.tensor([0., 1., 0.])
    >>> raise_of_max(torch.tensor([[10_002., 10_000., 10_001.]]), last, last, second, last)
    tensor([[1., 0., 0.]])
    """
    _, below_most_PN, order_PN = _sorted(x_PN, where_PN)
    before_PN = below_N * below_most_PN
    value_PN = own_N * below_most_PN - (before_PN.cumsum(-1) - before_PN)
    value_PN = value_PN + _sum_after((above_N - others_above_N) * below_most_PN)
    return torch.empty_like(value_PN).scatter(-1, order_PN, value_PN)


def _sorted(x_PN: Tensor, where_PN: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The largest value, how far each is below it in rising order, and where in the group each stands.

    Counted from the largest, which weighs most: a maximum that is sure comes out as it is, and two of them that are
    subtracted leave no rounding. What is not selected sorts before all that is, where weights are 0.
    """
    if where_PN is None:
        sorted_PN, order_PN = x_PN.sort(dim=-1, stable=True)
    else:
        order_PN = torch.where(where_PN, x_PN, -torch.inf).argsort(dim=-1, stable=True)
        sorted_PN = torch.where(where_PN, x_PN, _start(x_PN, where_PN)).gather(-1, order_PN)
    most_P1 = sorted_PN[..., -1:]
    return most_P1, sorted_PN - most_P1, order_PN


def _sum_after(x_PN: Tensor) -> Tensor:
    """For each place the sum of what stands after it."""
    return x_PN.flip(-1).cumsum(-1).flip(-1) - x_PN


# ── Batches, tokens, draws ──────────────────────────────────────────────────


def as_one_group(x_PN: Tensor) -> Tensor:
    return x_PN.reshape(1, -1)


def as_groups(x_1B: Tensor, like_PN: Tensor) -> Tensor:
    return x_1B.reshape(like_PN.shape)


def how_many_groups(x_PN: Tensor, present_PN: Tensor | None = None) -> Tensor:
    if present_PN is None:
        return x_PN.new_full((1, 1), x_PN.shape[0])
    return present_PN.any(-1).sum().to(x_PN.dtype).reshape(1, 1)


def spread(x: Tensor | float, like_PN: Tensor) -> Tensor:
    """The same value for every answer."""
    return x.expand_as(like_PN) if isinstance(x, Tensor) else torch.full_like(like_PN, x)


def members(x_PN: Tensor, member_PMk: Tensor) -> Tensor:
    """The values of the answers in each draw, (P, M, k)."""
    return x_PN.unsqueeze(-2).expand(-1, member_PMk.shape[-2], -1).gather(-1, member_PMk)


def sum_of_draws(advantage_PM: Tensor, member_PMk: Tensor, like_PN: Tensor) -> Tensor:
    """For each answer the sum of the advantages of the draws that it is in."""
    each_PMk = advantage_PM.unsqueeze(-1).expand(member_PMk.shape)
    return torch.zeros_like(like_PN).scatter_add(-1, member_PMk.flatten(-2), each_PMk.flatten(-2))


def in_any_draw(of_draw_PM: Tensor, member_PMk: Tensor, like_PN: Tensor) -> Tensor:
    """For each answer: is it in a draw of which this holds?"""
    return sum_of_draws(of_draw_PM.to(like_PN.dtype), member_PMk, like_PN) > 0


# ── Element by element ──────────────────────────────────────────────────────


def smallest(*values: Tensor | float) -> Tensor:
    return reduce(_either(min, torch.minimum), values)


def largest(*values: Tensor | float) -> Tensor:
    return reduce(_either(max, torch.maximum), values)


def _either(of_numbers: Callable, of_tensors: Callable) -> Callable:
    def pick(a: Tensor | float, b: Tensor | float) -> Tensor | float:
        return of_numbers(a, b) if isinstance(a, float) and isinstance(b, float) else of_tensors(*_alike(a, b))

    return pick


def power(a: Tensor | float, b: Tensor | float) -> Tensor:
    """a ** b; in every place the same bits.

    >>> power(torch.tensor([[4., 2.]]), 1.5)
    tensor([[8.0000, 2.8284]])
    """
    if isinstance(b, float) and b in _SIMPLE_POWERS:
        return a**b
    a, b = torch.broadcast_tensors(*_alike(a, b))
    return torch.pow(_apart(a), b)  # what lies apart goes one by one through the C library


_SIMPLE_POWERS = {0.0, 0.5, 1.0, 2.0, 3.0, -0.5, -1.0, -2.0}  # torch multiplies, divides and takes roots


def _apart(x: Tensor) -> Tensor:
    """The same values with a gap after each, in memory."""
    return torch.stack((x, x), -1)[..., 0]


def missing_of_exp(x: Tensor) -> Tensor:
    """1 - exp(x).

    >>> missing_of_exp(torch.tensor([-1e-6]))
    tensor([1.0000e-06])
    """
    return torch.expm1(x).neg_()


def log_of_rest(x: Tensor) -> Tensor:
    """log(1 - x).

    >>> log_of_rest(torch.tensor([1e-6]))
    tensor([-1.0000e-06])
    """
    return torch.log1p(-x)


def stirling_rest(x: Tensor) -> Tensor:
    """log_gamma(x) - (x - 1/2) log(x) + x: Stirling's series from 16 up, where it is right to float64's last digits.

    >>> stirling_rest(torch.tensor([1., 1e30]))  # of infinity log(2 pi) / 2
    tensor([1.0000, 0.9189])
    """
    large = x.clamp(min=16)
    square = large.square().reciprocal()
    series = ((((square / 1188 - 1 / 1680) * square + 1 / 1260) * square - 1 / 360) * square + 1 / 12) / large
    small = x.clamp(max=16)
    direct = torch.lgamma(small) - (small - 0.5) * torch.log(small) + small
    return torch.where(x >= 16, series + math.log(2 * math.pi) / 2, direct)


def sigmoid(x: Tensor) -> Tensor:
    """
    >>> sigmoid(torch.tensor([0., -200.]))
    tensor([0.5000, 0.0000])
    """
    return torch.exp(-x).add_(1).reciprocal_()


def clip(x: Tensor | float, low: Tensor | float, high: Tensor | float) -> Tensor:
    return smallest(largest(x, low), high)


def pick(
    wrong_P1: Tensor,
    right_P1: Tensor,
    correct_PN: Tensor,
    out_PN: Tensor | None = None,
    spare_PN: Tensor | None = None,
) -> Tensor:
    """The one value where correct is 0, the other where it is 1: lerp gives both ends exactly.

    Into the memory of `out_PN`, with `spare_PN` to work in: twice as fast with one operand a group as with two.
    """
    if spare_PN is None:
        return torch.lerp(wrong_P1, right_P1, correct_PN, out=out_PN)
    return torch.lerp(spare_PN.copy_(wrong_P1.expand_as(spare_PN)), right_P1, correct_PN, out=out_PN)


def choose(condition: Tensor, then: Tensor | float, otherwise: Tensor | float, *, dtype: torch.dtype) -> Tensor:
    """`torch.where`; for two plain numbers in `dtype`, where torch alone would take float32."""
    if isinstance(then, float) and isinstance(otherwise, float):
        then = torch.tensor(then, dtype=dtype, device=condition.device)
    return torch.where(condition, then, otherwise)


def fill(x_PN: Tensor, flat_P1: Tensor, flat: float) -> Tensor:
    """`choose(flat_P1, flat, x_PN)` in the memory of `x_PN`, which nothing else reads."""
    return x_PN.masked_fill_(flat_P1, flat)


def _alike(a: Tensor | float, b: Tensor | float) -> tuple[Tensor, Tensor]:
    like = a if isinstance(a, Tensor) else b
    return torch.as_tensor(a, dtype=like.dtype, device=like.device), torch.as_tensor(
        b, dtype=like.dtype, device=like.device
    )


def _start(x_PN: Tensor, where_PN: Tensor | None) -> Tensor:
    """A value of the group (of what is selected) to count from."""
    if where_PN is None:
        return x_PN[..., :1]
    least_P1 = least(x_PN, where_PN)
    return torch.where(least_P1.isinf(), 0, least_P1)


def _count(x_PN: Tensor, where_PN: Tensor | None) -> Tensor:
    if where_PN is None:
        return torch.full_like(x_PN[..., :1], x_PN.shape[-1], dtype=torch.long)
    return where_PN.sum(-1, keepdim=True)


def _size(x_PN: Tensor, where_PN: Tensor | None) -> Tensor:
    if where_PN is None:
        return x_PN.new_full((1, 1), x_PN.shape[-1])
    return where_PN.sum(-1, keepdim=True).to(x_PN.dtype)


def _sum(x_PN: Tensor) -> Tensor:
    """x.sum(-1, keepdim=True); a long row piece by piece, so that no number of threads changes the order."""
    while (size := x_PN.shape[-1]) > _PIECE:
        whole = size - size % _PIECE
        pieces_PM = x_PN[..., :whole].unflatten(-1, (-1, _PIECE)).sum(-1)
        x_PN = torch.cat((pieces_PM, x_PN[..., whole:].sum(-1, keepdim=True)), -1)
    return x_PN.sum(-1, keepdim=True)


def _mean(x_PN: Tensor, where_PN: Tensor | None) -> Tensor:
    if where_PN is not None:
        return _sum(torch.where(where_PN, x_PN, 0)) / _size(x_PN, where_PN)
    size = x_PN.shape[-1]
    return x_PN.mean(-1, keepdim=True) if size <= _PIECE else _sum(x_PN) / size


# ── Groups of verdicts, 0 and 1 ─────────────────────────────────────────────


def how_many_ones(verdict_PN: Tensor) -> Tensor:
    """(P,), whole numbers. Ones add up to the same in any order, so that of several ways the fastest is taken."""
    if torch.compiler.is_compiling():
        return verdict_PN.sum(-1).int()
    return torch.mv(verdict_PN, verdict_PN.new_ones(verdict_PN.shape[-1])).int()


def entry(column_n: Tensor, n_P: Tensor) -> Tensor:
    """column[n] for each group, (P, 1)."""
    return column_n.index_select(0, n_P).unsqueeze(-1)


def off_verdicts(x_PN: Tensor, spare_PN: Tensor | None = None) -> Tensor:
    """sum |x - x^2| of each group, (P,): 0 if and only if all are 0 and 1; NaN or more for what is not finite.

    >>> off_verdicts(torch.tensor([[1., 0.], [1., -1.], [1e-45, 1.], [torch.inf, 0.]]))
    tensor([0.0000e+00, 2.0000e+00, 1.4013e-45,        nan])
    """
    return _sizes(torch.addcmul(x_PN, x_PN, x_PN, value=-1, out=spare_PN))


def are_verdicts(x_PN: Tensor, spare_PN: Tensor) -> bool:
    """Are all of them 0 and 1?"""
    low, high = torch.addcmul(x_PN, x_PN, x_PN, value=-1, out=spare_PN).aminmax()
    return bool((low == 0) & (high == 0))  # x - x^2 is NaN for what is not finite


def apart(a_PN: Tensor, b_PN: Tensor, spare_PN: Tensor | None = None) -> Tensor:
    """sum |a - b| of each group, (P,)."""
    return _sizes(torch.sub(a_PN, b_PN, out=spare_PN))


def _sizes(x_PN: Tensor) -> Tensor:
    """sum |x| in the memory of x: of numbers that are not negative no rounding can make it 0."""
    if torch.compiler.is_compiling():
        return x_PN.abs().sum(-1)
    return torch.mv(x_PN.abs_(), x_PN.new_ones(x_PN.shape[-1]))


def finite(values: Tensor) -> bool:
    """Reductions alone: a mask as large as the values would cost more than the design."""
    return all(end.isfinite() for end in values.aminmax())


# ── Where an operation has no value ─────────────────────────────────────────


def fewer_than(needed: int, x_PN: Tensor, where_PN: Tensor | None = None) -> Tensor:
    """Are there too few values to reduce?"""
    if where_PN is None:
        return torch.full_like(x_PN[..., :1], x_PN.shape[-1] < needed, dtype=torch.bool)
    return where_PN.sum(-1, keepdim=True) < needed


def divides_by_zero(a: Tensor | float, b: Tensor | float) -> Tensor:
    if isinstance(b, float):  # a number comes here only as 0
        return torch.full_like(a, True, dtype=torch.bool)
    return b == 0


def is_negative(a: Tensor) -> Tensor:
    return a < 0


def is_not_positive(a: Tensor) -> Tensor:
    return a <= 0


def has_no_power(a: Tensor | float, b: Tensor | float) -> Tensor | bool:
    whole = torch.floor(b) == b if isinstance(b, Tensor) else float(b).is_integer()
    return ((a < 0) & (not whole if isinstance(whole, bool) else ~whole)) | ((a == 0) & (b < 0))

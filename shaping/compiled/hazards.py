"""Which formulas may leave the range of floats, whatever finite numbers they are given: become infinite, or no number.

An infinity is mostly right: 1 / exp(100) is 0 to all digits there are, exp(100) > 5. What is no number, inf - inf or
0 / 0 of what float32 made 0, is not: a comparison takes it for false, `sign` for 0, `rank` for the largest. Where that
may be, the compiled function looks (lowering.py); elsewhere it costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shaping.language.nodes import Apply, Choose, Draws, Fallback, Name, Named, Node, Reduce
from shaping.language.vocabulary import OPERATORS

_TRUTHS = {OPERATORS[name] for name in ("less", "at_most", "more", "at_least", "equal", "unequal", "and", "or", "not")}
SWALLOWING = ("sign", "power")  # functions of what is no number that give one: nan ** 0 is 1
SORTING = ("count", "rank", "quantile", "max_of", "max_with", "max_without")  # reductions that do


@dataclass(frozen=True)
class May:
    be_infinite: bool = False
    be_none: bool = False  # no number


FINITE, ANYTHING = May(), May(True, True)


@dataclass
class Hazards:
    has_value: Callable[
        [Apply], bool
    ]  # is an operation known to have a value, so that nobody looks for a divisor of 0?
    known: dict[Node, May] = field(default_factory=dict)

    def of(self, node: Node) -> May:
        """
        >>> from shaping import loads
        >>> Hazards(lambda node: True).of(loads("advantage: exp(r) / exp(r)").advantage)
        May(be_infinite=True, be_none=True)
        """
        if node not in self.known:
            self.known[node] = FINITE if node.counted else self.found(node)
        return self.known[node]

    def found(self, node: Node) -> May:
        match node:
            case Name(name=name):
                return ANYTHING if name == "reward" else FINITE
            case Named(body=body):
                return self.of(body)
            case Choose(operands=(_, then, otherwise)):
                return _either(self.of(then), self.of(otherwise))
            case Fallback(body=body, flat=flat):
                return _either(self.of(body), self.of(flat))
            case Apply(function=function, operands=operands):
                if function in _TRUTHS:
                    return FINITE
                return self.applied(node, [self.of(operand) for operand in operands])
            case Reduce(reduction=reduction, operand=operand):
                if reduction.name in ("min", "max"):
                    return self.of(operand)
                return FINITE if reduction.name in ("count", "rank") else ANYTHING  # a sum of large numbers
            case Draws():
                return ANYTHING
        return FINITE

    def applied(self, node: Apply, parts: list[May]) -> May:
        infinite, none = any(part.be_infinite for part in parts), any(part.be_none for part in parts)
        match node.function.name:
            case "add" | "subtract":
                return May(True, none or all(part.be_infinite for part in parts))
            case "multiply":
                return May(True, none or infinite)
            case "divide":
                divisor = node.operands[1]
                rounded_to_0 = self.has_value(node) and not divisor.counted and not isinstance(divisor, Name)
                return May(True, none or rounded_to_0 or all(part.be_infinite for part in parts))
            case "power" | "log" | "log_gamma":
                return May(True, none or infinite or self.has_value(node))
            case "sqrt":
                return May(infinite, none or self.has_value(node))
            case "exp":
                return May(True, none)
            case "sign" | "sigmoid" | "tanh":
                return May(False, none)
        return May(infinite, none)


def _either(a: May, b: May) -> May:
    return May(a.be_infinite or b.be_infinite, a.be_none or b.be_none)

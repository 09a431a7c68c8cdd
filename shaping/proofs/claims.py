"""What a design says of itself: the section `claims:`, read.

    claims:
      - zero_sum                                       in every group the advantages add up to 0
      - zero_on_constant_groups                        equal rewards: nothing to learn from
      - sign_correct                                   no right answer below 0, no wrong one above
      - bounded: sqrt(N - 1)                           no advantage is larger
      - monotone: rewards                              in a group, a higher reward never gets less
      - monotone: {correct: falls}                     the more correct answers, the less one gets; `wrong:`, `rises`
      - zero_when: n_pos > N - k                       nothing to learn from such groups
      - equals: {design: grpo.yaml, when: {k: 1}}      the advantages of another design
      - proportional_to: grpo.yaml                     up to one factor above 0; `per: group`: one a group, or 0 there
      - peak: 8/32                                     of 32 answers, eta is largest where 8 are correct
      - optimizes: pass_at(k)                          climbs it, up to a factor that p is not in
      - unbiased_for: pass_at(k)                       the factor is 1
      - n_pos * correct + n_neg * wrong == 0           any formula that has to hold
      - not: zero_sum                                  it breaks that, and the check is that it does

A claim takes `when:` besides, values for parameters and N, and `groups: 0/1`; its argument then has a key of its own
(`by`, `at`, `condition`, `of`, `design`, `objective`, `formula`). `correct`, `wrong` and `eta` are the advantages of a
right and of a wrong answer, 0 where there is none, and n_pos |correct| + n_neg |wrong|. A formula over `A`, `r`
or another number of an answer has to hold for every answer of every group.

A design is loaded, used and trained on without a look at its claims: decide.py decides them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

from shaping.design import Design
from shaping.errors import DesignError, Span, located, names_hint
from shaping.language.document import Items, Mapping, Scalar, Value, read
from shaping.language.evaluate import constant
from shaping.language.expression import parse
from shaping.language.nodes import Apply, Name, Node, Reduce, signal, walk
from shaping.language.params import is_plain
from shaping.language.vocabulary import ANSWER, BATCH, CONSTANT, GROUP, OPERATORS
from shaping.objectives.objective import read_objective
from shaping.work import MAX_N, MAX_SETTINGS

# The key of a claim's own argument, where it has other keys beside it. "" for those without an argument.
ARGUMENT = {
    "zero_sum": "",
    "zero_on_constant_groups": "",
    "sign_correct": "",
    "bounded": "by",
    "monotone": "of",
    "zero_when": "condition",
    "equals": "design",
    "proportional_to": "design",
    "peak": "at",
    "optimizes": "objective",
    "unbiased_for": "objective",
    "holds": "formula",
}
RELATIONS = ("equals", "proportional_to")
OF_RIGHT_AND_WRONG = ("sign_correct", "zero_when")  # say nothing of rewards between
OF_VERDICTS = ("monotone", "peak", "optimizes", "unbiased_for")  # about groups of right and wrong answers alone
COUNTED = {"correct": "advantage of a correct answer", "wrong": "of a wrong one", "eta": "sum of |A| over the group"}
SIGNALS_OF_ANSWERS = ("r", "score", "length", "logprob", "surprisal", "truncated")
OF_ANSWERS = {"A": "the answer's advantage", "verdict": "1 if the answer is correct, else 0"}


@dataclass(frozen=True, eq=False)
class Claim:
    kind: str
    text: str  # on one line
    span: Span
    negated: bool
    when: dict[str, list[Fraction]] = field(default_factory=dict)
    formula: Node | None = None  # of bounded, zero_when, holds, optimizes, unbiased_for
    place: tuple[int, int] = (0, 0)  # of peak: n_pos, N
    directions: dict[str, str] = field(default_factory=dict)  # of monotone: correct, wrong → rises, falls
    other: Scalar | Mapping | None = None  # of equals and proportional_to: the file, or the design written out
    params: dict[str, Node] = field(default_factory=dict)  # what it sets in the other design
    per_group: bool = False
    verdicts_alone: bool = False  # it is about groups of 0/1 rewards, which are the scores

    @property
    def of_rewards(self) -> bool:
        """Does it set advantages beside rewards, so that it matters which scores are correct?"""
        return self.kind in RELATIONS or (self.kind == "monotone" and not self.directions)

    @property
    def of_answers(self) -> bool:
        """Is its formula about single answers, so that groups of verdicts are not all there is to look at?"""
        return self.formula is not None and any(
            isinstance(node, Name) and node.scope == ANSWER for node in walk(self.formula)
        )


def read_claims(design: Design) -> list[Claim]:
    """The claims of a design's file, in its order.

    Raises:
      DesignError: at the first that cannot be read.
    """
    section = read(design.source).get("claims")
    if section is None:
        return []
    if not isinstance(section, Items):
        raise DesignError(located(section.span, "'claims' is a list", "begin each with `- `: - zero_sum"))
    return [_Reader(design, item).claim(item, negated=False) for item in section.items]


@dataclass
class _Reader:
    design: Design
    item: Value

    def claim(self, item: Value, negated: bool) -> Claim:
        if isinstance(item, Scalar):
            if ARGUMENT.get(item.text):
                raise DesignError(located(item.span, f"{item.text!r} needs an argument", f"write {item.text}: ..."))
            if item.text not in ARGUMENT and item.text.isidentifier():
                hint = names_hint(item.text, [*ARGUMENT, "not"], "claims")
                raise DesignError(located(item.span, f"unknown claim {item.text!r}", hint))
            kind = item.text if item.text in ARGUMENT else "holds"
            return self.made(kind, item.span, negated, {"": item}, formula=self.condition(item, kind))
        if not isinstance(item, Mapping) or len(item.entries) != 1:
            hint = "one claim: a word, a formula, or `name: argument`"
            raise DesignError(located(item.span, "cannot read this as a claim", hint))
        ((word, (key, value)),) = item.entries.items()
        if word == "not":
            if negated:
                raise DesignError(located(key.span, "a `not` in a `not`", "leave out both"))
            return self.claim(value, negated=True)
        if word not in ARGUMENT:
            hint = names_hint(word, [*ARGUMENT, "not"], "claims")
            raise DesignError(located(key.span, f"unknown claim {word!r}", hint))
        parts = value.entries if isinstance(value, Mapping) else {}
        own = ARGUMENT[word]
        if word == "monotone" and isinstance(value, Mapping) and {*parts} & {"correct", "wrong"}:
            beside = {k: v for k, v in parts.items() if k in ("when", "groups")}
            own_parts = {k: v for k, v in parts.items() if k not in beside}
            parts = {"of": (key, Mapping(own_parts, value.span))} | beside
        elif not isinstance(value, Mapping):
            parts = {own: (key, value)}
        allowed = [own, "when", "groups"] if own else ["when", "groups"]
        allowed += ["params", "per"] if word in RELATIONS else []
        Mapping(parts, item.span).only([key for key in allowed if key], f"of the claim {word!r}")
        if own and own not in parts:
            raise DesignError(located(key.span, f"{word!r} has no {own!r}", f"write {word}: {{{own}: ..., when: ...}}"))
        return self.made(word, key.span, negated, {name: part for name, (_, part) in parts.items()})

    def made(self, kind: str, span: Span, negated: bool, parts: dict[str, Value], formula: Node | None = None) -> Claim:
        claim = {"kind": kind, "text": _one_line(self.item), "span": span, "negated": negated, "formula": formula}
        claim["when"] = self.when(parts.get("when"))
        claim["verdicts_alone"] = _verdicts_alone(parts.get("groups"))
        value = parts.get(ARGUMENT[kind])
        match kind:
            case "bounded":
                claim["formula"] = self.parsed(value, kind, self.constants(), "N, parameters and numbers")
            case "zero_when":
                claim["formula"] = self.parsed(value, kind, self.counts())
            case "holds" if formula is None:
                claim["formula"] = self.condition(value, kind)
            case "optimizes" | "unbiased_for":
                text = _scalar(value, kind)
                claim["formula"] = read_objective(text.text, f"claims.{kind}", text.place, list(self.design.params))
            case "peak":
                claim["place"] = _place(_scalar(value, kind))
            case "monotone":
                claim["directions"] = _directions(value)
            case "equals" | "proportional_to":
                claim["other"] = value if isinstance(value, Mapping) else _scalar(value, kind)
                claim["params"] = {
                    name: self.parsed(part, f"{kind}.params.{name}", self.constants())
                    for name, (_, part) in _entries(parts.get("params"), "params").items()
                }
                claim["per_group"] = _per_group(parts.get("per"), kind)
        return Claim(**claim)

    def when(self, value: Value | None) -> dict[str, list[Fraction]]:
        found = {}
        for name, (key, part) in _entries(value, "when").items():
            if name != "N" and name not in self.design.params:
                hint = names_hint(name, ["N", *self.design.params], "here")
                raise DesignError(located(key.span, f"unknown parameter {name!r} in 'when'", hint))
            parts = part.items if isinstance(part, Items) else (part,)
            found[name] = [constant(self.parsed(each, f"when.{name}", {}), {}) for each in parts]
            if not all(map(is_plain, found[name])):
                raise DesignError(located(key.span, f"a value of {name!r} is no plain number", "for example 1/2 or 8"))
            if name == "N" and not all(each.denominator == 1 and 2 <= each <= MAX_N for each in found[name]):
                raise DesignError(located(key.span, "N is not a whole number of answers", f"2 to {MAX_N:,}"))
            if prod(map(len, found.values())) > MAX_SETTINGS:
                raise DesignError(located(key.span, f"more than {MAX_SETTINGS:,} settings of parameters"))
        return found

    def condition(self, item: Scalar, kind: str) -> Node | None:
        """A formula that has to hold: over counts and what they get, or over single answers."""
        if kind != "holds":
            return None
        names = self.counts() | {name: (GROUP, True) for name in COUNTED}
        answers = {name: (ANSWER, False) for name in (*OF_ANSWERS, *SIGNALS_OF_ANSWERS, *self.design.sections.signals)}
        node = self.parsed(item, "claims", names | answers)
        used = {part.name for part in walk(node) if isinstance(part, Name)}
        of_batch = [part for part in walk(node) if isinstance(part, Reduce) and part.over == BATCH]
        if of_batch and not used & answers.keys():
            hint = "write A for the advantage of each answer, and `verdict` for whether it is correct"
            raise DesignError(located(of_batch[0].span, "a claim over `correct` or `wrong` sees one group alone", hint))
        if used & answers.keys() and used & COUNTED.keys():
            hint = "write A for the advantage of each answer, and `verdict` for whether it is correct"
            raise DesignError(located(item.span, "a claim over single answers and over `correct` or `wrong`", hint))
        if not any(isinstance(part, Apply) and part.function in _CONDITIONS for part in walk(node)):
            raise DesignError(located(item.span, "this claims nothing", "a claim is a condition: ... == 0"))
        if not used & {"A", *COUNTED}:
            hint = "write A for the advantage of each answer, or `correct`, `wrong` and `eta`"
            raise DesignError(located(item.span, "this says nothing of any advantage", hint))
        return node

    def constants(self) -> dict[str, tuple[str, bool]]:
        return {name: (CONSTANT, True) for name in ("N", *self.design.params)}

    def counts(self) -> dict[str, tuple[str, bool]]:
        return self.constants() | {name: (GROUP, True) for name in ("n_pos", "n_neg", "p")}

    def parsed(self, value: Value, where: str, known: dict[str, tuple[str, bool]], what: str = "") -> Node:
        scalar = _scalar(value, where)

        def lookup(name: str, span: Span) -> Node | None:
            if name == "surprisal" and name in known:
                return signal(name, span)
            return Name(name, span, *known[name]) if name in known else None

        return parse(scalar.text, where=where, place=scalar.place, lookup=lookup, names=known)


_CONDITIONS = [OPERATORS[name] for name in ("less", "at_most", "more", "at_least", "equal", "unequal", "not")]


def _scalar(value: Value, where: str) -> Scalar:
    if not isinstance(value, Scalar):
        raise DesignError(located(value.span, f"'{where}' is one formula or name", "write it on one line"))
    return value


def _entries(value: Value | None, where: str) -> dict[str, tuple[Scalar, Value]]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise DesignError(located(value.span, f"'{where}' is a mapping", f"{where}: {{k: 1}}"))
    return value.entries


def _place(value: Scalar) -> tuple[int, int]:
    top, _, bottom = (part.strip() for part in value.text.partition("/"))
    short = all(part.isdecimal() and len(part) <= len(str(MAX_N)) for part in (top, bottom))
    if not short or not int(top) <= int(bottom) or not 2 <= int(bottom) <= MAX_N:
        hint = f"peak: 8/32 is 8 correct answers of 32; N is at most {MAX_N:,}"
        raise DesignError(located(value.span, "a peak is n_pos / N", hint))
    return int(top), int(bottom)


def _directions(value: Value) -> dict[str, str]:
    if isinstance(value, Scalar) and value.text == "rewards":
        return {}
    found = {}
    if isinstance(value, Mapping):
        value.only(("correct", "wrong"), "of the claim 'monotone'")
        found = {key: part.text for key, (_, part) in value.entries.items() if isinstance(part, Scalar)}
    if not found or not set(found.values()) <= {"rises", "falls"}:
        hint = "monotone: rewards, or monotone: {correct: falls, wrong: rises}, with n_pos"
        raise DesignError(located(value.span, "'monotone' of what?", hint))
    return found


def _verdicts_alone(value: Value | None) -> bool:
    if value is not None and not (isinstance(value, Scalar) and value.text == "0/1"):
        hint = "groups: 0/1 are groups whose rewards are 0 or 1, and the scores"
        raise DesignError(located(value.span, "'groups' says for which rewards a claim is made", hint))
    return value is not None


def _per_group(value: Value | None, kind: str) -> bool:
    if value is None:
        return False
    if kind != "proportional_to" or not isinstance(value, Scalar) or value.text != "group":
        raise DesignError(located(value.span, "'per' is of proportional_to, and says `group`", "per: group"))
    return True


def _one_line(value: Value) -> str:
    match value:
        case Scalar(text=text):
            return " ".join(text.split())
        case Items(items=items):
            return f"[{', '.join(map(_one_line, items))}]"
        case Mapping(entries=entries):
            inner = [f"{key}: {_braced(part)}" for key, (_, part) in entries.items()]
            return ", ".join(inner)


def _braced(value: Value) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("advantage"), Scalar | Mapping):  # a design written out
        name = value.get("name")
        return f"{{name: {_one_line(name)}, ...}}" if isinstance(name, Scalar) else "{...}"
    return f"{{{_one_line(value)}}}" if isinstance(value, Mapping) else _one_line(value)

"""A launch script with the flags of OpenRLHF before 0.10.2, rewritten to those of today. Every other byte stays.

Script (script_flags.py) → edits, each (from, to) → new text → Translation.result
                         → what was left out, means something else or has another default → Translation.notes
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from passk_rlhf.no_effect import OF_A_CRITIC, WHY
from passk_rlhf.old_flags import CHANGED_DEFAULTS, NEW, OLD, number
from passk_rlhf.script_flags import FLAG, Given, Script

LAUNCHER = "passk_rlhf.train_ppo_ray"
OPENRLHFS = re.compile(r"openrlhf\.cli\.train_ppo(_ray)?|(?:.*/)?train_ppo(_ray)?\.py")
OLDEST = "0.7.0"  # a script is taken to be of this release or a later one, unless its flags are older
LEVEL, MODE = "--algo.advantage.is_correction_level", "--algo.advantage.is_correction_mode"
CORRECTIONS = {"tis": ("token", "clip"), "icepop": ("token", "mask"), "seq-mask-tis": ("seq", "mask")}
CORRECTIONS["mis"] = CORRECTIONS["seq-mask-tis"]  # its name in 0.9.3
CORRECTION_FLAGS = ("--enable_vllm_is_correction", "--algo.advantage.is_correction_enable")
CORRECTION_TYPES = ("--vllm_is_correction_type", "--algo.advantage.is_correction_type")
PROMPT, ANSWER = "--prompt_max_len", "--generate_max_len"
NOT_WITH_A_DESIGN = {
    flag for flag, old in OLD.items() if old.now and all(now.startswith((*WHY, *OF_A_CRITIC)) for now in old.now)
}
SAME_NUMBERS = {
    "group_norm": "configs/grpo_sample_std.yaml gives its numbers; configs/grpo.yaml is GRPO with the population's std",
    "rloo": "configs/rloo.yaml gives its numbers",
    "dr_grpo": "configs/dr_grpo.yaml gives its numbers",
    "reinforce_baseline": "none gives its numbers where the reward has a KL penalty, which it whitens too; without one "
    "configs/reinforce_pp_baseline.yaml does",
    "reinforce": "none gives its numbers: it compares no answers of a group, but whitens over the batch",
    "gae": "none gives its numbers: it needs a critic",
}


class Translation:
    """What a script becomes.

    Args:
      text: the script.
      design, params: train on this advantage in place of the script's estimator.

    Attributes:
      result: the new script.
      notes: (line, what to know); line 0 is of the whole script.
      renamed: how many flags have another name now.
      commands: how many commands name train_ppo_ray. With 0 nothing was changed.

    Raises:
      ShellError: text is nested in text too deep.

    >>> Translation("python -m openrlhf.cli.train_ppo_ray --pretrain $M --perf --bf16").result
    'python -m passk_rlhf.train_ppo_ray --actor.model_name_or_path $M --ds.param_dtype bf16'
    """

    def __init__(self, text: str, design: str | None = None, params: Sequence[str] = ()) -> None:
        self.text, self.design, self.params = text, design, params
        self.script = Script(text)
        self.edits: dict[tuple[int, int], str] = {}
        self.said: dict[tuple[int, str], None] = {}
        self.commands = len(self.script.runs)
        self.estimators = {i: self.estimators_of(run) for i, run in self.script.runs.items()}
        if self.commands:
            self.replace_modules()
            for given in self.script.given:
                self.become(given)
            for word, match, name in self.script.in_expansions():
                if len(OLD[name].now) == 1 and name not in (PROMPT, ANSWER):
                    self.edits[match.span()] = OLD[name].now[0]
                else:
                    self.say(match.start(), f"{name} stands in {word.text}: put it right by hand; {called_now(name)}")
            self.say_the_rest()
        self.renamed = len({given.at for given in self.script.given if given.old.now != (given.name,)})
        self.result = self.edited()
        self.notes = sorted(self.said, key=lambda note: (note[0] == 0, note[0]))

    def say(self, at: int, what: str) -> None:
        """Note something about the line of a place in the script."""
        self.said[self.text.count("\n", 0, at) + 1, what] = None

    def say_of_all(self, what: str) -> None:
        self.said[0, what] = None

    def edited(self) -> str:
        parts, at = [], 0
        for (start, end), new in sorted(self.edits.items()):
            parts += [self.text[at:start], new]
            at = end
        return "".join([*parts, self.text[at:]])

    # ── The estimator, and the design in its place ──────────────────────────

    def estimators_of(self, run: set[int]) -> set[str]:
        flags = [each for each in self.script.given if each.part in run and each.name == "--advantage_estimator"]
        return {each.values[0].strip("\"'") for each in flags if each.values}

    def has_critic(self, given: Given | None = None) -> bool:
        """Of the runs that the flag is given to, or of any: only gae has one; `$E` may be gae."""
        runs = [i for i, run in self.script.runs.items() if given is None or given.part in run]
        names = {name for i in runs for name in self.estimators[i] or {"gae"}}
        return not self.design and any(name == "gae" or "$" in name for name in names)

    def design_flags(self) -> str:
        words = ["--advantage-design", self.design, *(w for p in self.params for w in ("--advantage-param", p))]
        return " ".join(map(shlex.quote, words))

    # ── Edits ───────────────────────────────────────────────────────────────

    def replace_modules(self) -> None:
        for i, part in enumerate(self.script.parts):
            if not part.runs:
                continue
            words, before = part.command.words, [word.text for word in part.command.words[: part.first - 1]]
            if "deepspeed" in before and "--module" in before[before.index("deepspeed") :]:
                first = before.index("deepspeed")
                last = before.index("--module", first)
                self.edits[words[first].start, words[last].end] = "python3 -m"
                start = words[first].start
                self.say(start, f"deepspeed --module: {LAUNCHER} is started once, and starts the others itself")
            if not part.module:
                continue
            word, name = part.module, str(part.module)
            if self.design and not self.estimators[i]:
                self.edits[word.end, word.end] = f" {self.design_flags()}"
            if not OPENRLHFS.fullmatch(name):
                if name != LAUNCHER:
                    self.say(word.start, f"{name} is no module of OpenRLHF's: it stays, its flags have today's names")
                continue
            if name.endswith(".py"):
                self.edits[word.start, word.end] = f"-m {LAUNCHER}"
            else:
                quote = word.text != name
                self.edits[word.start + quote, word.end - quote] = LAUNCHER
            if re.search(r"train_ppo(\.py)?$", name):
                needed = "--vllm.num_engines, --actor.num_gpus_per_node and --ref.num_gpus_per_node"
                self.say(word.start, f"{name}, without Ray, is no more: say where the models go with {needed}")

    def become(self, given: Given) -> None:
        if self.design and given.name in NOT_WITH_A_DESIGN:
            self.remove(given, "it has no effect with a design")
        elif self.design and given.name == "--advantage_estimator":
            self.edits[given.word.start, given.end] = self.design_flags()
        elif given.name in (PROMPT, ANSWER):
            self.lengths(given)
        elif given.name == "--max_len" and self.script.with_names(given, PROMPT, ANSWER):
            self.remove(given, f"where {PROMPT} and {ANSWER} are given, it was only vLLM's limit")
        elif given.name in (*CORRECTION_FLAGS, *CORRECTION_TYPES, "--use_icepop"):
            self.correction(given)
        elif not given.old.now:
            self.remove(given, given.old.why)
        else:
            self.rename(given)

    def rename(self, given: Given) -> None:
        now = given.old.now
        if len(now) > 1 and not self.has_critic(given):
            now = tuple(each for each in now if not each.startswith("--critic.")) or now
        before, after = self.text[given.word.start : given.at], self.text[given.name_end : given.end]
        if len(now) == 1:
            self.edits[given.at, given.name_end] = now[0]
        else:
            self.edits[given.word.start, given.end] = " ".join(f"{before}{each}{after}" for each in now)

    def lengths(self, given: Given) -> None:
        """--data.max_len is both together; --rollout.max_new_tokens is the answer's."""
        others = self.script.with_names(given, ANSWER if given.name == PROMPT else PROMPT)
        own = given.values[0] if given.values else "1024"
        other = others[0].values[0] if others and others[0].values else "1024"  # which was the default of either
        both = f"--data.max_len {_sum(own, other)}"
        answer = f"--rollout.max_new_tokens {own if given.name == ANSWER else other}"
        if not others:
            self.edits[given.word.start, given.end] = f"{both} {answer}"
        else:
            self.edits[given.word.start, given.end] = both if given.name == PROMPT else answer
        if not others or given.name == PROMPT:
            self.say(given.at, f"{both}: prompt and answer together, and {answer} of them the answer's")
        if len({each.values for each in others}) > 1:
            self.say(given.at, f"{others[0].name} is given several times: look at --data.max_len")

    def correction(self, given: Given) -> None:
        """tis, icepop and seq-mask-tis are a level and a mode now."""
        if given.name not in CORRECTION_FLAGS:
            on = self.script.with_names(given, *CORRECTION_FLAGS)
            self.remove(given, f"{LEVEL} and {MODE} say it" if on else f"it says nothing without {CORRECTION_FLAGS[0]}")
            return
        types = [
            each.values[0].strip("\"'") for each in self.script.with_names(given, *CORRECTION_TYPES) if each.values
        ]
        kind = types[0] if types else "icepop" if self.script.with_names(given, "--use_icepop") else "tis"
        if kind not in CORRECTIONS:
            self.say(given.at, f"the type of the correction is {kind}: put {LEVEL} and {MODE} right by hand")
        level, mode = CORRECTIONS.get(kind, CORRECTIONS["tis"])
        self.edits[given.word.start, given.end] = f"{LEVEL} {level} {MODE} {mode}"
        self.say(given.at, f"{given.name} is {LEVEL} {level} {MODE} {mode}; {OLD[CORRECTION_FLAGS[0]].elsewhere}")

    def remove(self, given: Given, why: str) -> None:
        """Take a flag and its values out, with its line if nothing else is on it."""
        text, start, end = self.text, given.word.start, given.end
        line = text.rfind("\n", 0, start) + 1
        rest = re.compile(r"[ \t]*(\\?)\r?(\n|\Z)").match(text, end)
        alone, continues = not text[line:start].strip(), re.search(r"\\\r?\n\Z", text[max(0, line - 3) : line])
        if alone and rest and (rest[1] or not continues):
            self.edits[line, rest.end()] = ""
        elif alone and rest:  # the last line: an empty one ends the command
            self.edits[line, end] = ""
        elif alone:
            self.edits[start, re.compile(r"[ \t]*").match(text, end).end()] = ""
        else:
            self.edits[line + len(text[line:start].rstrip()), end] = ""
        self.say(given.at, f"{' '.join([given.name, *given.values])} is left out: {why}")

    # ── What to know of the whole script ────────────────────────────────────

    def say_the_rest(self) -> None:
        for words in self.script.of_others():
            names = ", ".join(dict.fromkeys(FLAG.match(word.text)[0] for word in words[:4]))
            self.say(words[0].start, f"{names}: no flag of {LAUNCHER} here, and left as it is")
        for word in self.script.unknown():
            self.say(word.start, f"{FLAG.match(word.text)[0]} is no flag of OpenRLHF's, then or now; it stays")
        lines = [
            str(i)
            for i, line in enumerate(self.text.split("\n"), 1)
            if line.lstrip().startswith("#") and any(name in OLD for name in FLAG.findall(line))
        ]
        if lines:
            self.say_of_all(f"comments keep the old names (lines {', '.join(lines[:8])}{' ...' * (len(lines) > 8)})")
        if self.script.passes_arguments:
            self.say_of_all('"$@": what is given to the script needs the names of today, too')
        self.say_defaults()
        for estimator in sorted({name for names in self.estimators.values() for name in names or {"gae"}}):
            if not self.design and estimator in SAME_NUMBERS:
                said = f"a design in place of estimator {estimator}: {SAME_NUMBERS[estimator]}"
                self.say_of_all(f"{said}. To write one into the script: --design YAML")

    def say_defaults(self) -> None:
        """Of flags that the script does not give; only if releases that have all of its flags had another one."""
        names = {given.name for given in self.script.given}
        latest = min((given.old.until for given in self.script.given), key=number, default=NEW)
        earliest = max((given.old.since for given in self.script.given), key=number, default=NEW)
        if number(latest) >= number(OLDEST):
            earliest = max(earliest, OLDEST, key=number)
        matters = {
            "": True,
            "critic": self.has_critic(),
            "correction": bool(names & set(CORRECTION_FLAGS)),
            "length": not names & {PROMPT, ANSWER, "--max_new_tokens"},
        }
        implied = {"--flash_attn": {"--packing_samples", "--attn_implementation"}, "--bf16": {"--param_dtype"}}
        for default in CHANGED_DEFAULTS:
            flag, successor = default.flag, OLD[default.flag].now[0].split()[0]
            given = flag in names or successor in self.text or names & implied.get(flag, set())
            if given or not matters[default.matters] or number(default.until) < number(earliest):
                continue
            about = f" ({default.about})" if default.about else ""
            now = default.now if default.now.startswith("--") else f"{successor} {default.now}"
            change = f"{flag} was {default.before} until {default.until}, now {now}"
            self.say_of_all(f"not given, and its default has changed{about}: {change}")
        if names and number(earliest) < number("0.10.4"):
            self.say_of_all("the loss is the mean over the tokens of an optimizer step; until 0.10.3 of a micro-batch")


def called_now(name: str) -> str:
    """What a flag of before is now, in words.

    >>> called_now("--l2"), called_now("--perf")
    ('now --actor.adam.weight_decay and --critic.adam.weight_decay', 'gone: its timings are always logged')
    """
    old = OLD[name]
    return f"now {' and '.join(old.now)}" if old.now else f"gone: {old.why}"


def _sum(a: str, b: str) -> str:
    """Of two lengths: the number, or what the shell computes.

    >>> _sum("1024", "512"), _sum("$P", '"${A}"')
    ('1536', '$(($P + ${A}))')
    """
    a, b = a.strip("\"'"), b.strip("\"'")
    if a.isdigit() and b.isdigit():
        return str(int(a) + int(b))
    escaped = "\\" if "\\$" in a + b else ""  # in a text that another shell will read
    return f"{escaped}$(({a} + {b}))"

"""Which words of a launch script are flags of train_ppo_ray, and to which of its runs they belong.

In    the text of a shell script
Out   Script       where the module's name stands, and every flag of before, with its values and its place

A word is such a flag if it stands after the module's name, in that command or in a variable, array, here document or
call of a function that the command uses. Flags of `ray job submit`, `srun` or another program are not.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from passk_rlhf.flags import add_flags
from passk_rlhf.old_flags import OLD, Old
from passk_rlhf.shell_words import Command, Word, scan

MODULE = re.compile(r"(?:[^\s'\"=]*/)?(?:[\w-]+\.)*train_ppo\w*(?:\.py)?")
FLAG = re.compile(r"--[A-Za-z][\w.-]*")
FLAG_INSIDE = re.compile(r"(?<![\w-])--[A-Za-z][\w.-]*")
NAMED = re.compile(r"\$\{?([A-Za-z_]\w*)")
ARGUMENTS = re.compile(r"\$\{?[@*]")
FUNCTION = re.compile(r"^[ \t]*(?:function[ \t]+([\w-]+)|([\w-]+)[ \t]*\(\))", re.MULTILINE)


@dataclass(frozen=True)
class Given:
    """A flag as it stands in the script."""

    name: str  # as in OLD
    old: Old
    word: Word
    at: int  # where its name begins
    name_end: int
    values: tuple[str, ...]
    end: int  # after its values
    part: int  # of which part


@dataclass(frozen=True)
class Part:
    """A command, variable or array with flags of ours: they are the words from `first` on."""

    command: Command
    first: int
    module: Word | None = None  # the word that names train_ppo_ray

    @property
    def runs(self) -> bool:
        """Is the module in it, or a variable that has it?"""
        return self.first > 0

    @property
    def flags(self) -> list[Word]:
        return self.command.words[self.first :]


class Script:
    """A launch script.

    Attributes:
      parts: every piece of it with flags of ours.
      runs: for each place with the module's name, which parts belong to it.
      given: every flag of before, in parts.

    Raises:
      ShellError: text is nested in text too deep.

    >>> script = Script('A="--pretrain $M"; srun --x 1 python -m openrlhf.cli.train_ppo_ray $A --bf16')
    >>> [given.name for given in script.given]
    ['--pretrain', '--bf16']
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.commands = scan(text, re.compile(r"\btrain_ppo"))
        self.parts = self._parts()
        self.runs = {i: self._run(i) for i, part in enumerate(self.parts) if part.module}
        self.given = [given for i in range(len(self.parts)) for given in self._given(i)]

    @property
    def passes_arguments(self) -> bool:
        """Are there flags that come from outside: "$@"?"""
        return any(ARGUMENTS.search(word.text) for part in self.parts for word in part.flags)

    def with_names(self, given: Given, *names: str) -> list[Given]:
        """Other flags of these names that the same run is given: of the same part, or if it has none, of all."""
        run = self.run_of(given)
        found = [each for each in self.given if each.name in names and each.part in run and each is not given]
        return [each for each in found if each.part == given.part] or found

    def run_of(self, given: Given) -> set[int]:
        return set().union(*(run for run in self.runs.values() if given.part in run))

    def in_expansions(self) -> Iterator[tuple[Word, re.Match[str], str]]:
        """Flags of before in ${KL:+--use_kl_loss}: the word, where, and which."""
        for part in self.parts:
            for word in part.flags:
                if word.text.lstrip('"').startswith("${"):
                    for match in FLAG_INSIDE.finditer(self.text, word.start, word.end):
                        if name := old_name(match[0]):
                            yield word, match, name

    def unknown(self) -> Iterator[Word]:
        """Words that look like flags of ours and are not, neither before nor now."""
        ours = argparse.ArgumentParser(add_help=False)
        add_flags(ours)
        for part in self.parts:
            for word in part.flags:
                match = FLAG.match(word.text)
                if (
                    match
                    and "." not in match[0]
                    and match[0] not in ours._option_string_actions
                    and not old_name(match[0])
                ):
                    yield word

    def of_others(self) -> Iterator[list[Word]]:
        """Words with the names of flags of before, in commands that are not ours: one list a command."""
        ours = {word.start for part in self.parts for word in part.flags}
        for command in self.commands:
            found = [w for w in command.words if (m := FLAG.match(w.text)) and m[0] in OLD and w.start not in ours]
            if found and command.words[0].start not in ours:
                yield found

    def _parts(self) -> list[Part]:
        found: dict[int, Part] = {}
        for i, command in enumerate(self.commands):
            place = next((j for j in range(len(command.words)) if _begins_at(command.words, j)), None)
            if place is not None:
                found[i] = Part(command, place + 1, command.words[place])
        programs: set[str] = set()  # variables in which the module's name is
        used: set[str] = set()  # variables that stand after it
        functions: set[str] = set()  # where "$@" does, what gives it words

        def add(part: Part) -> Part:
            programs.update({part.command.name} - {""} if part.runs else ())
            used.update(_names(part.flags))
            if not functions and any(ARGUMENTS.search(word.text) for word in part.flags):
                functions.update({"set", *(a or b for a, b in FUNCTION.findall(self.text))})
            return part

        for part in found.values():
            add(part)
        before, order = 0, list(enumerate(self.commands))
        while before < len(found):  # until nothing more is found to use what was found, or to be used by it
            before = len(found)
            order.reverse()  # what is used stands before, what uses it after
            for i, command in order:
                if i in found:
                    continue
                run = None
                if programs:
                    run = next((j for j, word in enumerate(command.words) if programs & set(_names([word]))), None)
                if run is not None and not re.match(r"\w+\+?=", command.words[run].text):
                    found[i] = add(Part(command, run + 1))
                elif (
                    command.name in used
                    or command.name in programs
                    or (not command.name and (command.words[0].text in functions or command.words[0].text in OLD))
                ):
                    found[i] = add(Part(command, 0))
        return [part for _, part in sorted(found.items())]

    def _run(self, module: int) -> set[int]:
        """The part with the module, those that run it, and the variables of all of them."""
        run = {module}
        programs, used, new = set(), set(), [module]
        while new:
            for i in new:
                programs |= {self.parts[i].command.name} - {""} if self.parts[i].runs else set()
                used |= set(_names(self.parts[i].command.words))
            new = [
                i
                for i, part in enumerate(self.parts)
                if i not in run
                and (
                    (
                        not part.runs
                        and (part.command.name in used or part.command.name in programs or not part.command.name)
                    )
                    or not programs.isdisjoint(_names(part.command.words))
                )
            ]
            run.update(new)
        return run

    def _given(self, place: int) -> Iterator[Given]:
        words = self.parts[place].flags
        for i, word in enumerate(words):
            at = word.start + (word.text[0] in "\"'")
            match = FLAG.match(self.text, at, word.end)
            name = match and old_name(match[0])
            if not name:
                continue
            old, name_end = OLD[name], match.end()
            inline = self.text[name_end : name_end + 1] == "="
            most = 0 if inline else len(words) if old.values is None else old.values
            values = []
            for value in words[i + 1 : i + 1 + most]:
                if value.text.startswith("--"):
                    break
                values.append(value)
            end = values[-1].end if values else word.end
            texts = (self.text[name_end + 1 : word.end],) if inline else tuple(value.text for value in values)
            yield Given(name, old, word, at, name_end, texts, end, place)


def old_name(flag: str) -> str | None:
    """The flag of before that is meant: also with dashes, or shortened, as its parser let people do.

    >>> old_name("--pretrain"), old_name("--n-samples-per-prompt"), old_name("--advantage_est"), old_name("--x")
    ('--pretrain', '--n_samples_per_prompt', '--advantage_estimator', None)
    """
    if flag in OLD:
        return flag
    flag = "--" + flag[2:].replace("-", "_")
    if flag in OLD:
        return flag
    longer = [name for name in OLD if name.startswith(flag)] if len(flag) > 5 else []
    return longer[0] if len(longer) == 1 else None


def _begins_at(words: Sequence[Word], i: int) -> bool:
    """Is this word the program, and not, say, a folder of the same name?"""
    if not MODULE.fullmatch(str(words[i])):
        return False
    return i == 0 or words[i - 1].text in ("-m", "--module") or str(words[i]).endswith(".py")


def _names(words: Sequence[Word]) -> list[str]:
    """The variables that words use."""
    return [name for word in words if "$" in word.text for name in NAMED.findall(word.text)]

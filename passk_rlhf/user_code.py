"""The reward function or agent that a run is handed, looked at before Ray starts.

    --reward.remote_url reward.py       reward_func(queries, prompts, labels)         sync or async
    --train.agent_func_path agent.py    class AgentExecutor(AgentExecutorBase)        with async execute(...)

OpenRLHF imports the file in vLLM's actors, a minute into the run. Here a process of its own imports it, with the same
Python, so that what it prints, starts or claims of a GPU is gone before the run begins. Nothing of it is called.

On a Ray cluster the file is imported on other machines: what only they can know, whether the file is there and what
it imports, is said and does not end the run; an actor that fails on it ends it (watch_actors.py).
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from passk_rlhf import placement

PATIENCE = 120.0  # seconds for an import; transformers and a sympy parser take 20 on a busy laptop
REWARD = "def reward_func(queries, prompts, labels)"
AGENT = "class AgentExecutor(AgentExecutorBase), with async def execute(...); see OpenRLHF's examples/python"
EXECUTED = ("prompt", "label", "sampling_params", "max_length", "hf_tokenizer", "llm_engine", "images")


class UserCodeError(ValueError):
    """A file or an address that cannot score answers; for whoever wrote it."""


def refuse_broken(args: SimpleNamespace, on_cluster: bool) -> list[str]:
    """Look at what `args` name.

    Args:
      on_cluster: Ray's workers may be on other machines.

    Returns:
      What is not certain to be wrong, a line each.

    Raises:
      UserCodeError: it cannot work; names flag, file, line and what is needed.
    """
    if path := args.train.agent_func_path:
        return _look("--train.agent_func_path", path, "agent", on_cluster)
    given = (args.reward.remote_url or "").split(",")
    if not given[0]:
        return []
    files = [each for each in given if each.endswith(".py")]
    if files and len(given) > 1:
        raise UserCodeError(
            f"--reward.remote_url {','.join(given)}: name one Python file, or addresses of reward servers; OpenRLHF "
            "would take the first file alone, or post to a file"
        )
    if files:
        return _look("--reward.remote_url", given[0], "reward", on_cluster)
    return [line for each in given if (line := _address(each))]


def _address(url: str) -> str | None:
    flag = f"--reward.remote_url {url}"
    found = urlsplit(url)
    if found.scheme not in ("http", "https") or not found.hostname:
        near = f"; did you mean http://{url}?" if ":" in url or "/" not in url else ""
        raise UserCodeError(f"{flag} is neither a Python file (its name ends in .py) nor http://HOST:PORT/PATH{near}")
    port = found.port or (443 if found.scheme == "https" else 80)
    if placement.answers(f"{found.hostname}:{port}"):
        return None
    return f"{flag}: nothing answers there yet; without it no answer gets a reward"


def _look(flag: str, path: str, kind: str, on_cluster: bool) -> list[str]:
    wrong, certain = find_wrong(path, kind)
    if wrong is None:
        return []
    if certain or not on_cluster:
        raise UserCodeError(f"{flag} {path}: {wrong}")
    return [f"{flag} {path}: {wrong}. That is of this machine; if it is so where vLLM's actors run, the run will end"]


def find_wrong(path: str, kind: str) -> tuple[str | None, bool]:
    """(what is wrong with the file, None if nothing is; is that certain wherever it is imported?)

    Args:
      kind: "reward" or "agent".
    """
    file = Path(path)
    if kind == "agent" and not path.endswith(".py"):
        return "is no Python file; its name has to end in .py", True
    if not file.exists():
        return f"there is no such file in {file.absolute().parent}", False
    if not file.is_file():
        return "is no file", False
    try:
        compile(file.read_bytes(), path, "exec")
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}: {(error.text or '').strip()}", True
    except (OSError, ValueError) as error:  # not to be read; a null byte
        return f"cannot be read: {error}", False
    return _imported(path, kind)


def _imported(path: str, kind: str) -> tuple[str | None, bool]:
    read, write = os.pipe()
    command = [sys.executable, "-m", "passk_rlhf.user_code", kind, path, str(write)]
    process = subprocess.Popen(
        command, pass_fds=(write,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    os.close(write)
    try:
        _, printed = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        os.close(read)
        return f"its import is not done after {PATIENCE:.0f} s", False
    with os.fdopen(read) as file:
        found = file.read()
    if found:
        answer = json.loads(found)
        return answer["wrong"], answer["certain"]
    last = printed.decode(errors="replace").strip().splitlines()[-1:]
    ended = f"signal {-process.returncode}" if process.returncode < 0 else f"status {process.returncode}"
    return f"its import ends the process, with {ended}{': ' if last else ''}{''.join(last)}", False


# ── In the process of its own ───────────────────────────────────────────────


def examine(path: str, kind: str) -> tuple[str | None, bool]:
    """Import the file as OpenRLHF does and look for what it will call; as `find_wrong`."""
    spec = importlib.util.spec_from_file_location("reward_func" if kind == "reward" else "agent_module", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        places = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
        line = f"line {places[-1].lineno}: " if places else ""
        return f"{line}its import fails with {type(error).__name__}: {error}", False
    return (_reward_func(module) if kind == "reward" else _agent(module)), True


def _reward_func(module: ModuleType) -> str | None:
    function = getattr(module, "reward_func", None)
    if function is None:
        return f"defines no reward_func{_near(module, 'reward')}; needed is {REWARD}"
    if not callable(function):
        return f"its reward_func is a {type(function).__name__}, not a function; needed is {REWARD}"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "its reward_func is a generator: return {'rewards': number, 'scores': number} instead of yielding"
    return _not_called_with(function, "reward_func", [None] * 3, {}, REWARD)


def _agent(module: ModuleType) -> str | None:
    from openrlhf.utils.agent import AgentExecutorBase

    executor = getattr(module, "AgentExecutor", None)
    if executor is None:
        return f"defines no AgentExecutor{_near(module, 'agent')}; needed is {AGENT}"
    if not (inspect.isclass(executor) and issubclass(executor, AgentExecutorBase)):
        return f"its AgentExecutor does not inherit from openrlhf.utils.agent.AgentExecutorBase; needed is {AGENT}"
    if missing := sorted(executor.__abstractmethods__):
        return f"its AgentExecutor lacks {', '.join(missing)}; needed is {AGENT}"
    if not inspect.iscoroutinefunction(executor.execute):
        return "AgentExecutor.execute is not async, and OpenRLHF awaits it; write async def execute(...)"
    wrong = _not_called_with(executor, "AgentExecutor", [], {}, "AgentExecutor()")
    call = f"execute({', '.join(f'{name}=...' for name in EXECUTED)})"
    return wrong or _not_called_with(executor.execute, "execute", [None], dict.fromkeys(EXECUTED), call)


def _not_called_with(function: Any, name: str, positional: list, named: dict[str, None], needed: str) -> str | None:
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # written in C
        return None
    try:
        signature.bind(*positional, **named)
    except TypeError as error:
        return f"{name}{signature} cannot be called as OpenRLHF calls it ({error}); needed is {needed}"
    return None


def _near(module: ModuleType, word: str) -> str:
    """The functions and classes that may have been meant."""
    found = [
        name
        for name, value in vars(module).items()
        if callable(value) and word in name.lower() and getattr(value, "__module__", None) == module.__name__
    ]
    return f" (it defines {', '.join(found)})" if found else ""


def main(kind: str, path: str, answer: str) -> None:
    from passk_rlhf import worker

    worker.setup()  # what openrlhf needs on a CPU
    with contextlib.redirect_stdout(sys.stderr):
        wrong, certain = examine(path, kind)
    os.write(int(answer), json.dumps({"wrong": wrong, "certain": certain}).encode())
    os._exit(0)  # whatever the file has started is not waited for


if __name__ == "__main__":
    main(*sys.argv[1:])

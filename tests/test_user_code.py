"""A reward function, an agent or an address that cannot work is refused before Ray starts, in one line."""

import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from stack import MAZE, ROOT

from passk_rlhf import user_code
from passk_rlhf.user_code import UserCodeError, refuse_broken


def given(reward=None, agent=None, on_cluster=False):
    args = SimpleNamespace(
        reward=SimpleNamespace(remote_url=reward and str(reward)),
        train=SimpleNamespace(agent_func_path=agent and str(agent)),
    )
    return refuse_broken(args, on_cluster)


def written(folder, text, name="reward.py"):
    path = folder / name
    path.write_text(text)
    return path


REWARDS = {
    "not there": (None, "there is no such file in"),
    "of another language": (
        "def reward_func(q, p, l)\n    return 1\n",
        "line 1: expected ':': def reward",
    ),
    "with what is not installed": (
        "import os\nimport sympyy\n",
        "line 2: its import fails with ModuleNotFoundError: No module named 'sympyy'",
    ),
    "raising deep down": (
        "import json\nLABELS = json.loads('{')\n",
        "line 2: its import fails with JSONDecodeError: Expecting property name",
    ),
    "that ends Python": (
        "import sys\nsys.exit('no licence')\n",
        "line 2: its import fails with SystemExit: no licence",
    ),
    "that ends the process": ("import os\nos._exit(7)\n", "its import ends the process, with status 7"),
    "killed by the system": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n",
        "its import ends the process, with signal 11",
    ),
    "without the function": (
        "def compute_reward(q, p, l): return 1\n",
        "defines no reward_func (it defines compute_reward); needed is def reward_func(queries, prompts, labels)",
    ),
    "with another thing of that name": ("reward_func = 3\n", "its reward_func is a int, not a function"),
    "with two arguments": (
        "def reward_func(queries, labels): return 1\n",
        "reward_func(queries, labels) cannot be called as OpenRLHF calls it (too many positional arguments)",
    ),
    "with a fourth argument": (
        "def reward_func(queries, prompts, labels, tokenizer): return 1\n",
        "cannot be called as OpenRLHF calls it (missing a required argument: 'tokenizer')",
    ),
    "with arguments by name alone": (
        "def reward_func(*, queries, prompts, labels): return 1\n",
        "cannot be called as OpenRLHF calls it",
    ),
    "that yields": ("def reward_func(q, p, l): yield 1\n", "its reward_func is a generator"),
}


@pytest.mark.parametrize("kind", REWARDS)
def test_a_reward_file_is_refused_in_one_line_with_its_flag_and_path(kind, tmp_path):
    text, message = REWARDS[kind]
    path = written(tmp_path, text) if text else tmp_path / "reward.py"
    with pytest.raises(UserCodeError) as error:
        given(reward=path)
    said = str(error.value)
    assert said.startswith(f"--reward.remote_url {path}: ") and message in said and "\n" not in said


FINE = {
    "a function": "def reward_func(queries, prompts, labels): return {}\n",
    "an async one": "async def reward_func(queries, prompts, labels): return {}\n",
    "with more arguments that have defaults": "def reward_func(q, p, l, strict=True, **more): return {}\n",
    "an object": "class Judge:\n    def __call__(self, *given): return {}\nreward_func = Judge()\n",
    "a partial": "import functools\nreward_func = functools.partial(lambda k, q, p, l: {}, 3)\n",
    "one that prints as it is imported": "print('{')\ndef reward_func(queries, prompts, labels): return {}\n",
    "one with a thread that never ends": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(1e6,)).start()\ndef reward_func(queries, prompts, labels): return {}\n",
}


@pytest.mark.parametrize("kind", FINE)
def test_a_reward_file_that_openrlhf_can_call_is_taken(kind, tmp_path, capfd):
    assert given(reward=written(tmp_path, FINE[kind])) == []
    assert capfd.readouterr().out == ""


def test_the_files_of_this_project_are_taken():
    assert given(reward=MAZE) == [] == given(agent=ROOT / "tests" / "agent.py")


def test_an_import_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(user_code, "PATIENCE", 2.0)
    with pytest.raises(UserCodeError, match="its import is not done after 2 s"):
        given(reward=written(tmp_path, "import time\ntime.sleep(1000)\n"))


@pytest.mark.parametrize("kind", ["not there", "with what is not installed"])
def test_what_only_the_machines_of_a_cluster_can_know_is_said_and_does_not_end_the_run(kind, tmp_path):
    text, message = REWARDS[kind]
    path = written(tmp_path, text) if text else tmp_path / "reward.py"
    (line,) = given(reward=path, on_cluster=True)
    assert message in line and "if it is so where vLLM's actors run, the run will end" in line
    with pytest.raises(UserCodeError):  # this is certain wherever it is imported
        given(reward=written(tmp_path, REWARDS["without the function"][0]), on_cluster=True)


BASE = "from openrlhf.utils.agent import AgentExecutorBase, AgentInstanceBase, MultiTurnAgentExecutor\n"
AGENTS = {
    "not Python by its name": ("agent.txt", "", "is no Python file; its name has to end in .py"),
    "of OpenRLHF 0.9": (
        "agent.py",
        "class AgentInstance:\n    async def step(self): pass\n",
        "defines no AgentExecutor (it defines AgentInstance); needed is class AgentExecutor(AgentExecutorBase)",
    ),
    "without the base": (
        "agent.py",
        "class AgentExecutor:\n    async def execute(self): pass\n",
        "does not inherit from openrlhf.utils.agent.AgentExecutorBase",
    ),
    "a function instead of a class": ("agent.py", "def AgentExecutor(): pass\n", "does not inherit from"),
    "without execute": ("agent.py", f"{BASE}class AgentExecutor(AgentExecutorBase): pass\n", "lacks execute"),
    "not async": (
        "agent.py",
        f"{BASE}class AgentExecutor(AgentExecutorBase):\n    def execute(self, **given): pass\n",
        "AgentExecutor.execute is not async",
    ),
    "with a constructor that needs something": (
        "agent.py",
        f"{BASE}class AgentExecutor(MultiTurnAgentExecutor):\n    def __init__(self, tools): pass\n",
        "AgentExecutor(tools) cannot be called as OpenRLHF calls it (missing a required argument: 'tools')",
    ),
    "with an execute of other arguments": (
        "agent.py",
        f"{BASE}class AgentExecutor(AgentExecutorBase):\n    async def execute(self, prompt, label): pass\n",
        "cannot be called as OpenRLHF calls it (got an unexpected keyword argument 'sampling_params')",
    ),
}


@pytest.mark.parametrize("kind", AGENTS)
def test_an_agent_file_is_refused_in_one_line(kind, tmp_path):
    name, text, message = AGENTS[kind]
    path = written(tmp_path, text, name)
    with pytest.raises(UserCodeError) as error:
        given(agent=path, reward="agent")
    assert str(error.value).startswith(f"--train.agent_func_path {path}: ") and message in str(error.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:5000/score", "did you mean http://localhost:5000/score?"),
        ("reward", "is neither a Python file (its name ends in .py) nor http://HOST:PORT/PATH"),
        ("ftp://host/score", "is neither a Python file"),
        ("http:///score", "is neither a Python file"),
        ("reward.py,http://localhost:5000", "name one Python file, or addresses of reward servers"),
        ("a.py,b.py", "name one Python file, or addresses"),
    ],
)
def test_an_address_that_is_none_is_refused(url, message):
    with pytest.raises(UserCodeError) as error:
        given(reward=url)
    assert message in str(error.value)


def test_a_server_that_is_there_is_taken_and_one_that_is_not_is_said():
    with socket.create_server(("127.0.0.1", 0)) as server:
        there = f"http://127.0.0.1:{server.getsockname()[1]}/score"
        assert given(reward=there) == []
    (line,) = given(reward=there)
    assert line == f"--reward.remote_url {there}: nothing answers there yet; without it no answer gets a reward"


def test_a_reward_model_and_nothing_at_all_are_not_looked_at():
    assert given() == [] == given(reward="")


def test_the_launcher_says_it_before_ray_starts(tmp_path):
    path = written(tmp_path, "def reward(q, p, l): return 1\n")
    command = [sys.executable, "-m", "passk_rlhf.train_ppo_ray", "--advantage-design", "configs/passk.yaml"]
    command += ["--device", "cpu", "--rollout.n_samples_per_prompt", "16", "--reward.remote_url", str(path)]
    command += ["--actor.num_gpus_per_node", "1", "--vllm.num_engines", "1", "--ckpt.output_dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 2
    assert f"error: --reward.remote_url {path}: defines no reward_func (it defines reward)" in done.stderr
    assert "Started a local Ray" not in done.stderr

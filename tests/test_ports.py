"""A port that is chosen early is given to nobody else until it is opened."""

import importlib.metadata
import os
import socket
import subprocess
import sys

import pytest
import torch
from torch.distributed import TCPStore

from passk_rlhf import ports


@pytest.fixture(autouse=True)
def released():
    yield
    for each in ports._kept:
        if isinstance(each, socket.socket):
            each.close()
    ports._kept.clear()


def taken(port):
    """Does the system refuse it to a program that asks for this port?"""
    with socket.socket() as sock:
        try:
            sock.bind(("", port))
        except OSError:
            return True
    return False


def test_a_kept_port_is_refused_to_whoever_asks_for_it_and_given_to_nobody_who_asks_for_any():
    port = ports.keep()
    assert taken(port)
    others = []
    for _ in range(500):  # with and without what would let two programs share it
        others.append(socket.socket())
        others[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, len(others) % 2)
        others[-1].bind(("", 0))
    assert port not in {each.getsockname()[1] for each in others}
    for each in others:
        each.close()


def test_a_port_that_is_not_kept_can_be_lost():  # so that the test above can fail
    with socket.socket() as sock:
        sock.bind(("", 0))
        port = sock.getsockname()[1]
    assert not taken(port)


@pytest.mark.parametrize("use_libuv", [True, False])
def test_torch_opens_a_kept_port(use_libuv):
    port = ports.keep()
    store = TCPStore("127.0.0.1", port, 1, is_master=True, use_libuv=use_libuv)
    store.set("weight", "1")
    assert store.get("weight") == b"1"


def test_zeromq_and_plain_sockets_open_a_kept_port():
    zmq = pytest.importorskip("zmq")  # vLLM brings it
    with zmq.Context() as context, context.socket(zmq.REP) as reply:
        reply.bind(f"tcp://127.0.0.1:{ports.keep()}")
    with socket.create_server(("127.0.0.1", ports.keep())):  # sets SO_REUSEADDR, as they do
        pass


def test_openrlhfs_own_way_of_choosing_a_port_keeps_it():
    with ports.KeptSocket() as sock:  # as ppo_actor.py writes it
        sock.bind(("", 0))
        port = sock.getsockname()[1]
    assert taken(port)


RANK = """
import os, sys, torch
from passk_rlhf import ports
rank = int(sys.argv[1])
port = ports.serve() if rank == 0 else int(sys.stdin.readline())
if rank == 0:
    print(port, flush=True)
    sys.stdin.readline()                      # long after the port was chosen
os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), WORLD_SIZE="2", RANK=str(rank))
torch.distributed.init_process_group("gloo")
total = torch.tensor([float(rank + 1)])
torch.distributed.all_reduce(total)
print(total.item(), flush=True)
"""


def test_two_processes_meet_at_a_store_that_listens_from_the_beginning():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": os.environ}
    first, second = (subprocess.Popen([sys.executable, "-c", RANK, rank], **pipes) for rank in "01")
    port = int(first.stdout.readline())
    assert taken(port)
    second.stdin.write(f"{port}\n")
    second.stdin.flush()
    first.stdin.write("go on\n")
    first.stdin.flush()
    assert [each.communicate(timeout=60)[0].split()[-1] for each in (first, second)] == ["3.0", "3.0"]


def test_vllm_keeps_the_ports_it_chooses_in_processes_of_a_run_and_in_no_others():
    (plugin,) = (
        each for each in importlib.metadata.entry_points(group="vllm.general_plugins") if each.name == "passk_rlhf"
    )
    assert plugin.load() is ports.vllm_plugin
    chosen = "import passk_rlhf.ports as p, vllm.plugins, vllm.utils.network_utils as n\n"
    chosen += "vllm.plugins.load_general_plugins()\nport = n.get_open_port()\nprint(len(p._kept), flush=True)"
    for variables, kept in (({"PASSK_RLHF_PATCH": "1"}, "1"), ({}, "0")):
        env = {name: value for name, value in os.environ.items() if not name.startswith("PASSK_RLHF_")} | variables
        done = subprocess.run([sys.executable, "-c", chosen], env=env, capture_output=True, text=True, check=True)
        assert done.stdout.split()[-1] == kept


def test_a_vllm_of_somebody_else_needs_nothing_of_ours(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PASSK_RLHF_")]:
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "wrapt", None)  # an import of it fails
    ports.vllm_plugin()
    monkeypatch.setenv("PASSK_RLHF_PATCH", "1")
    with pytest.raises(ImportError):
        ports.vllm_plugin()


def test_the_store_of_a_rank_is_a_real_one():
    assert isinstance(torch.distributed.TCPStore("127.0.0.1", ports.serve(), is_master=False), TCPStore)

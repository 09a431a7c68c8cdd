"""What a CPU run replaces, seen in fresh processes: a patch stays for the life of its process.

Two probes import the real OpenRLHF, DeepSpeed and vLLM once (ten seconds each, side by side) and print what they
found; each test below reads one fact.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from passk_rlhf import ports
from passk_rlhf.cpu import settings

ROOT = Path(__file__).parents[1]


def start(code, *arguments, **env):
    everything = {**os.environ, **settings.worker_env(), "PYTHONPATH": str(ROOT), **env}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=everything,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def facts(process):
    out, err = process.communicate()
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


TRAINING = """
import json, sys
from passk_rlhf import worker
worker.setup(); worker.setup()
found = {"imported by setup": [m for m in ("torch", "ray", "vllm", "transformers", "openrlhf") if m in sys.modules]}

import importlib.util
found["spec"] = importlib.util.find_spec("flash_attn").name
import openrlhf.models
from openrlhf.models.ring_attn_utils import unpad_input
try:
    unpad_input(None, None)
except NotImplementedError as error:
    found["unpad_input"] = str(error)
try:
    import flash_attn.ops.triton.cross_entropy
except ImportError:
    found["no ops"] = True

import torch
from openrlhf.models.utils import log_probs_from_logits
logits, labels = torch.randn(2, 3, 5), torch.tensor([[0, 1, 2], [3, 4, 0]])
expected = torch.log_softmax(logits, -1).gather(-1, labels[..., None])[..., 0]
found["log_probs"] = torch.allclose(log_probs_from_logits(logits, labels), expected, atol=1e-6)

cuda = torch.cuda
found["current_device"] = str(cuda.current_device())
found["nothing"] = [cuda.set_device(0), cuda.synchronize(), cuda.empty_cache(), cuda.current_stream()]

from openrlhf.utils.utils import convert_to_torch_dtype
found["dtypes"] = {name: str(convert_to_torch_dtype(name)) for name in ("fp32", "bf16", "fp16")}

from openrlhf.trainer.ppo_utils import NaiveReplayBuffer
buffer = NaiveReplayBuffer(4, limit=3, packing_samples=False)
found["buffer"] = [str(buffer.target_device), buffer.sample_batch_size, buffer.limit, str(cuda.current_device())]
found["wrapped once"] = not hasattr(NaiveReplayBuffer.__dict__["__init__"].__wrapped__, "__wrapped__")

from types import SimpleNamespace as N
from openrlhf.utils.deepspeed import DeepspeedStrategy
args = N(ds=N(param_dtype="fp32"), train=N())
strategy = DeepspeedStrategy(args=args, train_batch_size=4)
adam = {"type": "AdamW", "params": {"lr": 1e-3}}
config = strategy.get_ds_train_config(adam, max_norm=1.0)
found["ds train"] = [config["bf16"]["enabled"], config["fp16"]["enabled"], config["optimizer"]["params"]]
config = strategy.get_ds_eval_config()
found["ds eval"] = [config["bf16"]["enabled"], config["fp16"]["enabled"]]
found["muon"] = strategy.get_ds_train_config({"type": "Muon", "params": {"lr": 1e-3}})["optimizer"]["params"]

import deepspeed
found["shm"] = deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"]
strategy.accumulated_gradient = 1
model, average = torch.nn.Linear(1, 1, bias=False), torch.nn.Linear(1, 1, bias=False)
torch.nn.init.constant_(model.weight, 1.0), torch.nn.init.constant_(average.weight, 0.0)
strategy.moving_average(model, average, 0.75, "cuda")
found["average"] = average.weight.item()

from openrlhf.utils.distributed_util import stateless_init_process_group
group = stateless_init_process_group("127.0.0.1", int(sys.argv[1]), 0, 1, cuda.current_device())
found["group"] = type(group).__name__
print(json.dumps(found))
"""

GENERATING = """
import inspect, json
from passk_rlhf import worker
worker.setup()
import vllm
asked = dict(dtype="bfloat16", worker_extension_cls="openrlhf.trainer.ray.vllm_worker_wrap.WorkerWrap")
arguments = vllm.AsyncEngineArgs(model="some/model", max_model_len=77, **asked)
found = {"engine": [arguments.dtype, arguments.worker_extension_cls, arguments.max_model_len]}

import torch
from vllm.utils.import_utils import resolve_obj_by_qualname
CPUWorker = resolve_obj_by_qualname(arguments.worker_extension_cls)
from openrlhf.trainer.ray.vllm_worker_wrap import WorkerWrap
for name in ("init_process_group", "update_weight"):
    found[name] = [list(inspect.signature(getattr(c, name)).parameters) for c in (CPUWorker, WorkerWrap)]
import vllm._custom_ops
found["onednn"] = vllm._custom_ops._supports_onednn

class Model:
    def load_weights(self, weights):
        found["loaded"] = [(name, weight.tolist()) for name, weight in weights]

class Sevens:
    def broadcast(self, tensor, src):
        tensor.fill_(7)

fake = CPUWorker()
fake.model_config = type("Config", (), {"dtype": torch.float32})
fake.model_runner = type("Runner", (), {"model": Model()})
fake._weights = Sevens()
fake.update_weight("a.weight", torch.float32, (2,))
try:
    fake.update_weight("a.weight", torch.bfloat16, (2,))
except TypeError as error:
    found["mismatch"] = str(error)
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def probes():
    started = start(TRAINING, ports.keep()), start(GENERATING)
    return [facts(process) for process in started]


@pytest.fixture
def training(probes):
    return probes[0]


@pytest.fixture
def generating(probes):
    return probes[1]


# ---------------------------------------------------------------- training


def test_setting_up_a_worker_imports_nothing_heavy(training):
    assert training["imported by setup"] == []


def test_openrlhf_models_imports_and_says_what_packing_needs(training):
    assert training["spec"] == "flash_attn"
    assert training["unpad_input"].startswith("flash_attn.bert_padding.unpad_input needs a GPU")


def test_without_flash_attn_ops_openrlhf_takes_its_own_log_probs(training):
    assert training["no ops"] and training["log_probs"]


def test_torch_cuda_names_the_cpu_and_otherwise_does_nothing(training):
    assert training["current_device"] == "cpu"
    assert training["nothing"] == [None] * 4


def test_fp32_is_known_and_the_other_dtypes_are_what_they_were(training):
    assert training["dtypes"] == {"fp32": "torch.float32", "bf16": "torch.bfloat16", "fp16": "torch.float16"}


def test_the_replay_buffer_lives_on_the_cpu_and_keeps_its_arguments(training):
    # The last entry: the trick used while it is built is undone.
    assert training["buffer"] == ["cpu", 4, 3, "cpu"]


def test_registering_twice_is_registering_once(training):
    assert training["wrapped once"]


def test_deepspeed_trains_in_fp32_with_torch_adam_and_compiles_nothing(training):
    assert training["ds train"] == [False, False, {"lr": 1e-3, "torch_adam": True}]
    assert training["ds eval"] == [False, False]
    assert training["muon"] == {"lr": 1e-3, "torch_adam": True}
    assert training["shm"] is False


def test_averaged_weights_are_averaged_on_the_cpu(training):
    assert training["average"] == 0.25  # (1 - 0.75) * 1 + 0.75 * 0


def test_the_policy_sends_its_weights_over_gloo(training):
    assert training["group"] == "GlooBroadcast"


# ---------------------------------------------------------------- generating


def test_vllm_gets_fp32_and_our_worker_and_otherwise_what_openrlhf_asked(generating):
    assert generating["engine"] == ["float32", "passk_rlhf.cpu.vllm_worker.CPUWorker", 77]


@pytest.mark.parametrize("method", ["init_process_group", "update_weight"])
def test_our_vllm_worker_is_called_as_openrlhf_calls_its_own(generating, method):
    ours, theirs = generating[method]
    assert ours == theirs


def test_vllm_does_not_pack_weights_that_will_be_updated(generating):
    assert generating["onednn"] is False


def test_a_received_weight_is_loaded_and_one_of_another_dtype_is_refused(generating):
    assert generating["loaded"] == [["a.weight", [7.0, 7.0]]]
    assert (
        generating["mismatch"].removeprefix("weight ")
        == "'a.weight' is trained as torch.bfloat16, but vLLM runs the model as torch.float32"
    )


# ---------------------------------------------------------------- weights on the wire


BROADCAST = """
import hashlib, json, sys
import torch
from passk_rlhf.cpu.broadcast import GlooBroadcast
rank, port = int(sys.argv[1]), int(sys.argv[2])
group = GlooBroadcast("127.0.0.1", port, rank, 2)
torch.manual_seed(rank)
sums = []
for tensor in (
    torch.randn(3, 5), torch.randn(7).bfloat16(), torch.tensor(float(rank)), torch.empty(0),
    torch.full((2,), float("nan")) if rank == 0 else torch.zeros(2),
):
    group.broadcast(tensor, src=0)
    sums.append(hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest())
strided = torch.arange(6.).reshape(2, 3).T if rank == 0 else torch.zeros(3, 2)
group.broadcast(strided, src=0)
refused = False
if rank == 1:
    try:
        group.broadcast(torch.zeros(2, 3).T, src=0)
    except ValueError:
        refused = True
print(json.dumps({"sums": sums, "strided": strided.tolist(), "refused": refused}))
"""


@pytest.fixture(scope="module")
def sent_and_received():
    port = ports.keep()
    started = [start(BROADCAST, rank, port) for rank in range(2)]
    return [facts(process) for process in started]


def test_a_broadcast_delivers_the_exact_bytes_between_two_processes(sent_and_received):
    sent, received = sent_and_received
    assert received["sums"] == sent["sums"]
    # Each rank seeds differently, so equal sums are the broadcast's doing; the third tensor is the sender's 0.0.
    assert sent["sums"][2] == hashlib.sha256(bytes(4)).hexdigest()
    assert received["strided"] == [[0, 3], [1, 4], [2, 5]]


def test_a_weight_is_not_received_where_the_caller_would_not_see_it(sent_and_received):
    assert sent_and_received[1]["refused"]


# ---------------------------------------------------------------- with a GPU, and the advantage patch


WORKER = """
import json, sys, types
trainer = types.ModuleType("openrlhf.trainer.ppo_trainer")
patch = types.ModuleType("passk_rlhf.patch")
patch.install_in_worker = lambda module: setattr(module, "patched", module.__name__)
sys.modules["passk_rlhf.patch"] = patch
from passk_rlhf import worker
worker.setup()
heavy = [m for m in ("passk_rlhf.cpu", "flash_attn", "torch") if m in sys.modules]
sys.path.insert(0, sys.argv[1])
import openrlhf.trainer.ppo_trainer as trainer
print(json.dumps([heavy, getattr(trainer, "patched", None)]))
"""


@pytest.fixture
def some_trainer(tmp_path):
    (tmp_path / "openrlhf" / "trainer").mkdir(parents=True)
    for file in ("openrlhf/__init__.py", "openrlhf/trainer/__init__.py", "openrlhf/trainer/ppo_trainer.py"):
        (tmp_path / file).touch()
    return tmp_path


def test_where_there_is_a_gpu_nothing_is_replaced(some_trainer):
    assert facts(start(WORKER, some_trainer, PASSK_RLHF_DEVICE="")) == [[], None]


def test_the_advantage_patch_is_installed_when_the_trainer_is_imported(some_trainer):
    assert facts(start(WORKER, some_trainer, PASSK_RLHF_DEVICE="", PASSK_RLHF_PATCH="1")) == [
        [],
        "openrlhf.trainer.ppo_trainer",
    ]

"""What runs in every Ray worker before anything else: it must be cheap, and do only what the launcher asked for."""

import json
import os
import subprocess
import sys

HOOKED = """
import json, sys, time
start = time.perf_counter()
import passk_rlhf.worker
passk_rlhf.worker.setup()
heavy = {"torch", "ray", "vllm", "deepspeed", "openrlhf", "transformers", "sympy", "shaping", "numpy"}
from wrapt.importer import _post_import_hooks
print(json.dumps({
    "heavy": sorted(heavy & sys.modules.keys()),
    "cpu": "passk_rlhf.cpu.replacements" in sys.modules,
    "hooked": sorted(_post_import_hooks),
}))
"""


def run_setup(**variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PASSK_RLHF_")}
    output = subprocess.check_output([sys.executable, "-W", "ignore", "-c", HOOKED], env=kept | variables, text=True)
    return json.loads(output)


def test_a_gpu_worker_of_a_run_without_a_design_gets_nothing():
    assert run_setup() == {"heavy": [], "cpu": False, "hooked": []}


def test_a_gpu_worker_of_a_design_waits_for_the_trainer_and_loads_nothing_of_the_cpu_host():
    hooked = ["openrlhf.trainer.ppo_trainer", "openrlhf.trainer.ray.launcher", "openrlhf.trainer.ray.ppo_actor"]
    hooked += ["openrlhf.trainer.ray.vllm_engine", "openrlhf.utils.agent", "vllm.utils.network_utils"]
    assert run_setup(PASSK_RLHF_PATCH="1") == {"heavy": [], "cpu": False, "hooked": hooked}


def test_a_cpu_worker_imports_nothing_heavy_either():
    seen = run_setup(PASSK_RLHF_DEVICE="cpu", PASSK_RLHF_PATCH="1")
    assert seen["heavy"] == [] and seen["cpu"]
    assert {"openrlhf.trainer.ppo_trainer", "torch", "vllm.engine.arg_utils"} <= set(seen["hooked"])

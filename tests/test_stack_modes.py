"""Every mode of OpenRLHF that a CPU can run: the advantages that reach the actors are the design's, sample by sample.

A run combines modes that can be had together; docs/modes.md says which row of its matrix is held by which run. All
train on configs/passk_annealed.yaml, whose k falls step by step, so that a wrong step is a wrong advantage.
"""

import math

import oracle
import pytest
from stack import ROOT, add_first_policy, answer_tokens, batches, command, groups, run_to_the_end, write_mazes

pytestmark = pytest.mark.stack

PROMPTS, STEPS, K = 9, 3, 6
DESIGN = ["--advantage-design", "configs/passk_annealed.yaml", "--advantage-param", f"k={K}"]
TWO_ACTORS = "--actor.num_gpus_per_node 2"

RUNS = {
    # Groups have 8 answers: micro-batches of 6 split them, and a rollout of 72 is trained on in 3 optimizer steps.
    "data parallel": f"{TWO_ACTORS} --ds.zero_stage 2 --vllm.num_engines 2 --rollout.micro_batch_size 6"
    " --train.batch_size 24 --train.micro_batch_size 4 --train.enable_ema"
    " --eval.dataset {run}/test.jsonl --eval.steps 2 --eval.n_samples_per_prompt 4 --eval.temperature 1",
    "sharded": f"{TWO_ACTORS} --ds.zero_stage 3 --ref.num_gpus_per_node 2 --train.colocate_actor_ref"
    " --algo.kl.init_coef 0.1 --algo.kl.use_loss --algo.kl.estimator k3",
    "async": "--train.async_enable --train.async_queue_size 2 --algo.dynamic_filtering_enable",
    "partial rollouts": "--train.async_enable --train.partial_rollout_enable --rollout.vllm_generate_batch_size 18",
    "one machine": "--train.colocate_all --ref.num_gpus_per_node 1 --algo.kl.init_coef 0.2 --algo.kl.estimator k1",
    "agent": f"--train.agent_func_path {ROOT}/tests/agent.py",
}


def k_of(step):
    """What configs/passk_annealed.yaml says of step 0, 1 ... of STEPS."""
    return max(1, K - math.floor(K * step / STEPS))


@pytest.fixture(scope="module", params=RUNS)
def trained(request, tmp_path_factory):
    """(name of the run, its folder, the samples of each step) of a run that has ended well."""
    run = tmp_path_factory.mktemp("run")
    write_mazes(run / "test.jsonl", 8, seed=9)
    flags = RUNS[request.param].format(run=run).split()
    status, log = run_to_the_end([*command(run, steps=STEPS, prompts=PROMPTS), *flags, *DESIGN], run)
    assert status == 0, log[-8000:]
    return request.param, run, batches(run / "record")


def test_the_advantages_equal_the_oracle_for_the_k_of_their_step(trained):
    name, _, steps = trained
    nonzero = 0
    for step, batch in enumerate(steps):
        if name == "one machine":
            add_first_policy(batch)
        for group in groups(batch):
            exact = oracle.passk_closed_form([sample["scores"] == 1 for sample in group], k_of(step))
            for sample, value in zip(group, exact, strict=True):
                expected = oracle.nearest_float32(value)
                nonzero += expected != 0
                if name != "one machine":
                    assert set(answer_tokens(sample, "advantages")) == {expected}
                    continue
                expected = with_penalty(sample, expected, coefficient=0.2)
                assert answer_tokens(sample, "advantages") == pytest.approx(expected, abs=1e-4)
    assert nonzero >= 16  # not a run without signal


def with_penalty(sample, advantage, coefficient):
    """Of each token of the answer: the advantage, less coefficient x KL (k1) from there to the end."""
    ratios = zip(answer_tokens(sample, "action_log_probs"), answer_tokens(sample, "first_policy"), strict=True)
    kl = [ours - first for ours, first in ratios]
    return [advantage - coefficient * sum(kl[t:]) for t in range(len(kl))]

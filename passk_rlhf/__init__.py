"""Group advantages written as mathematics, run inside OpenRLHF.

Along a run:

    train_ppo_ray      the command line (flags); placement, sharing and resume say before Ray starts what cannot be
    worker             in every process of the job: patch puts trainer's functions in place of OpenRLHF's
    hook               in the trainer: experiences → (P, N) tensors (signals) → the design → experiences;
                       missing: what becomes of answers without a reward
    metrics, dump      what every step leaves behind, in whole lines (lines), told to loggers
    resume             what a checkpoint says of its design; leftovers: what a run before has written
    faults, watch      how a run ends that was not to end
    inspect            what happened, afterwards: history reads it, run_plots draws it

Besides: job (what processes tell each other), reward_time, lora (adapters on the way to vLLM); cpu/, all that a machine
without a GPU needs; tasks/ and quickstart, mazes to train on.
"""

__version__ = "0.1.0"

"""Group advantages written as mathematics, run inside OpenRLHF.

Before a run:

    translate          a launch script of before OpenRLHF 0.10.2 → today's (shell_words, script_flags, old_flags)
    train_ppo_ray      the command line (flags). What cannot be is said before Ray starts, by wrong_flags, no_effect,
                       placement, sharing, resume, filtering, skip_silent, user_code (reward functions and agents)

Along it:

    worker             in every process of the job: patch puts trainer's functions in place of OpenRLHF's
    rollouts           where vLLM generates: returns and responses read what a reward function, an agent or an executor
                       gave (reward_time and coroutines call it); experiences hands it on
    hook               in the trainer: experiences → (P, N) tensors (groups, signals) → the design → experiences
                       (token_returns); penalties: of length, before it; missing: what becomes of answers without a
                       reward
    silent_groups      groups that say nothing, dropped as they are generated; skip_silent: not sent to the actors
    metrics, explore, evaluation, no_signal, dump
                       what every step leaves behind, in whole lines (lines), told to loggers
    resume             what a checkpoint says of its design; leftovers: what a run before has written
    ports, faults, watch, watch_actors
                       how a run begins whoever takes ports, and how it ends that was not to end
    inspect            what happened, afterwards: history reads it, run_plots draws it

Besides: job (what processes tell each other), lora (adapters on the way to vLLM); cpu/, all that a machine without a
GPU needs; tasks/ and quickstart, mazes to train on.
"""

__version__ = "0.1.0"

"""Put on PYTHONPATH by the end-to-end tests: write down whatever reaches an actor's replay buffer.

Python imports this file at the start of every process, so the recorder sits inside the actor that trains, behind
everything that the project does.
"""

import json
import os

import wrapt


def record(module):
    def append(original, buffer, args, kwargs):
        experience = args[0]
        names = ("rewards", "scores", "advantages", "action_mask", "action_log_probs", "rollout_log_probs", "sequences")
        seen = {name: getattr(experience, name) for name in names}
        line = {name: value.tolist() for name, value in seen.items() if value is not None}
        line |= {"pid": os.getpid(), "index": experience.index, "prompts": experience.prompts}
        with open(os.environ["RECORD_EXPERIENCE"], "a") as file:
            file.write(json.dumps(line) + "\n")
        return original(*args, **kwargs)

    wrapt.wrap_function_wrapper(module, "NaiveReplayBuffer.append", append)


if "RECORD_EXPERIENCE" in os.environ:
    wrapt.register_post_import_hook(record, "openrlhf.trainer.ppo_utils.replay_buffer")

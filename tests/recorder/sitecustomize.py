"""Put on PYTHONPATH by the end-to-end tests: write down whatever reaches an actor's replay buffer.

Python imports this file at the start of every process, so the recorder sits inside the actor that trains, behind
everything that the project does. It also makes what cannot be made from outside: a machine without a free port.
"""

import errno
import json
import os

import wrapt


def record(module):
    def append(original, buffer, args, kwargs):
        experience = args[0]
        names = ("rewards", "scores", "advantages", "action_mask", "action_log_probs", "rollout_log_probs", "sequences")
        seen = {name: getattr(experience, name) for name in names}
        line = {name: value.tolist() for name, value in seen.items() if value is not None}
        info = {name: value.tolist() for name, value in experience.info.items()}
        line |= {"pid": os.getpid(), "index": experience.index, "prompts": experience.prompts, "info": info}
        # One call a line: several actors write to the same file.
        file = os.open(os.environ["RECORD_EXPERIENCE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, f"{json.dumps(line)}\n".encode())
        os.close(file)
        return original(*args, **kwargs)

    wrapt.wrap_function_wrapper(module, "NaiveReplayBuffer.append", append)


if "RECORD_EXPERIENCE" in os.environ:
    wrapt.register_post_import_hook(record, "openrlhf.trainer.ppo_utils.replay_buffer")


def no_free_port(module):
    def refused():
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    module.serve = refused


if "NO_FREE_PORT" in os.environ:
    wrapt.register_post_import_hook(no_free_port, "passk_rlhf.ports")

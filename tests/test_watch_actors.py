"""Actors that are gone, of a real Ray, whoever made them; and the launcher, which waits for something else."""

import os
import subprocess
import sys
import time

import pytest
from stack import ROOT, environment

from passk_rlhf.watch_actors import ActorWatch, class_name


def making(minutes):
    """What is said in so many minutes of an actor that is being made, asked once a second."""
    now, said = [0.0], []
    actors = {"a": {"State": "PENDING_CREATION", "ActorClassName": "ray.vllm_engine.RolloutRayActor"}}
    watch = ActorWatch(lambda: actors, None, said.append, clock=lambda: now[0])
    for now[0] in range(60 * minutes):
        assert watch.look() is None
    return said


def test_an_actor_that_is_made_for_minutes_is_said_with_growing_distance():
    long = "RolloutRayActor is still being made after {} min: it loads a model, or waits for a free GPU"
    assert making(1) == []
    assert making(15) == [long.format(minutes) for minutes in (2, 5, 10)]


# A trainer waits for something else while one of its actors is gone; or while none is, and nothing may end it.
JOB = """
import os, sys, time, ray
from passk_rlhf import watch_actors
from passk_rlhf.train_ppo_ray import Launch, faults, _told

class Unsendable(Exception):
    def __init__(self, what, more): super().__init__(what)

class Broken:
    def __init__(self, how):
        if how == "an import": import not_installed
        if how == "a crash": os.abort()
        if how == "an exit": sys.exit("no licence")
        if how == "what cannot be sent": raise Unsendable("no licence", 2)
    def later(self): os._exit(1)
Made = ray.remote(Broken)

@ray.remote
class Trainer:
    def __init__(self, how): self.engine = Made.remote(how)
    def fit(self): time.sleep(3600)

how, where = sys.argv[1:]
launch = Launch([])
watch_actors.PATIENCE = 4
ray.init(include_dashboard=False, num_cpus=4, logging_level="ERROR", log_to_driver=False)
watch = watch_actors.ActorWatch(watch_actors.actors_of_this_job, launch.actor_is_gone, print)
watch.start()
kept = Made.remote(how) if where == "here" else None
if how == "a crash later": kept.later.remote()
if how == "nothing": ray.kill(Made.remote(how)); del kept      # meant to end
trainer = Trainer.remote(how if where == "there" else "nothing")
try:
    ray.get(trainer.fit.remote(), timeout=15)
except KeyboardInterrupt:
    print("error:", faults.in_words(launch.lost, _told(), launch.args), flush=True)
except ray.exceptions.GetTimeoutError:
    print("still waiting", flush=True)
"""

SAID = {
    (
        "an import",
        "here",
    ): "Broken failed while it was made: ModuleNotFoundError: No module named 'not_inst",
    (
        "an import",
        "there",
    ): "Broken failed while it was made: ModuleNotFoundError: No module named 'not_inst",
    ("what cannot be sent", "here"): "error: Broken failed while it was made: Unsendable: no licence",
    ("an exit", "there"): "ended itself, with exit code no licence: does a reward function or an agent call sys.exit?",
    ("a crash", "there"): "died as it was made: it was killed, or crashed",
    ("a crash later", "here"): "died in the middle of a step: it was killed, or crashed",
    ("nothing", "here"): "still waiting",
}


@pytest.mark.stack
@pytest.mark.parametrize(("how", "where"), SAID)
def test_a_run_that_waits_for_something_else_ends_when_an_actor_is_gone(how, where):
    job = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", JOB, how, where],
        cwd=ROOT,
        env=environment(os.devnull),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    started = time.time()
    printed = job.communicate(timeout=90)[0]
    assert SAID[how, where] in printed
    assert time.time() - started < 60


def test_the_name_of_a_class_is_its_own():
    assert class_name({"ActorClassName": "openrlhf.trainer.ppo_trainer.PPOTrainer"}) == "PPOTrainer"

"""Is there a Ray to ask, and does its head still answer: with real sockets."""

import http.server
import os
import socket
import threading
import time

import pytest

from passk_rlhf import placement, train_ppo_ray, watch


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"127.0.0.1:{server.getsockname()[1]}"


def test_an_address_where_something_listens_answers_and_one_where_nothing_does_not_answers_not(listening):
    server, address = listening
    assert placement.answers(address) and placement.answers(f"ray://{address}")
    server.close()
    assert not placement.answers(address) and not placement.answers(f"ray://{address}")


def test_addresses_that_name_no_host_are_left_to_ray():
    assert all(placement.answers(address) for address in ("", "auto", "local", "http://127.0.0.1"))


def test_a_dead_ray_address_is_said_at_once_and_not_after_rays_minutes(monkeypatch, capsys, listening):
    server, address = listening
    server.close()
    monkeypatch.setenv("RAY_ADDRESS", address)
    began = time.monotonic()
    assert train_ppo_ray.main(["--advantage-design", "configs/passk.yaml"]) == 2
    assert time.monotonic() - began < 30  # Ray itself tries for more than two minutes
    assert f"RAY_ADDRESS={address}: no Ray answers there. Start one with: ray start --head" in capsys.readouterr().err


def watched(monkeypatch, address, patience):
    monkeypatch.setenv(watch.PATIENCE, str(patience + watch.BEFORE_RAY))
    told, gone = [], threading.Event()
    thread = watch.HeadWatch(address, lambda seconds: (told.append(seconds), gone.set()))
    thread.start()
    return thread, told, gone


def test_a_head_that_stops_answering_is_told_once_after_the_patience(monkeypatch, listening):
    server, address = listening
    thread, told, gone = watched(monkeypatch, address, patience=1)
    assert not gone.wait(2.5)  # it answers
    server.close()
    assert gone.wait(30)
    thread.join()
    assert len(told) == 1 and told[0] > 1


def test_a_head_that_never_answered_is_not_one_that_is_gone(monkeypatch, listening):
    server, address = listening
    server.close()
    thread, told, gone = watched(monkeypatch, address, patience=1)
    assert not gone.wait(4)
    thread.stop()
    thread.join()
    assert told == []


# ── A cluster that `ray start` has begun here ───────────────────────────────


@pytest.fixture
def noted(monkeypatch, tmp_path):
    """Write down an address where `ray start` does."""
    from ray._private.utils import get_ray_address_file

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))

    def note(address):
        (tmp_path / "ray").mkdir(exist_ok=True)
        assert get_ray_address_file(None) == str(tmp_path / "ray" / "ray_current_cluster")
        (tmp_path / "ray" / "ray_current_cluster").write_text(address)

    return note


def test_the_cluster_that_ray_would_join_is_joined_by_name(monkeypatch, noted, listening):
    assert placement.begun_here() is None
    noted(listening[1])
    assert placement.begun_here() == listening[1]
    launch = train_ppo_ray.Launch(["--device", "cpu"])
    monkeypatch.setenv("RAY_ADDRESS", "")  # so that what is set now is taken back
    launch.settle_device()
    assert os.environ["RAY_ADDRESS"] == listening[1]


def test_a_cluster_that_is_gone_but_still_written_down_is_said(noted, listening, capsys):
    server, address = listening
    server.close()
    noted(address)
    assert train_ppo_ray.main(["--advantage-design", "configs/passk.yaml"]) == 2
    assert f"for a cluster at {address}, where nothing answers any more." in capsys.readouterr().err


def test_a_head_that_comes_back_in_time_was_never_gone(monkeypatch, listening):
    server, address = listening
    thread, told, gone = watched(monkeypatch, address, patience=20)
    server.close()
    time.sleep(2.5)
    with socket.create_server(("127.0.0.1", int(address.rpartition(":")[2]))):
        assert not gone.wait(3)
    thread.stop()
    thread.join()
    assert told == []


# ── Addresses that are not Ray's ────────────────────────────────────────────


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (
            "http://127.0.0.1:8265",
            "is where `ray job submit` sends jobs, and not where Ray is: set RAY_ADDRESS=127.0.0.1:6379 or "
            "ray://127.0.0.1:10001, or send this command there with: ray job submit --address http://127.0.0.1:8265 --",
        ),
        ("https://ray.example.org/", "set RAY_ADDRESS=ray.example.org:6379 or ray://ray.example.org:10001, or send"),
        ("10.0.0.7", "has no port: write HOST:PORT, for example 10.0.0.7:6379"),
        ("10.0.0.7:ray", "has no port: 'ray' is none; write HOST:PORT, for example 10.0.0.7:6379"),
        ("10.0.0.7:70000", "has no port: '70000' is none; write HOST:PORT, for example 10.0.0.7:6379"),
    ],
)
def test_an_address_that_is_not_rays_is_said_with_the_one_to_take(monkeypatch, capsys, address, message):
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert train_ppo_ray.main(["--advantage-design", "configs/passk.yaml"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"python -m passk_rlhf.train_ppo_ray: error: RAY_ADDRESS={address} ") and message in err
    assert len(err.splitlines()) == 1


def test_rays_dashboard_without_http_before_it_is_known_by_its_answer(monkeypatch, capsys):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        assert train_ppo_ray.main(["--advantage-design", "configs/passk.yaml"]) == 2
        server.shutdown()
    assert f"ray job submit --address http://{address} --" in capsys.readouterr().err


def test_addresses_that_ray_takes_are_not_refused(listening):
    for address in (
        "",
        "auto",
        "local",
        "10.0.0.7:6379",
        "[::1]:6379",
        "head.example.org:6379",
        "ray://10.0.0.7:10001",
    ):
        assert placement.no_address_of_ray(address) is None
    assert not placement.speaks_http(listening[1])  # listens, and says nothing

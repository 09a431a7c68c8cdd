"""For every test: one profile for properties, and a way to fail instead of hanging."""

import signal

import pytest
from hypothesis import HealthCheck, Phase, settings

collect_ignore = ["fuzz/coverage.py"]  # needs atheris; scripts/fuzz.sh installs it

# The same examples on every machine, and no time limit that a busy core could miss.
settings.register_profile(
    "reproducible",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
    max_examples=7,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("reproducible")


@pytest.fixture
def soon():
    """The test must be done within ten seconds; what is meant is far less."""

    def late(*_):
        raise TimeoutError("still computing after ten seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def pytest_collection_modifyitems(config, items):
    """Nightly tests run only where `-m` asks for them."""
    if "nightly" not in config.option.markexpr:
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        items[:] = [item for item in items if item not in nightly]
        config.hook.pytest_deselected(items=nightly)

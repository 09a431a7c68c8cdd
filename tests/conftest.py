"""One profile for every property test: the same examples on every machine, no time limit that a busy core could miss."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "reproducible",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("reproducible")

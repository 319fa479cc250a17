"""Shared settings of the suite: property tests are reproducible and never timed; Ray."""

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "corpusmill",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("corpusmill")

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="module")
def cluster():
    """A local Ray cluster of two workers for the runs of one module."""
    import ray

    from pipeline.schedule import Settings, start_ray

    start_ray(Settings(workers=2))
    yield
    ray.shutdown()

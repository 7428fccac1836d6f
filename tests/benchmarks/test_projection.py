"""The protocol on paper: what is shared counts once, and nothing begins before what it begins from."""

import pytest

from benchmarks.projection import Phase, makespan, phases

CHAIN = {"initial": Phase(None, 4.0), "freeze": Phase("initial", 2.0), "joint": Phase("freeze", 3.0)}


@pytest.mark.parametrize(("devices", "ends"), [(1, 15.0), (2, 10.0), (9, 9.0)])
def test_phases_wait_for_what_they_begin_from(devices: int, ends: float) -> None:
    work = {**CHAIN, "retrain": Phase("initial", 1.0), "all": Phase("initial", 5.0)}
    assert makespan(work, devices) == ends


def test_the_longest_chain_goes_first() -> None:
    work = {"short": Phase(None, 1.0), "other": Phase(None, 1.0), **CHAIN}
    assert makespan(work, 2) == 9.0


def test_the_protocol_shares_what_its_methods_have_in_common() -> None:
    work, methods = phases(seeds=1)
    assert len(methods) == 8 and {key for keys in methods.values() for key in keys} == work.keys()
    assert len(work) == 35  # 67 if every point trained all of its own
    assert sum(map(len, methods.values())) == 67
    assert {phase.before for phase in work.values()} <= {None, *work}
    tsmu, extraction = (sum(work[key].flops for key in {*methods[name]}) for name in ("tsmu", "feature_extraction"))
    assert extraction < tsmu < sum(work[key].flops for key in {*methods["joint_training"]})

"""On the machine that decides what lands (`CI=true`), a skipped test is a failed one.

The one exception is a test of real data where the data is not there: it is published beside the project, not in it.
"""

import os
from collections.abc import Generator

import pytest

ABSENT_DATA = "the real data is not there"


def _forbid(report: pytest.TestReport | pytest.CollectReport) -> None:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if report.skipped and not hasattr(report, "wasxfail") and ABSENT_DATA not in reason:
        report.outcome = "failed"
        report.longrepr = f"{reason}: nothing is skipped when CI=true; .ci/run installs what tests need"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the skip of a test into a failure."""
    report = yield
    if os.environ.get("CI") == "true":
        _forbid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn the skip of a whole module into a failure."""
    report = yield
    if os.environ.get("CI") == "true":
        _forbid(report)
    return report

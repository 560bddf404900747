"""Run tests under Pyodide: node scripts/pyodide.mjs PYODIDE WHEELS scripts/tests_in_pyodide.py [FILE ...].

Without FILE those of FILES: equations, networks, rules, training, runs, the course. WHEELS must have pytest and
hypothesis with what they need. Tests of what a browser lacks are skipped, and say why. The last line is JSON: how many
passed, were skipped, failed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = (
    "arguments", "blocks", "channels", "compose", "conv", "cost", "course", "describe", "doctor", "empty", "faster",
    "finite", "first_spike", "frames", "gradcheck", "learners", "lif", "losses", "machine", "networks", "norm",
    "notation", "notices", "optim", "own_neurons", "own_rules", "own_stage", "pool", "rules", "run", "slim",
    "sparse_networks", "stages", "structure", "surrogate", "tasks", "train_lif", "twins",
)  # fmt: skip
CANNOT = {
    "can't start new thread": "starts a thread",
    "emscripten does not support processes": "starts a process",
    "has no attribute 'fork'": "starts a process",
}
"""What an error says -> why the test is skipped."""
SKIPPED = {
    "test_jobs_run_at_the_same_time_on_one_blas_thread_each": "starts a thread",
    "test_exceptions_pass_through_and_threads_are_restored": "starts a thread",
    "test_split_covers_everything_once": "starts a thread",
    "test_only_a_fast_setup_holds_blas": "starts a thread",
    "test_the_report": "says what an ordinary computer has",
    "test_no_gpu_is_said_in_words": "says what an ordinary computer has",
    "test_other_warnings_are_one_line_too": "WebAssembly does not report a division by zero",
}
"""Tests that fail in another way for want of threads."""


class Browser:
    """Skips what no browser can do, and counts."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.files: dict[str, Counter[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Skip by name."""
        for item in items:
            if reason := SKIPPED.get(getattr(item, "originalname", item.name)):
                item.add_marker(pytest.mark.skip(reason))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> object:
        """A test that fails for want of threads or processes is skipped."""
        try:
            return (yield)
        except Exception as error:
            for said, reason in CANNOT.items():
                if said in str(error):
                    pytest.skip(reason)
            raise

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count each test once, and a failure of its fixtures."""
        if report.when != "call" and (report.outcome == "passed" or report.when == "teardown"):
            return
        self.outcomes[report.outcome] += 1
        self.files.setdefault(report.nodeid.partition("::")[0].removeprefix("tests/"), Counter())[
            report.outcome
        ] += 1
        if report.outcome == "skipped":
            self.reasons[report.longrepr[-1].removeprefix("Skipped: ")] += 1


def main() -> int:
    """Run the tests; the last line says how it went."""
    os.chdir(ROOT)
    os.environ["CI"] = "1"  # hypothesis without chance
    files = sys.argv[1:] or [f"tests/test_{name}.py" for name in FILES]
    browser, start = Browser(), time.perf_counter()
    options = [
        "--capture=sys",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "not slow and not chapters and not types and not book",
    ]
    status = pytest.main([*options, *files], [browser])
    print(json.dumps({"status": int(status), "seconds": round(time.perf_counter() - start, 1), **browser.outcomes,
                      "reasons": browser.reasons, "files": browser.files}))  # fmt: skip
    return int(status)


if __name__ == "__main__":
    sys.exit(main())

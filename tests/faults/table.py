"""Prints the table of docs/reliability.md: `python tests/faults/table.py [--long]`.

Each row is a test; the long form does more of the same.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
LONG = {
    "LLMSTEP_FAULT_ROUNDS": "200",
    "LLMSTEP_FAULT_FILES": "200",
    "LLMSTEP_FAULT_SECONDS": "1800",
    "LLMSTEP_FAULT_FRAMES": "1000000",
    "LLMSTEP_FAULT_EVERY": "1",
}
SHORT = {
    "LLMSTEP_FAULT_ROUNDS": "5",
    "LLMSTEP_FAULT_FILES": "12",
    "LLMSTEP_FAULT_SECONDS": "6",
    "LLMSTEP_FAULT_FRAMES": "3000",
    "LLMSTEP_FAULT_EVERY": "8",
}
ROUNDS = "{LLMSTEP_FAULT_ROUNDS} rounds"
ROWS = (
    (
        "SIGKILL of the engine at random moments",
        "test_deaths.py::test_the_engine_is_killed_at_any_moment",
        ROUNDS,
    ),
    (
        "SIGKILL of a front at random moments",
        "test_deaths.py::test_a_front_is_killed_at_any_moment",
        ROUNDS,
    ),
    (
        "SIGKILL of a client whose pipe a sibling holds",
        "test_deaths.py::test_a_client_is_killed_while_a_sibling_holds_the_pipe",
        "3 rounds",
    ),
    (
        "a request that ends the engine, again and again",
        "test_deaths.py::test_a_crash_names_its_cause_and_the_second_is_the_last",
        "twice, then refused",
    ),
    (
        "SIGSEGV while six requests of two clients are open",
        "test_deaths.py::test_a_crash_costs_each_running_request_one_error",
        "one error each",
    ),
    (
        "an assertion in native code",
        "test_deaths.py::test_the_assertion_is_the_first_line",
        "named first",
    ),
    (
        "an editor's documents after the engine's death",
        "test_deaths.py::test_an_editor_goes_on_with_its_documents",
        "kept",
    ),
    (
        "SIGSTOP and SIGCONT of the engine",
        "test_deaths.py::test_a_stopped_engine_answers_when_it_goes_on",
        "all answered",
    ),
    (
        "the last client leaves",
        "test_deaths.py::test_nobody_is_left_behind",
        "no process, no socket",
    ),
    (
        "`llmstep stop` while a request runs",
        "test_deaths.py::test_stop_lets_what_runs_be_answered",
        "answered first",
    ),
    (
        "8 clients with 4 documents: edits, questions, cancels",
        "test_soak.py::test_eight_clients_and_four_documents",
        "{LLMSTEP_FAULT_SECONDS} s",
    ),
    ("fuzzed frames", "test_soak.py::test_fuzzed_frames", "{LLMSTEP_FAULT_FRAMES} frames"),
    (
        "kinds of damaged model",
        "test_damaged_models.py::test_no_damaged_model_ends_the_process",
        "1 of {LLMSTEP_FAULT_EVERY} kinds",
    ),
    ("open files at once", "test_places.py::test_many_files", "{LLMSTEP_FAULT_FILES} files"),
    (
        "fronts that start at once",
        "test_places.py::test_fronts_that_start_at_once_start_one_engine",
        "one engine",
    ),
    (
        "stale lock, socket and notes",
        "test_places.py::test_what_a_dead_engine_left_is_no_hindrance",
        "no hindrance",
    ),
    (
        "a path too long for a socket",
        "test_places.py::test_a_home_too_long_for_a_socket",
        "another folder",
    ),
    (
        "a home that cannot be written to",
        "test_places.py::test_a_home_that_cannot_be_written_to",
        "another folder",
    ),
    (
        "no folder for a socket at all",
        "test_places.py::test_no_place_at_all_serves_in_the_process",
        "in process, said",
    ),
    (
        "a newer version beside an older one",
        "test_places.py::test_a_newer_version_takes_over_at_once",
        "takes over",
    ),
    ("a second user on the machine", "test_places.py::test_a_second_user_gets_nothing", "refused"),
    ("strangers at the socket", "test_places.py::test_strangers_are_turned_away", "turned away"),
    (
        "the clock set back",
        "../unit/runtime/test_notes.py::test_a_clock_that_was_set_back_does_no_harm",
        "no harm",
    ),
)


def main() -> int:
    amounts = LONG if "--long" in sys.argv else SHORT
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}\n"
    )
    print("| what happens | how much | outcome |\n|---|---|---|")
    failed = 0
    for name, test, amount in ROWS:
        command = [sys.executable, "-m", "pytest", "-q", "--timeout", "7200", str(HERE / test)]
        done = subprocess.run(
            command, env={**os.environ, **amounts}, capture_output=True, text=True, check=False
        )
        skipped = "passed" not in done.stdout and done.returncode == 0
        outcome = (
            "not tried here" if skipped else "nothing lost" if not done.returncode else "FAILED"
        )
        failed += done.returncode != 0
        print(f"| {name} | {amount.format(**amounts)} | {outcome} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`minisnn grade`: right and wrong answers, and files that do what they should not."""

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from minisnn import cli
from minisnn.course.declare import all_tasks
from minisnn.course.grading import grade_file, grade_files

ROOT = Path(__file__).resolve().parent.parent
limited = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of memory")


def script(folder, text, name="answers.py"):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def notebook(folder, *cells, name="answers.ipynb"):
    made = []
    for cell in cells:
        source, tags = cell if isinstance(cell, tuple) else (cell, [])
        made.append({"cell_type": "code", "metadata": {"tags": tags}, "source": source, "outputs": []})
    made.append({"cell_type": "markdown", "metadata": {}, "source": ["text"]})
    (folder / name).write_text(json.dumps({"cells": made, "nbformat": 4}), encoding="utf-8")
    return folder / name


def points(rows):
    return {row.task: row.points for row in rows if row.points}


def test_solutions_get_all_points(tmp_path):
    rows = grade_file(ROOT / "teacher" / "07_lif.py")
    tasks = all_tasks(7)
    assert [row.task for row in rows] == list(tasks)
    assert all(row.points == row.of == tasks[row.task].points for row in rows)
    assert all(row.chapter == 7 for row in rows)


def test_a_notebook_is_graded_cell_by_cell(tmp_path):
    file = notebook(
        tmp_path,
        "%matplotlib inline\n!ls\nimport math\nimport matplotlib.pyplot as plt",
        "order_is_lost = 'c'\nprint('x' * 10**6)\nplt.plot([1, 2]); plt.show()",
        "1 / 0",
        ("raise RuntimeError('a check of the student')", ["check"]),
        "steps_to_a_tenth = math.log(0.1) / math.log(0.8)",
        "def steps_to_fire(I, decay, v_th):\n    return math.floor(v_th / I) + 1 if I > 0 else math.inf",
        "input()",
    )
    rows = {row.task: row for row in grade_file(file)}
    assert points(rows.values()) == {"order_is_lost": 2, "steps_to_a_tenth": 1}
    assert rows["steps_to_fire"].mistake == "no_leak"
    assert "the leak is left out" in rows["steps_to_fire"].message
    assert rows["ramp_step"].message == "not there: cell 3 raises ZeroDivisionError: division by zero."


@pytest.mark.parametrize(
    ("line", "left", "message"),
    [
        ("import sys; sys.exit(3)", 1, "cell 1 raises SystemExit: 3"),
        ("raise KeyboardInterrupt", 1, "cell 1 raises KeyboardInterrupt"),
        ("import os; os._exit(1)", 0, "the file ended early, with the status 1"),
        ("while True: pass", 1, "cell 1 took longer than 1 s"),
        ("import builtins; del builtins.isinstance, builtins.len; x", 1, "cell 1 raises NameError"),
        ("def f(): return f()\nf()", 1, "cell 1 raises RecursionError"),
        ("syntax error(", 0, "cell 1 raises SyntaxError"),
    ],
)
def test_files_that_do_what_they_should_not(tmp_path, line, left, message):
    if "syntax" in line:
        file = notebook(tmp_path, line, "x = 1\nsteps_to_fire = 3")
    else:
        file = script(tmp_path, f"order_is_lost = 'c'\n{line}\n")
    rows = grade_file(file, 7, seconds=1)
    assert len(points(rows)) == left
    assert message in next(row.message for row in rows if row.task == "ramp_step"), rows


def test_an_endless_answer_costs_only_its_own_points(tmp_path):
    file = script(
        tmp_path,
        "order_is_lost = 'c'\ndef steps_to_fire(*a):\n    while True: pass\nsteps_to_a_tenth = 10.319",
    )
    rows = {row.task: row for row in grade_file(file, seconds=4)}
    assert points(rows.values()) == {"order_is_lost": 2, "steps_to_a_tenth": 1}
    assert rows["steps_to_fire"].message == "it takes too long."


@limited
def test_memory_is_limited(tmp_path):
    file = script(tmp_path, "order_is_lost = 'c'\nx = bytearray(8 << 30)\n")
    rows = grade_file(file, 7, memory=2048)
    assert points(rows) == {"order_is_lost": 2}
    assert "cell 1 raises MemoryError" in next(row.message for row in rows if row.task == "ramp_step")


@pytest.mark.slow
@limited
def test_a_file_that_cannot_be_stopped_is_killed(tmp_path):
    text = "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\norder_is_lost = 'c'\nwhile True: pass\n"
    rows = grade_file(script(tmp_path, text), 7, seconds=1)
    assert not points(rows)
    assert rows[0].message.startswith("not judged: the file ended early, with the status -")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ipynb", "{", "is no notebook"),
        ("a.ipynb", "[]", "is no notebook"),
        ("a.ipynb", '{"cells": [{}]}', "is no notebook"),
        ("a.ipynb", '{"cells": []}', "has no answer to any task"),
        ("a.py", "", "has no answer to any task"),
        ("a.py", "x = 1", "has no answer to any task"),
    ],
)
def test_files_without_answers_are_one_line(tmp_path, name, content, message, capsys):
    file = script(tmp_path, content, name)
    (row,) = grade_file(file)
    assert message in row.message
    assert (row.task, row.of) == ("", 0)
    assert cli.main(["grade", str(file)]) == 0
    assert capsys.readouterr().out.startswith(f"{file}: ")


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00")
    (row,) = grade_file(tmp_path / "a.py")
    assert "could not be read" in row.message


def test_the_command_writes_a_table_json_and_csv(tmp_path, capsys):
    files = [script(tmp_path, "order_is_lost = 'a'", f"{n}.py") for n in range(2)]
    outputs = ["--json", str(tmp_path / "out.json"), "--csv", str(tmp_path / "out.csv")]
    assert cli.main(["grade", *map(str, files), "--jobs", "2", *outputs]) == 0
    printed = capsys.readouterr().out
    assert printed.count("order_is_lost     explore   0 of 2  a is not right. With τ = 0") == 2
    assert printed.count("0 of 11") == 2
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert [row["file"] for row in rows] == [str(files[0])] * 5 + [str(files[1])] * 5
    table = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["task"] for row in table] == [row["task"] for row in rows]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.py"], "nowhere.py: there is no such file"),
        (["."], "there is no such file"),
        (["a.py", "--chapter", "99"], "chapter: 99 has no tasks; expected 1 to 21"),
        (["a.py", "--seconds", "0"], "seconds: expected at least 1, found 0"),
        (["a.py", "--jobs", "0"], "jobs: expected at least 1, found 0"),
    ],
)
def test_bad_usage_is_one_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    script(tmp_path, "", "a.py")
    assert cli.main(["grade", *words]) == 2
    assert message in capsys.readouterr().err


def test_what_a_file_writes_stays_in_a_folder_that_goes_away(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = script(tmp_path, "order_is_lost = 'c'\nopen('here.txt', 'w').write('x')")
    assert points(grade_file(file)) == {"order_is_lost": 2}
    assert os.listdir(tmp_path) == ["answers.py"]


@pytest.mark.slow
def test_every_solution_of_the_course_gets_all_points(tmp_path):
    files = sorted((ROOT / "teacher").glob("[0-9]*.py"))
    for rows in grade_files(files, jobs=2):
        assert all(row.points == row.of for row in rows), [row for row in rows if row.points < row.of]
    copied = shutil.copy(ROOT / "teacher" / "notebooks" / "07_lif.ipynb", tmp_path)
    assert sum(row.points for row in grade_file(Path(copied))) == 11

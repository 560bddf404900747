"""The tasks of the chapters: what is asked, what is right, the usual mistakes, and checks that name them."""

from minisnn.course.checking import check, judge
from minisnn.course.declare import choice, number, task
from minisnn.course.sizes import small
from minisnn.course.task import GRADES, Choice, Mistake, Number, Task, Verdict

__all__ = [
    "GRADES",
    "Choice",
    "Mistake",
    "Number",
    "Task",
    "Verdict",
    "check",
    "choice",
    "judge",
    "number",
    "small",
    "task",
]

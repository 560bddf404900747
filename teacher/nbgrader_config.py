"""Put this file into the folder of an nbgrader course, beside `source/`; docs/teaching.md says how to go on."""

c = get_config()  # noqa: F821 - nbgrader calls this file with it
c.CourseDirectory.course_id = "spiking-networks"

# The exercises hold no solutions, so nothing is cleared: nbgrader would put a stub of its own in place of ours.
STEPS = ("LockCells", "ComputeChecksums", "SaveCells", "CheckCellMetadata")
c.GenerateAssignment.preprocessors = [f"nbgrader.preprocessors.{step}" for step in STEPS]
c.ExecutePreprocessor.timeout = 120

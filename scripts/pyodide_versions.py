"""Print the versions under Pyodide, as a line of JSON; scripts/pyodide.mjs runs this file."""

import json
import platform

import matplotlib
import numpy
import scipy

HERE = {"Python": platform.python_version(), "NumPy": numpy.__version__, "SciPy": scipy.__version__}
print(json.dumps(json.loads(globals()["host"].versions) | HERE | {"Matplotlib": matplotlib.__version__}))

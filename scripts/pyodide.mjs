// Run a Python file under Pyodide, as a browser would: node scripts/pyodide.mjs PYODIDE WHEELS FILE [ARGUMENT ...]
// PYODIDE: a folder with a whole Pyodide (pyodide.mjs and its packages); WHEELS: a folder of wheels of pure Python that
// it lacks (tqdm; for tests pytest and hypothesis, too). The repository is mounted as /repo. The file finds what Python
// cannot know in there as `host`. The exit status is the file's.
import { readdirSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, wheels, file, ...rest] = process.argv.slice(2);
if (!file) {
  console.error("usage: node scripts/pyodide.mjs PYODIDE WHEELS FILE [ARGUMENT ...]");
  process.exit(2);
}
const { loadPyodide } = await import(pathToFileURL(resolve(folder, "pyodide.mjs")).href);
const pyodide = await loadPyodide({ indexURL: resolve(folder) + "/" });
const packages = ["numpy", "scipy", "matplotlib", "pillow", "threadpoolctl", "joblib", "packaging", "pygments"];
await pyodide.loadPackage(packages, { messageCallback: () => {} });
const mount = (path, root) => {
  pyodide.FS.mkdirTree(path);
  pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: resolve(root) }, path);
};
mount("/repo", resolve(import.meta.dirname, ".."));
mount("/wheels", wheels);
pyodide.globals.set("wheels", pyodide.toPy(readdirSync(wheels).filter((name) => name.endsWith(".whl"))));
pyodide.globals.set("argv", pyodide.toPy([file, ...rest]));
pyodide.globals.set("host", {
  heap: () => pyodide._module.HEAPU8.length,
  processor: () => Object.values(process.cpuUsage()).reduce((a, b) => a + b) / 1e6, // seconds
  versions: JSON.stringify({ Pyodide: pyodide.version, Node: process.version.slice(1) }),
});
const script = `
import os, runpy, sys, traceback
sys.path[:0] = ["/repo", *("/wheels/" + name for name in wheels)]
sys.argv = list(argv)
os.environ["MPLBACKEND"] = "agg"
os.chdir("/repo")
status = 0
try:
    runpy.run_path(sys.argv[0], {"host": host}, "__main__")
except SystemExit as error:
    status = error.code if isinstance(error.code, int) else bool(error.code)
except BaseException:
    traceback.print_exc()
    status = 1
`;
try {
  pyodide.runPython(script);
} catch (error) {
  console.error(error.message); // Pyodide itself has failed: Node would print a megabyte of its source as well
  process.exit(1);
}
process.exit(pyodide.globals.get("status"));

// Python beside the page: loads Pyodide and minisnn, counts what arrives, and calls play.py.
//
// In:  {start: config}, then {id, name, arguments}.
// Out: {stage, got} while it loads, {ready: true} or {failed: a sentence, isOffline}, then {id, found}.

const CACHE = "minisnn-playground-";
const network = self.fetch.bind(self);
let call, base, cache, got = 0, isOffline = false;

self.onmessage = ({data}) => {
    if (data.start) start(data.start);
    else postMessage({id: data.id, found: JSON.parse(call(data.name, JSON.stringify(data.arguments)))});
};

self.addEventListener("unhandledrejection", event => event.preventDefault());  // the page says what went wrong

async function start(config) {
    try {
        base = new URL(config.pyodide, config.page).href;
        say("Python");
        cache = await opened();
        self.fetch = fetched;
        const {loadPyodide} = await import(base + "pyodide.mjs");
        const pyodide = await loadPyodide({indexURL: base});
        say("NumPy");
        await pyodide.loadPackage(["numpy", "threadpoolctl"], {messageCallback: quiet, errorCallback: quiet});
        say("minisnn");
        for (const wheel of config.wheels)
            pyodide.unpackArchive(await (await whole(new URL(wheel, config.page))).arrayBuffer(), "wheel");
        const source = await (await whole(new URL("play.py", config.page))).text();
        pyodide.FS.writeFile("play.py", source);
        say("ready");
        call = pyodide.runPython("import sys; sys.path.insert(0, '.'); import play; play.call");
        postMessage({ready: true, got});
    } catch (error) {
        const lines = String(error.message ?? error).trim().split("\n");
        postMessage({failed: lines.at(-1), isOffline: isOffline || /dynamically imported/.test(lines.at(-1))});
    }
}

const quiet = () => {};  // it would write into the console

function say(stage) {
    postMessage({stage, got});
}

// A cache of this very Pyodide: another one has another list of packages, and throws the old files away. Browsers have
// caches only for pages that come by https or from this machine; elsewhere their ordinary one has to do.
async function opened() {
    const lock = await (await whole(new URL("pyodide-lock.json", base))).arrayBuffer();
    if (!self.caches || !crypto.subtle) return undefined;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", lock));
    const name = CACHE + Array.from(digest.slice(0, 8), byte => byte.toString(16).padStart(2, "0")).join("");
    for (const old of await caches.keys()) if (old.startsWith(CACHE) && old != name) await caches.delete(old);
    return caches.open(name);
}

// In place of `fetch`: the files of Pyodide from the cache, or from the network and into the cache.
async function fetched(request, options) {
    const url = String(request.url ?? request);
    if (!url.startsWith(base)) return network(request, options);
    const kept = await cache?.match(url);
    if (kept) return counted(kept);
    const response = await whole(url, options);
    await cache?.put(url, response.clone()).catch(() => {});  // a full disk is no reason to stop
    return response;
}

// A whole file from the network.
async function whole(url, options) {
    try {
        const response = await network(url, options);
        if (!response.ok) throw new Error(`status ${response.status}`);
        return await counted(response);
    } catch (error) {
        isOffline = true;  // said at once: Pyodide itself waits forever for some files, and goes on without others
        postMessage({failed: "a file did not arrive", isOffline});
        throw error;
    }
}

// The same response, once all of it is here; the page hears of every piece.
async function counted(response) {
    const parts = [], reader = response.body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        parts.push(piece.value);
        got += piece.value.length;
        postMessage({got});
    }
    const type = response.headers.get("content-type") ?? "application/octet-stream";
    return new Response(new Blob(parts), {headers: {"content-type": type}});
}

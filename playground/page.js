// The page: starts Python in a worker, says how far it is, and hands it to the three parts.

import {startAsking} from "./ask.js";
import {startChannels} from "./channels.js";
import {$, number} from "./draw.js";
import {startRewiring} from "./rewire.js";

const MB = 1e6, PATIENCE = 30_000;  // milliseconds without a byte, until the page offers to try again
const EXPECTED = 16.2;  // MB of Pyodide's runtime, its standard library, NumPy, threadpoolctl and the wheels
const WORDS = {
    Python: "Loading Python", NumPy: "Loading NumPy", minisnn: "Loading minisnn", ready: "Starting minisnn",
};

let worker, answers, count, silence, isRunning = false;

// The answer of one of the functions that play.py offers. Calls are answered one after the other.
function python(name, given = {}) {
    return new Promise(resolve => {
        answers.set(++count, resolve);
        worker.postMessage({id: count, name, arguments: given});
    }).then(found => {
        if (found.error) throw new Error(found.error);
        return found;
    });
}

async function start() {
    worker?.terminate();
    [answers, count] = [new Map(), 0];
    let stage = "Python", got = 0;
    $("again").hidden = true;
    $("progress").hidden = $("amount").hidden = $("why").hidden = false;
    status("Loading Python …");
    waiting();
    try {
        const response = await fetch("config.json");
        if (!response.ok) throw new Error();
        const config = await response.json();
        worker = new Worker("worker.js", {type: "module"});
        worker.onerror = event => { event.preventDefault(); failed(); };
        worker.onmessage = ({data}) => {
            if (data.id) {
                answers.get(data.id)(data.found);
                answers.delete(data.id);
            } else if (data.failed) {
                failed(data.isOffline ? undefined : `Python did not start: ${data.failed}.`);
            } else if (data.ready) {
                ready();
            } else {
                waiting();
                if (data.stage) stage = data.stage;
                if (stage == "ready") return status("Everything has arrived. Starting minisnn …");
                got = data.got / MB;
                $("progress").value = Math.min(1, got / EXPECTED);
                $("amount").textContent = `${number(got)} of about ${number(EXPECTED)}\u00a0MB`;
                status(`${WORDS[stage]} …`);
            }
        };
        worker.postMessage({start: {...config, page: location.href}});
    } catch {
        failed();
    }
}

function status(text) {
    if ($("status").textContent != text) $("status").textContent = text;  // or it would be read out again
}

function waiting() {
    clearTimeout(silence);
    silence = setTimeout(() => {
        status("The network is slow: nothing has arrived for half a minute.");
        $("again").hidden = false;
    }, PATIENCE);
}

function failed(text = "The files of Python could not be loaded: the network, or the server, does not answer.") {
    clearTimeout(silence);
    status(text);
    $("progress").hidden = $("amount").hidden = $("why").hidden = true;
    $("again").hidden = false;
}

async function ready() {
    clearTimeout(silence);
    $("progress").hidden = $("amount").hidden = $("why").hidden = $("again").hidden = true;
    status("Ready: everything on this page is computed in your browser.");
    if (isRunning) return;
    isRunning = true;
    startRewiring(python);
    try {
        await startAsking(python);
        await startChannels(python);
    } catch (error) {
        status(error.message);
    }
}

$("again").addEventListener("click", start);
start();

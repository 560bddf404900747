// Part 1: draw a digit; a sparse first-spike network answers, spike by spike.

import {$, percent, range, picture, time} from "./draw.js";
import {paintMembrane, paintRaster} from "./spikes.js";

const SIDE = 8, WHITE = 16;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const state = {
    image: Array(SIDE * SIDE).fill(0), isDrawn: false, found: null, neuron: null,
    layer: "output", index: 0, moments: [], moment: 0,
};
let python, draw, shown = -1, isAsking = false, isStale = false, player;

export async function startAsking(call) {
    python = call;
    draw = [
        picture($("raster"), () => `Spikes over time. ${$("answer").textContent}`, (svg, width) => paintRaster(svg, width, state)),
        picture($("membrane"), () => $("membrane-text").textContent, (svg, width) => paintMembrane(svg, width, state)),
    ];
    for (let epochs = 1, epoch = 0; epoch < epochs;) {
        const row = await python("ask_epoch");
        ({epoch, epochs} = row);
        say(`The net is learning: epoch ${epoch} of ${epochs}, ${percent(row.accuracy, 1)} of the test images right.`);
    }
    for (const id of ["moment", "back", "next", "play", "layer", "neuron"]) $(id).disabled = false;
    if (state.isDrawn) await ask();
    else await showExample();
}

function say(text) {
    $("answer").textContent = text;
}

// One question at a time; whatever changed in the meantime is asked about once more.
async function ask() {
    if (!python || $("moment").disabled) return;
    isStale = true;
    if (isAsking) return;
    isAsking = true;
    try {
        while (isStale) {
            isStale = false;
            state.found = await python("ask", {image: state.image, centre: state.isDrawn});
            if (state.found.answer !== null) [state.layer, state.index] = ["output", state.found.answer];
            tell();
            await look();
        }
    } catch (error) {
        say(error.message);
    }
    isAsking = false;
}

// The answer in words, and the moments at which anything spikes.
function tell() {
    const {answer, second, output, inputs, hidden} = state.found, at = k => time(output[k]);
    const times = new Set([...inputs, ...hidden, ...output].filter(t => t !== null));
    state.moments = [...times].sort((a, b) => a - b);
    state.moment = answer === null ? state.moments.length - 1 : state.moments.indexOf(output[answer]);
    $("moment").max = state.moments.length - 1;
    say(!state.image.some(Boolean) ? "Nothing is drawn yet: all pixels spike last, together."
        : answer === null ? "No output neuron fires: the net has no answer."
        : `The net says ${answer}: its output neuron fires first, at ${at(answer)}`
            + (second === null ? ", and no other ever does." : `; the next, ${second}, at ${at(second)}.`));
}

// What the chosen neuron does.
async function look() {
    $("layer").value = state.layer;
    $("neuron").max = state.layer == "output" ? 9 : state.found.hidden.length - 1;
    $("neuron").value = state.index;
    state.neuron = await python("neuron", {layer: state.layer, index: state.index});
    const {synapses, spike} = state.neuron, causal = synapses.filter(s => s.causal).length;
    const name = `${state.layer == "output" ? "Output" : "Hidden"} neuron ${state.index}`;
    const from = state.layer == "output" ? "hidden neurons" : "pixels";
    $("membrane-text").textContent = spike === null
        ? `${name} never fires: its ${synapses.length} ${from} do not lift its potential to the threshold.`
        : `${name} fires at ${time(spike)}. Its causal set holds ` + (causal == synapses.length
            ? `all of the ${causal} ${from} connected to it: they spiked before.`
            : `${causal} of the ${synapses.length} ${from} connected to it, those that spiked before; the others come too late to matter.`);
    const marked = new Set(state.layer == "hidden" ? synapses.filter(s => s.causal).map(s => s.from) : []);
    const [down, across] = state.found.moved, back = (k, by) => (k - by + SIDE) % SIDE;
    const drawn = new Set([...marked].map(i => back(Math.floor(i / SIDE), down) * SIDE + back(i % SIDE, across)));
    cells.forEach((cell, k) => cell.classList.toggle("causal", drawn.has(k)));
    step(state.moment);
}

async function choose(layer, index) {
    const most = layer == "output" ? 9 : state.found.hidden.length - 1;
    [state.layer, state.index] = [layer, Math.max(0, Math.min(most, Math.round(index) || 0))];
    try {
        await look();
    } catch (error) {
        $("membrane-text").textContent = error.message;
    }
}

// Go to a moment: everything until then is drawn strongly, the rest faintly. The slider reads out its own place.
function step(moment, isReadOut = false) {
    state.moment = Math.max(0, Math.min(state.moments.length - 1, moment));
    const t = state.moments[state.moment], {inputs, hidden, output} = state.found;
    const now = times => times.flatMap((time, k) => time === t ? [k] : []);
    const named = (what, which) => which.length > 1 ? [`${which.length} ${what}s`] : which.map(k => `${what} ${k}`);
    const groups = [named("pixel", now(inputs)), named("hidden neuron", now(hidden)), now(output).map(k => `output neuron ${k}`)];
    const isOne = now(inputs).length + now(hidden).length + now(output).length == 1;
    const text = `${time(t, 3)}: ${groups.flat().join(", ")} spike${isOne ? "s" : ""}.`;
    $("moment").value = state.moment;
    $("moment").setAttribute("aria-valuetext", text);
    $("moment-text").setAttribute("aria-live", isReadOut ? "polite" : "off");
    $("moment-text").textContent = text;
    draw.forEach(paint => paint());
}

function stop() {
    clearInterval(player);
    player = undefined;
    $("play").textContent = "Play";
}

function play() {
    if (player) return stop();
    if (still.matches) return step(state.moments.length - 1, true);
    if (state.moment >= state.moments.length - 1) step(0);
    $("play").textContent = "Stop";
    player = setInterval(() => state.moment < state.moments.length - 1 ? step(state.moment + 1) : stop(), 120);
}

async function showExample() {
    stop();
    try {
        const {image, label} = await python("example", {number: shown += 37});
        Object.assign(state, {image, isDrawn: false});
        paintCells();
        $("pad").setAttribute("aria-label", `an example, a ${label}, 8 by 8 pixels`);
        await ask();
    } catch (error) {
        say(error.message);
    }
}

// ---- the drawing

const cells = range(SIDE * SIDE).map(k => {
    const cell = document.createElement("div");
    cell.setAttribute("role", "gridcell");
    cell.tabIndex = k ? -1 : 0;
    return cell;
});
for (const row of range(SIDE)) {
    const line = document.createElement("div");
    line.setAttribute("role", "row");
    line.append(...cells.slice(row * SIDE, (row + 1) * SIDE));
    $("pad").append(line);
}
paintCells();

function paintCells() {
    cells.forEach((cell, k) => {
        cell.style.setProperty("--grey", state.image[k] / WHITE);
        cell.setAttribute("aria-label", `row ${Math.floor(k / SIDE) + 1}, column ${k % SIDE + 1}: ${state.image[k]} of ${WHITE}`);
    });
}

function changed() {
    stop();
    if (!state.isDrawn) $("pad").setAttribute("aria-label", "your drawing, 8 by 8 pixels");
    state.isDrawn = true;
    paintCells();
    ask();
}

// A round brush: full within half a pixel of its centre, nothing beyond one and a half.
function brush(x, y, isErasing) {
    for (const k of range(SIDE * SIDE)) {
        const far = Math.hypot(k % SIDE + 0.5 - x, Math.floor(k / SIDE) + 0.5 - y);
        const ink = Math.round(WHITE * Math.max(0, Math.min(1, 1.4 - far)));
        state.image[k] = isErasing ? Math.min(state.image[k], WHITE - ink) : Math.max(state.image[k], ink);
    }
    changed();
}

let isErasing = null;  // null while no stroke is drawn
const place = event => {
    const box = $("pad").getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
};
$("pad").addEventListener("pointerdown", event => {
    const [x, y] = place(event), k = Math.min(63, Math.max(0, Math.floor(y) * SIDE + Math.floor(x)));
    isErasing = state.image[k] > WHITE / 2;
    $("pad").setPointerCapture(event.pointerId);
    brush(x, y, isErasing);
});
$("pad").addEventListener("pointermove", event => isErasing !== null && brush(...place(event), isErasing));
for (const end of ["pointerup", "pointercancel"]) $("pad").addEventListener(end, () => isErasing = null);
$("pad").addEventListener("keydown", event => {
    const k = cells.indexOf(document.activeElement), row = Math.floor(k / SIDE), column = k % SIDE;
    const ways = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0]};
    if (k < 0) return;
    if (event.key in ways) {
        const inside = n => Math.max(0, Math.min(SIDE - 1, n)), [down, across] = ways[event.key];
        const next = cells[inside(row + down) * SIDE + inside(column + across)];
        [cells[k].tabIndex, next.tabIndex] = [-1, 0];
        next.focus();
    } else if (event.key == " " || event.key == "Enter") {
        brush(column + 0.5, row + 0.5, state.image[k] > WHITE / 2);
    } else return;
    event.preventDefault();
});

$("clear").addEventListener("click", () => {
    state.image.fill(0);
    changed();
});
$("example").addEventListener("click", () => python && !$("moment").disabled && showExample());
$("moment").addEventListener("input", () => { stop(); step(+$("moment").value); });
$("back").addEventListener("click", () => { stop(); step(state.moment - 1, true); });
$("next").addEventListener("click", () => { stop(); step(state.moment + 1, true); });
$("play").addEventListener("click", play);
$("layer").addEventListener("change", () => choose($("layer").value, 0));
$("neuron").addEventListener("change", () => choose(state.layer, +$("neuron").value));
$("raster").addEventListener("click", ({target}) => target.dataset.layer && choose(target.dataset.layer, +target.dataset.index));

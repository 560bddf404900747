// Part 2: a network rewires while it learns; the visitor chooses how, starts and stops it.

import {$, add, axes, line, number, percent, picture, range} from "./draw.js";

const SIDE = 8, GOAL = 90, KEPT = 3;  // how many former runs stay in the picture
let python, runs = [], isRunning = false, started = 0, draw;

export function startRewiring(call) {
    python = call;
    draw = [
        picture($("curve"), () => $("rewire-text").textContent, paintCurve),
        picture($("pixels"), () => "Connections of each pixel, as numbers in a grid of 8 by 8.", paintPixels),
    ];
    $("start").disabled = false;
}

async function run() {
    const settings = {
        density: +$("density").value / 100, prune: $("prune-rule").value, grow: $("grow-rule").value,
        alpha: +$("alpha").value / 100,
    };
    const words = settings.density == 1 ? "dense" : `${$("density").value} %, ${settings.prune}, ${settings.grow}`;
    const own = {words, rows: [], now: await python("rewire_start", settings)};
    runs = [own, ...runs].slice(0, KEPT + 1);
    $("log").querySelector("tbody").replaceChildren();
    $("log").hidden = false;
    started = performance.now();
    for (let epoch = 0; isRunning && epoch < own.now.epochs; epoch++) {
        own.now = await python("rewire_epoch");
        own.rows.push(own.now);
        own.reached ??= own.now.accuracy > GOAL ? (performance.now() - started) / 1000 : undefined;
        report(own);
    }
}

function report(own) {
    const {now, reached, rows} = own;
    const row = document.createElement("tr");
    const texts = [
        now.epoch, number(now.accuracy, 1), number(now.loss, 3), number(now.connections), number(now.pruned), number(now.grown),
    ];
    for (const text of texts) row.insertCell().textContent = text;
    $("log").querySelector("tbody").prepend(row);
    const best = Math.max(...rows.map(r => r.accuracy));
    $("rewire-text").textContent = `Epoch ${now.epoch} of ${now.epochs}: ${percent(now.accuracy, 1)} right (best ${percent(best, 1)}), with `
        + `${number(now.connections)} of ${number(now.possible)} connections; ${percent(now.explored)} of those into the hidden `
        + "layer have been tried" + (now.cut_off ? `, ${now.cut_off} of ${now.neurons} hidden neurons have none left` : "")
        + (now.unanswered ? `, for ${percent(now.unanswered)} of the test images no output neuron fires` : "") + (reached ? `. Above ${percent(GOAL)} after ${number(reached, 1)} seconds.` : ".");
    if (reached && !own.isTold) news(`Above ${percent(GOAL)} in epoch ${now.epoch}.`);
    own.isTold ||= reached;
    if (now.epoch == now.epochs) news($("rewire-text").textContent);
    draw.forEach(paint => paint());
}

// For those who listen: not every epoch is news.
function news(text) {
    $("rewire-news").textContent = text;
}

function paintCurve(svg, width) {
    if (!runs.length) return 0;
    const epochs = runs[0].now.epochs, bottom = 200;
    const [across, down] = axes(svg, {left: 40, right: width - 10, top: 10, bottom},
        {from: 0, to: epochs, ticks: range(7).map(k => k * epochs / 6), label: "epoch"},
        {from: 0, to: 100, ticks: [0, 25, 50, 75, 90, 100], text: v => v == 90 || v % 25 == 0 ? `${v}` : ""});
    add(svg, "line", {class: "threshold", x1: 40, x2: width - 10, y1: down(GOAL), y2: down(GOAL)});
    [...runs.entries()].reverse().forEach(([age, {rows, words}]) => {
        const points = rows.map(r => [across(r.epoch), down(r.accuracy)]);
        line(svg, points, {class: `run age${age}`});
        if (!age) points.forEach(([cx, cy]) => add(svg, "circle", {class: "run-point", cx, cy, r: 2.5}));
        const y = bottom + 54 + 18 * age;
        line(svg, [[44, y - 4], [70, y - 4]], {class: `run age${age}`});
        add(svg, "text", {x: 78, y}, words + (age ? "" : " (this run)"));
    });
    return bottom + 48 + 18 * runs.length;
}

function paintPixels(svg, width) {
    if (!runs.length) return 0;
    const {pixels} = runs[0].now, most = Math.max(...pixels), side = Math.min(width, 300) / SIDE;
    pixels.forEach((n, k) => {
        const [x, y] = [k % SIDE * side, Math.floor(k / SIDE) * side], strength = n / most;
        add(svg, "rect", {class: "heat", x: x + 1, y: y + 1, width: side - 2, height: side - 2, style: `--strength: ${strength}`});
        add(svg, "text", {
            class: strength > 0.55 ? "on-heat" : "", x: x + side / 2, y: y + side / 2 + 4, "text-anchor": "middle",
        }, n);
    });
    return SIDE * side;
}

$("settings").addEventListener("submit", async event => {
    event.preventDefault();
    if (isRunning) return isRunning = false;
    isRunning = true;
    $("start").textContent = "Stop";
    $("rewire-text").textContent = "The net learns …";
    news("The net learns.");
    try {
        await run();
    } catch (error) {
        $("rewire-text").textContent = error.message;
        news(error.message);
    }
    isRunning = false;
    $("start").textContent = "Start anew";
});
for (const id of ["density", "alpha"])
    $(id).addEventListener("input", () => $(`${id}-text`).textContent = `${$(id).value} %`);

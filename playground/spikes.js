// The two pictures of part 1: who spikes when, and why one neuron does.

import {add, axes, line, number, range, ticks} from "./draw.js";

const ROW = {inputs: 2.4, hidden: 3, output: 15};  // pixels of a neuron's row
const GAP = 16, LEFT = 74, RIGHT = 12;

// One row for each neuron, one mark for each spike; what lies after the present moment is faint.
export function paintRaster(svg, width, {found, moments, moment, layer, index, neuron}) {
    if (!found) return 0;
    const now = moments[moment], end = found.end;
    const causal = new Set(neuron?.synapses.filter(s => s.causal).map(s => s.from));
    const layers = [["inputs", "64 pixels"], ["hidden", `${found.hidden.length} hidden`], ["output", "output"]];
    const below = layers.reduce((sum, [name]) => sum + found[name].length * ROW[name] + GAP, 6);
    const [across] = axes(svg, {left: LEFT, right: width - RIGHT, top: 0, bottom: below},
        {from: 0, to: end, ticks: ticks(0, end, width > 500 ? 8 : 4), label: "time t"}, {from: 0, to: 1, ticks: []});
    let top = 6;
    for (const [name, words] of layers) {
        const times = found[name], high = ROW[name];
        const sources = layer == "hidden" ? "inputs" : "hidden";  // of the chosen neuron's synapses
        if (name != "output") add(svg, "text", {x: LEFT - 8, y: top + times.length * high / 2 + 4, "text-anchor": "end"}, words);
        times.forEach((t, k) => {
            const y = top + k * high, isChosen = name == layer && k == index, isCausal = name == sources && causal.has(k);
            const to = {"data-layer": name, "data-index": k};
            if (name == "output") {
                add(svg, "text", {x: LEFT - 8, y: y + 11, "text-anchor": "end", class: isChosen ? "chosen" : ""}, k);
                add(svg, "rect", {class: "row", x: LEFT, y, width: width - LEFT - RIGHT, height: high, ...to});
            }
            if (t === null) return;
            const [w, h] = isChosen || isCausal ? [4, Math.max(5, high - 2)] : [4, Math.max(2.4, high - 4)];
            const classes = ["spike", name, t > now && "later", isChosen && "chosen", isCausal && "causal"];
            add(svg, "rect", {
                class: classes.filter(Boolean).join(" "), x: across(t) - w / 2, y: y + (high - h) / 2, width: w, height: h,
                ...(name == "inputs" ? {} : to),
            });
        });
        if (name == "output" && found.answer !== null && found.output[found.answer] <= now) {
            const x = across(found.output[found.answer]), fits = x < width - 90;
            add(svg, "text", {
                class: "winner", x: x + (fits ? 8 : -8), y: top + found.answer * high + 11, "text-anchor": fits ? "start" : "end",
            }, `first: ${found.answer}`);
        }
        top += times.length * high + GAP;
    }
    add(svg, "line", {class: "now", x1: across(now), x2: across(now), y1: 0, y2: below});
    return below + 40;
}

// The potential of the chosen neuron until it fires; below, its synapses: up lifts, down lowers, coloured if causal.
export function paintMembrane(svg, width, {found, neuron, moments, moment}) {
    if (!neuron) return 0;
    const {t, v, spike, synapses} = neuron, now = moments[moment];
    const low = Math.min(0, ...v), high = Math.max(1.15, ...v), box = {left: 48, right: width - RIGHT, top: 22, bottom: 190};
    const [across, down] = axes(svg, box,
        {from: 0, to: found.end, ticks: ticks(0, found.end, width > 500 ? 8 : 4), label: ""},
        {from: low, to: high, ticks: ticks(low, high, 4), text: x => number(x, 1)});
    add(svg, "line", {class: "threshold", x1: box.left, x2: box.right, y1: down(1), y2: down(1)});
    add(svg, "text", {x: box.left + 4, y: down(1) - 5}, "threshold");
    add(svg, "text", {x: 4, y: 12}, "potential V");
    const points = range(t.length).map(k => [across(t[k]), down(v[k])]);
    line(svg, points, {class: "potential later"});
    line(svg, points.filter((_, k) => t[k] <= now + 1e-6), {class: "potential"});
    if (spike !== null && spike <= now + 1e-6) add(svg, "circle", {class: "fires", cx: across(spike), cy: down(1), r: 5});
    const middle = 262, most = Math.max(...synapses.map(s => Math.abs(s.weight)), 1e-9);
    add(svg, "text", {x: 4, y: middle - 38}, "spikes of its inputs: up lifts V, down lowers it");
    add(svg, "line", {class: "axis", x1: box.left, x2: box.right, y1: middle, y2: middle});
    for (const s of synapses.filter(s => s.t !== null)) {
        const height = Math.max(2, 30 * Math.abs(s.weight) / most);
        add(svg, "rect", {
            class: `synapse ${s.causal ? "causal" : ""} ${s.t > now ? "later" : ""}`, x: across(s.t) - 1.5, width: 3, height,
            y: s.weight > 0 ? middle - height : middle,
        });
    }
    add(svg, "rect", {class: "synapse causal", x: box.left, y: 302, width: 10, height: 10});
    add(svg, "text", {x: box.left + 15, y: 311}, "in the causal set");
    add(svg, "rect", {class: "synapse", x: box.left + 130, y: 302, width: 10, height: 10});
    add(svg, "text", {x: box.left + 145, y: 311}, "too late");
    add(svg, "line", {class: "now", x1: across(now), x2: across(now), y1: box.top, y2: middle + 32});
    return 320;
}

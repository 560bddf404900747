// Part 3: a slider removes channels; accuracy and synaptic operations fall.

import {$, add, axes, number, percent, picture, range, ticks} from "./draw.js";

let python, draw, now, whole, points = [], isBusy = false, wanted = null;

export async function startChannels(call) {
    python = call;
    draw = [
        picture($("trade"), () => $("channels-text").textContent, paintTrade),
        picture($("bars"), () => $("channels-text").textContent, paintBars),
    ];
    for (let epochs = 1, epoch = 0; epoch < epochs;) {
        const row = await python("channels_epoch");
        ({epoch, epochs} = row);
        $("channels-text").textContent = `The network is learning: epoch ${epoch} of ${epochs}, `
            + `${percent(row.accuracy, 1)} of the test images right.`;
    }
    $("pruned").disabled = $("tune").disabled = $("sweep").disabled = false;
    await prune();
}

// Measure what the slider asks for; while that is going on, only its last place counts.
async function prune() {
    wanted = place();
    if (isBusy) return;
    await busy(async () => {
        while (wanted !== null) {
            const removed = wanted;
            wanted = null;
            now = {removed, ...await python("prune", {percent: removed}), epochs: 0};
            whole ??= now;
            report();
        }
    });
}

async function tune() {
    if (isBusy) return;
    await busy(async () => {
        now = {...now, ...await python("tune"), epochs: now.epochs + 1};
        report();
    });
    if (wanted !== null) await prune();
}

// Every place of the slider, from the whole network to one channel for each layer.
async function sweep() {
    if (isBusy) return;
    for (let removed = 0; removed <= 95 && (!removed || place() == removed - 5); removed += 5) {
        $("pruned").value = removed;
        await moved();
    }
}

const place = () => +$("pruned").value;  // another one than the sweep left: the visitor has taken over

async function busy(work) {
    isBusy = true;
    try {
        await work();
    } catch (error) {
        $("channels-text").textContent = error.message;
    }
    isBusy = false;
}

function report() {
    const all = now.channels.flatMap(layer => layer.kept), kept = all.filter(Boolean).length;
    points = points.filter(p => p.removed != now.removed || p.epochs != now.epochs).concat(now);
    $("channels-text").textContent = `${kept} of ${all.length} channels are left: ${percent(now.accuracy, 1)} right, at `
        + `${number(now.synops)} SynOps an image, ${percent(100 * now.synops / whole.synops, now.synops < 0.01 * whole.synops ? 1 : 0)} of the whole network’s. The first layer, `
        + `which reads the image itself, adds ${number(now.macs)} multiplications with additions; together about ${number(now.nanojoules)}\u00a0nJ in 45\u00a0nm.`
        + (now.epochs ? ` It was trained for ${now.epochs} more epoch${now.epochs > 1 ? "s" : ""}.` : "");
    draw.forEach(paint => paint());
}

function paintTrade(svg, width) {
    if (!now) return 0;
    const most = whole.synops * 1.08, bottom = 200;
    const [across, down] = axes(svg, {left: 40, right: width - 10, top: 10, bottom},
        {from: 0, to: most, ticks: ticks(0, most, 4), text: v => v ? `${v / 1000}k` : "0", label: "SynOps per image"},
        {from: 0, to: 100, ticks: [0, 25, 50, 75, 100]});
    const mark = (p, x, y, names) => p.epochs
        ? add(svg, "rect", {class: `tuned ${names}`, x: x - 4, y: y - 4, width: 8, height: 8})
        : add(svg, "circle", {class: `cut ${names}`, cx: x, cy: y, r: 4});
    for (const p of points) mark(p, across(p.synops), down(p.accuracy), "");
    add(svg, "circle", {class: "ring", cx: across(now.synops), cy: down(now.accuracy), r: 9});
    mark({}, 48, bottom + 52, "");
    add(svg, "text", {x: 58, y: bottom + 56}, "channels removed");
    mark({epochs: 1}, 48, bottom + 70, "");
    add(svg, "text", {x: 58, y: bottom + 74}, "and trained on");
    return bottom + 84;
}

function paintBars(svg, width) {
    if (!now) return 0;
    const high = 70;
    now.channels.forEach(({name, kept, score}, layer) => {
        const top = 22 + layer * (high + 44), most = Math.max(...score), wide = width / score.length;
        add(svg, "text", {x: 0, y: top - 6}, `layer ${layer + 1}: ${kept.filter(Boolean).length} of ${kept.length} channels (${name})`);
        for (const k of range(score.length)) {
            const height = Math.max(2, high * score[k] / most);
            add(svg, "rect", {
                class: kept[k] ? "kept" : "gone", x: k * wide + 1, y: top + high - height, width: Math.max(2, wide - 2.5), height,
            });
        }
        add(svg, "line", {class: "axis", x1: 0, x2: width, y1: top + high + 0.5, y2: top + high + 0.5});
    });
    return 22 + now.channels.length * (high + 44) - 30;
}

function moved() {
    $("pruned-text").textContent = `${$("pruned").value} %`;
    return prune();
}

$("pruned").addEventListener("input", moved);
$("tune").addEventListener("click", tune);
$("sweep").addEventListener("click", sweep);

// Pictures as SVG, drawn anew whenever something changes; colours are in style.css.

const SVG = "http://www.w3.org/2000/svg";

export const $ = id => document.getElementById(id);
export const range = n => Array.from({length: n}, (_, k) => k);
export const number = (x, digits = 0) => x.toLocaleString("en", {maximumFractionDigits: digits, minimumFractionDigits: digits});

// Numbers and their units stay on one line.
export const percent = (x, digits = 0) => `${number(x, digits)}\u00a0%`;
export const time = (t, digits = 2) => `t\u00a0=\u00a0${number(t, digits)}`;

// A picture in a box: `paint(svg, width)` draws it and returns its height. It is drawn again when the box is resized.
export function picture(box, label, paint) {
    let drawn = 0;
    const again = () => {
        const width = Math.max(200, Math.floor(box.clientWidth));
        const root = document.createElementNS(SVG, "svg");
        const height = paint(root, width);
        drawn = width;
        if (!height) return box.replaceChildren();
        set(root, {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label()});
        box.replaceChildren(root);
    };
    new ResizeObserver(() => Math.max(200, Math.floor(box.clientWidth)) != drawn && again()).observe(box);
    return again;
}

export function add(parent, name, attributes = {}, text) {
    const element = document.createElementNS(SVG, name);
    set(element, attributes);
    if (text !== undefined) element.textContent = text;
    parent.append(element);
    return element;
}

function set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}

// Axes with ticks and grid lines. x, y: {from, to, ticks, text?, label}; returns the functions from values to places.
export function axes(svg, {left, top, right, bottom}, x, y) {
    const across = v => left + (v - x.from) / (x.to - x.from || 1) * (right - left);
    const down = v => bottom - (v - y.from) / (y.to - y.from || 1) * (bottom - top);
    for (const v of y.ticks) {
        add(svg, "line", {class: "grid", x1: left, x2: right, y1: down(v), y2: down(v)});
        add(svg, "text", {x: left - 6, y: down(v) + 4, "text-anchor": "end"}, y.text?.(v) ?? v);
    }
    for (const v of x.ticks) {
        add(svg, "line", {class: "axis", x1: across(v), x2: across(v), y1: bottom, y2: bottom + 4});
        add(svg, "text", {x: across(v), y: bottom + 17, "text-anchor": "middle"}, x.text?.(v) ?? v);
    }
    add(svg, "line", {class: "axis", x1: left, x2: right, y1: bottom, y2: bottom});
    add(svg, "text", {x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle"}, x.label);
    return [across, down];
}

export function line(svg, points, attributes) {
    return add(svg, "polyline", {fill: "none", points: points.map(p => p.map(v => v.toFixed(1)).join()).join(" "), ...attributes});
}

// About n round numbers from `low` to `high`.
export function ticks(low, high, n = 5) {
    const rough = (high - low) / n || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find(k => k * power >= rough);
    const first = Math.ceil(low / step);
    return range(Math.floor(high / step + 1e-9) - first + 1).map(k => +((first + k) * step).toPrecision(12));
}

// The picture of a card with its eight lines and 24 points over it: lines can be dragged, nudged and reset.
// The kernel measures; what is shown while a line moves is reckoned here, so that it follows the hand at once.

const SHAPES = "http://www.w3.org/2000/svg";
const STATIONS = [0.22, 0.5, 0.78];
const GRIPS = [0.08, 0.92]; // where along a side the handles of its ends stand, away from the corners' other handles
const OPPOSITE = {left: "right", right: "left", top: "bottom", bottom: "top"};
const NEIGHBOURS = {left: ["top", "bottom"], right: ["top", "bottom"], top: ["left", "right"], bottom: ["left", "right"]};
const PARTS = ["whole line", "first end", "second end"];
const STEP = 0.01, LONG_STEP = 0.1; // mm a key press
const LIVE_MS = 150, SETTLED_MS = 300, TILE_MS = 160;
const CLICK_PX = 4, NEAR_PX = 16;
const NAMES = {left: "Left", top: "Top", right: "Right", bottom: "Bottom"};

function make(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") made.textContent = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function shape(tag, options = {}, ...children) {
  const made = document.createElementNS(SHAPES, tag);
  for (const [name, value] of Object.entries(options)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function inverse([a, b, c, d, e, f, g, h, i]) {
  const found = [e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f,
    d * h - e * g, b * g - a * h, a * e - b * d];
  const whole = a * found[0] + b * found[3] + c * found[6];
  return found.map(each => each / whole);
}

function moved(h, [x, y]) {
  const w = h[6] * x + h[7] * y + h[8];
  return [(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w];
}

function depthAt(line, along) {
  const share = along / line.length, at = Math.max(0, Math.min(1, share)) * (line.bow.length - 1);
  const low = Math.min(Math.floor(at), line.bow.length - 2);
  const bow = line.bow.length < 2 ? 0 : line.bow[low] + (line.bow[low + 1] - line.bow[low]) * (at - low);
  return line.ends[0] + (line.ends[1] - line.ends[0]) * share + bow;
}

function onCard(line, along, depth, [width, height]) {
  if (line.side === "left") return [depth, along];
  if (line.side === "right") return [width - depth, along];
  return line.side === "top" ? [along, depth] : [along, height - depth];
}

function inwards(side, [dx, dy]) {
  return {left: dx, right: -dx, top: dy, bottom: -dy}[side];
}

class Overlay {
  constructor(model, root) {
    this.model = model;
    this.lines = {};
    this.selected = null;
    this.part = 0;
    this.point = null;
    this.pointers = new Map();
    this.drag = null;
    this.timers = {};
    this.urls = [];
    this.built(root);
    this.watched = new ResizeObserver(() => this.fit(this.kept));
    this.watched.observe(this.stage);
    this.renew();
  }

  built(root) {
    this.root = root;
    this.stage = make("div", {class: "rcg-lines-stage", role: "group",
      "aria-label": "The card with its lines. Tab goes from line to line, arrow keys move the line."});
    this.svg = shape("svg", {preserveAspectRatio: "xMidYMid meet"});
    this.base = shape("image", {x: 0, y: 0, preserveAspectRatio: "none"});
    this.tile = shape("image", {preserveAspectRatio: "none", visibility: "hidden"});
    this.layer = shape("g");
    this.svg.append(this.base, this.tile, this.layer);
    this.chip = make("div", {class: "rcg-lines-chip", role: "status", "aria-live": "polite"});
    this.stage.append(this.svg, this.chip);
    const tool = (text, tip, act) => make("button", {type: "button", text, title: tip, "aria-label": tip, onclick: act});
    this.marksBox = make("input", {type: "checkbox", checked: "", onchange: () => this.paint()});
    this.linesBox = make("input", {type: "checkbox", checked: "", onchange: () => this.paint()});
    this.marksLabel = make("label", {}, this.marksBox, "Marks");
    this.bar = make("div", {class: "rcg-lines-bar"},
      tool("+", "Zoom in", () => this.zoom(1.6)), tool("−", "Zoom out", () => this.zoom(1 / 1.6)),
      tool("Card", "Show the whole card", () => this.fit("card")),
      tool("Picture", "Show the whole picture", () => this.fit("picture")),
      make("label", {}, this.linesBox, "Lines"), this.marksLabel);
    this.side = make("div", {class: "rcg-lines-side"});
    this.body = make("div", {class: "rcg-lines-body"}, make("div", {class: "rcg-lines-left"}, this.bar, this.stage),
      this.side);
    root.classList.add("rcg-lines");
    root.replaceChildren(this.body);
    root.overlay = this;
    this.listen();
  }

  listen() {
    this.stage.addEventListener("pointerdown", event => this.down(event));
    this.stage.addEventListener("pointermove", event => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, event => this.up(event));
    this.stage.addEventListener("wheel", event => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 400), this.at(event));
    }, {passive: false});
    this.stage.addEventListener("dblclick", event => this.zoom(3, this.at(event)));
    this.stage.addEventListener("keydown", event => this.key(event));
    this.stage.addEventListener("focusin", event => {
      const name = event.target.dataset && event.target.dataset.line;
      if (name && name !== this.selected) this.choose(name, null);
    });
  }

  // what the kernel says

  renew() {
    const about = this.model.get("about");
    const other = !this.about || about.key !== this.about.key;
    const held = other ? null : this.lines[this.drag?.line || this.timers.settled?.line];
    const ends = held && this.ends(held);
    this.about = about;
    this.pending = false;
    this.body.style.display = about.width ? "" : "none";
    if (!about.width) return;
    for (const name of ["width", "height"]) this.base.setAttribute(name, about[name]);
    this.toMm = about.homography ? inverse(about.homography) : null;
    for (const line of about.lines || [])
      this.lines[line.name] = held?.name === line.name
        ? {...line, ends: this.depths(line, ends), hand: true, unknown: false} : {...line, ends: [...line.ends]};
    for (const name of Object.keys(this.lines))
      if (!(about.lines || []).some(each => each.name === name)) delete this.lines[name];
    if (other) { this.selected = this.point = null; this.tile.setAttribute("visibility", "hidden"); }
    this.build();
    if (other) this.fit(about.homography ? "card" : "picture"); else this.paint();
  }

  picture() {
    const bytes = this.model.get("picture");
    if (!bytes || !bytes.byteLength) return;
    this.base.setAttribute("href", this.url(bytes));
  }

  url(bytes) {
    const made = URL.createObjectURL(new Blob([bytes], {type: "image/jpeg"}));
    this.urls.push(made);
    if (this.urls.length > 6) URL.revokeObjectURL(this.urls.shift());
    return made;
  }

  answer(message, buffers) {
    if (message.kind !== "tile" || message.key !== this.about.key) return;
    const [left, top, right, bottom] = message.box;
    this.tile.setAttribute("href", this.url(buffers[0]));
    for (const [name, value] of Object.entries({x: left, y: top, width: right - left, height: bottom - top}))
      this.tile.setAttribute(name, value);
    this.tile.style.imageRendering = this.scale() > 3 ? "pixelated" : "auto";
    this.tile.setAttribute("visibility", "visible");
  }

  // what is seen

  fit(what) {
    this.kept = what;
    const {width, height} = this.about;
    if (!width) return;
    const box = this.stage.getBoundingClientRect();
    if (!box.width || !box.height) return;
    if (!what && this.view) { this.look(this.view.x, this.view.y, this.view.w); return; }
    let [x, y, w, h] = [0, 0, width, height];
    if (what === "card" && this.about.homography) {
      const [a, b] = this.about.size;
      const corners = [[0, 0], [a, 0], [a, b], [0, b]].map(each => moved(this.about.homography, each));
      const xs = corners.map(each => each[0]), ys = corners.map(each => each[1]);
      [x, y] = [Math.min(...xs), Math.min(...ys)];
      [w, h] = [Math.max(...xs) - x, Math.max(...ys) - y];
      const margin = 0.05 * Math.max(w, h);
      [x, y, w, h] = [x - margin, y - margin, w + 2 * margin, h + 2 * margin];
    }
    const wide = Math.max(w, h * box.width / box.height);
    this.look(x + w / 2 - wide / 2, y + h / 2 - wide * box.height / box.width / 2, wide);
  }

  look(x, y, w) {
    const box = this.stage.getBoundingClientRect();
    this.view = {x, y, w, h: w * box.height / box.width};
    this.svg.setAttribute("viewBox", `${x} ${y} ${w} ${this.view.h}`);
    this.paint();
    clearTimeout(this.timers.tile);
    this.timers.tile = setTimeout(() => this.ask(), TILE_MS);
  }

  ask() { // the pixels of what is in view, as sharp as the picture is
    const {x, y, w, h} = this.view, {width, height} = this.about;
    const [left, top] = [Math.max(0, x), Math.max(0, y)];
    const [right, bottom] = [Math.min(width, x + w), Math.min(height, y + h)];
    if (right - left < 2 || bottom - top < 2) return;
    const device = Math.min(2, window.devicePixelRatio || 1);
    if (this.scale() * device <= this.about.overview * 1.05) { this.tile.setAttribute("visibility", "hidden"); return; }
    const pixels = Math.round((right - left) * this.scale() * device);
    this.model.send({kind: "tile", key: this.about.key, box: [left, top, right, bottom], pixels});
  }

  scale() { return this.view ? this.stage.clientWidth / this.view.w : 1; }

  zoom(factor, place) {
    const {x, y, w, h} = this.view;
    const [px, py] = place || [x + w / 2, y + h / 2];
    const wide = Math.max(24, Math.min(w / factor, 4 * this.about.width));
    const ratio = wide / w;
    this.kept = null;
    this.look(px - (px - x) * ratio, py - (py - y) * ratio, wide);
  }

  zoomTo([x, y], mm) { // so that `mm` of the card fill the stage across
    const line = Object.values(this.lines)[0];
    const wide = mm * (line ? line.px_mm : this.about.width / 63);
    const box = this.stage.getBoundingClientRect();
    this.kept = null;
    this.look(x - wide / 2, y - wide * box.height / box.width / 2, wide);
  }

  closer(line) {
    this.zoomTo(this.place(line, line.length * [0.5, ...GRIPS][this.part]), 9);
  }

  at(event) {
    const box = this.stage.getBoundingClientRect();
    return [this.view.x + (event.clientX - box.left) / this.scale(), this.view.y + (event.clientY - box.top) / this.scale()];
  }

  build() { // elements are made once, and moved afterwards, so that the keyboard keeps its place
    const wanted = [...Object.keys(this.lines), ...(this.about.points || []).map(each => each.name),
      ...(this.about.marks || []).map((each, at) => `${at} ${each.label}`)].join();
    if (wanted === this.drawn) return;
    this.drawn = wanted;
    const focused = document.activeElement?.dataset?.line;
    this.marks = (this.about.marks || []).map(each => {
      const made = shape("polygon", {class: `rcg-lines-mark rcg-origin-${each.origin}`});
      made.append(shape("title"));
      made.lastChild.textContent = each.words;
      return made;
    });
    this.shown = Object.fromEntries(Object.keys(this.lines).map(name => [name, this.lineShape(name)]));
    this.dots = Object.fromEntries((this.about.points || []).map(each => [each.name,
      shape("circle", {class: `rcg-lines-dot rcg-${each.edge}`, "data-line": `${each.side}_${each.edge}`, "data-part": 0})]));
    this.layer.replaceChildren(...this.marks, ...Object.values(this.shown).map(each => each.group),
      ...Object.values(this.dots));
    this.marksLabel.style.display = this.marks.length ? "" : "none";
    if (focused && this.shown[focused]) this.shown[focused].group.focus({preventScroll: true});
  }

  lineShape(name) {
    const line = this.lines[name];
    const data = part => ({"data-line": name, "data-part": part});
    const found = {
      halo: shape("path", {class: "rcg-lines-halo"}), path: shape("path", {class: "rcg-lines-path"}),
      hit: shape("path", {class: "rcg-lines-hit", ...data(0)}),
      ends: [1, 2].map(part => shape("rect", {class: "rcg-lines-end", ...data(part)})),
      reach: [1, 2].map(part => shape("circle", {class: "rcg-lines-reach", ...data(part)})),
    };
    found.group = shape("g", {class: `rcg-lines-line rcg-${line.edge}`, tabindex: 0, role: "slider", "data-line": name},
      found.halo, found.path, found.hit, ...found.ends, ...found.reach);
    return found;
  }

  trace(line) {
    const reach = line.edge === "outer" ? [0, line.length] : NEIGHBOURS[line.side].map((side, at) => {
      const other = this.lines[`${side}_inner`];
      return at ? line.length - (other ? other.ends[0] : 0) : other ? other.ends[0] : 0;
    });
    const steps = line.bow.length > 1 ? 24 : 1;
    return Array.from({length: steps + 1}, (_, n) => {
      const along = reach[0] + (reach[1] - reach[0]) * n / steps;
      return this.place(line, along);
    });
  }

  place(line, along, depth = depthAt(line, along)) {
    return moved(this.about.homography, onCard(line, along, depth, this.about.size));
  }

  ends(line) { // in pixels of the picture, which stay right when another outline is laid under the line
    return [this.place(line, 0, line.ends[0]), this.place(line, line.length, line.ends[1])];
  }

  depths(line, ends) { // the same in millimetres from the side of the card as it lies now
    const [width, height] = this.about.size, upright = line.side === "left" || line.side === "right";
    const [[a, p], [b, q]] = ends.map(each => {
      const [x, y] = moved(this.toMm, each);
      const depth = {left: x, right: width - x, top: y, bottom: height - y}[line.side];
      return [upright ? y : x, depth];
    });
    const slope = (q - p) / (b - a);
    return [p - slope * a, p + slope * (line.length - a)];
  }

  paint() {
    if (!this.view || !this.about.width || !this.shown) return;
    const unit = 1 / this.scale();
    this.marks.forEach((made, at) => {
      made.setAttribute("points", this.about.marks[at].outline.map(each => each.join()).join(" "));
      made.style.display = this.marksBox.checked ? "" : "none";
    });
    for (const [name, line] of Object.entries(this.lines)) this.paintLine(name, line, unit);
    for (const each of this.about.points || []) this.paintPoint(each, unit);
    this.tell();
    this.table();
  }

  paintLine(name, line, unit) {
    const {group, halo, path, hit, ends, reach} = this.shown[name];
    const d = "M" + this.trace(line).map(each => each.map(value => value.toFixed(2)).join()).join("L");
    for (const each of [halo, path, hit]) each.setAttribute("d", d);
    group.style.display = this.linesBox.checked ? "" : "none";
    const on = this.selected === name;
    for (const [word, is] of [["rcg-on", on], ["rcg-hand", line.hand], ["rcg-unknown", line.unknown]])
      group.classList.toggle(word, Boolean(is));
    GRIPS.forEach((share, at) => {
      const [x, y] = this.place(line, share * line.length);
      const half = (on && this.part === at + 1 ? 6 : 4) * unit;
      for (const [key, value] of Object.entries({x: x - half, y: y - half, width: 2 * half, height: 2 * half}))
        ends[at].setAttribute(key, value);
      ends[at].classList.toggle("rcg-on", on && this.part === at + 1);
      for (const [key, value] of Object.entries({cx: x, cy: y, r: 14 * unit})) reach[at].setAttribute(key, value);
    });
    const width = this.border(line.side);
    group.setAttribute("aria-label", `${NAMES[line.side]} ${line.edge} line${on ? `, ${PARTS[this.part]}` : ""}`);
    group.setAttribute("aria-valuenow", (line.ends[0] + line.ends[1]) / 2);
    group.setAttribute("aria-valuetext", `border ${width === null ? "unknown" : width.toFixed(2)} millimetres`);
  }

  paintPoint(point, unit) {
    const line = this.lines[`${point.side}_${point.edge}`], dot = this.dots[point.name];
    const [x, y] = line ? this.place(line, STATIONS[point.station] * line.length) : point.at;
    for (const [name, value] of Object.entries({cx: x, cy: y, r: (this.point === point.name ? 6 : 3.5) * unit}))
      dot.setAttribute(name, value);
    dot.style.display = this.linesBox.checked ? "" : "none";
    dot.classList.toggle("rcg-on", this.point === point.name);
  }

  widths(side) {
    const [outer, inner] = [this.lines[`${side}_outer`], this.lines[`${side}_inner`]];
    if (!outer || !inner || inner.unknown) return null;
    return STATIONS.map(share => depthAt(inner, share * inner.length) - depthAt(outer, share * outer.length));
  }

  border(side) {
    const found = this.widths(side);
    return found && found.reduce((sum, each) => sum + each, 0) / found.length;
  }

  ratios() {
    return [["left", "L/R"], ["top", "T/B"]].map(([side, words]) => {
      const [first, second] = [this.border(side), this.border(OPPOSITE[side])];
      return {words, share: first === null || second === null ? null : 100 * first / (first + second)};
    });
  }

  tell() {
    const known = this.about.sigma || [];
    const parts = this.ratios().map(({words, share}, at) => {
      if (share === null) return `${words} not known`;
      const sigma = !this.drag && !this.pending && known[at] !== null && known[at] !== undefined ? ` ± ${known[at].toFixed(1)}` : "";
      return `${words} ${share.toFixed(1)} : ${(100 - share).toFixed(1)}${sigma}`;
    });
    const text = Object.keys(this.lines).length ? parts.join("   ") : this.about.words || "";
    if (this.chip.textContent !== text) this.chip.textContent = text;
    this.chip.style.display = text ? "" : "none";
  }

  table() {
    const head = make("tr", {}, ...["Border, mm", "1", "2", "3", "mean"].map(text => make("th", {text})));
    const rows = Object.keys(NAMES).map(side => {
      const widths = this.widths(side), line = this.lines[`${side}_inner`];
      const cells = STATIONS.map((_, at) => this.cell(side, at, widths));
      const hand = ["outer", "inner"].some(edge => this.lines[`${side}_${edge}`]?.hand);
      const sigma = line && line.width_sigma !== null && !line.unknown ? ` ± ${line.width_sigma.toFixed(2)}` : "";
      const mean = widths ? `${this.border(side).toFixed(2)}${this.drag || this.pending ? "" : sigma}` : "–";
      return make("tr", {}, make("td", {text: NAMES[side] + (hand ? " ✎" : "")}), ...cells, make("td", {text: mean}));
    });
    const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
    const focus = document.activeElement?.dataset?.cell;
    this.side.replaceChildren(...(Object.keys(this.lines).length ? [table, this.detail()] : []));
    if (focus) this.side.querySelector(`[data-cell="${focus}"]`)?.focus({preventScroll: true});
  }

  cell(side, at, widths) {
    if (!widths) return make("td", {text: "–"});
    const name = `${side}_inner_${at + 1}`;
    const button = make("button", {type: "button", text: widths[at].toFixed(2), "data-cell": name,
      title: `Show what the ${side} border was read from, station ${at + 1} from the ${side === "left" || side === "right" ? "top" : "left"}`,
      "aria-pressed": this.point === name, onclick: () => this.show(name)});
    return make("td", {}, button);
  }

  show(name) { // a point, near enough to see what it was read from
    const point = (this.about.points || []).find(each => each.name === name);
    if (!point) return;
    this.choose(`${point.side}_${point.edge}`, name);
    const line = this.lines[`${point.side}_${point.edge}`];
    this.zoomTo(line ? this.place(line, STATIONS[point.station] * line.length) : point.at, 9);
  }

  choose(name, point) {
    if (name !== this.selected) this.part = 0;
    this.selected = name;
    this.point = point;
    this.paint();
  }

  detail() {
    const box = make("div", {class: "rcg-lines-detail"});
    const line = this.lines[this.selected];
    if (!line) {
      box.append(make("div", {class: "rcg-lines-help", text: "Drag a line, or one of its ends; with Shift ten times as "
        + "fine. Or Tab to a line and press the arrow keys: 0.01 mm a step, 0.1 mm with Shift; Enter goes from the "
        + "whole line to its ends. Click a number or a point to see what it was read from."}));
      return box;
    }
    const width = this.border(line.side);
    const state = line.unknown ? "not measured: drag it to where the border ends"
      : line.hand ? "set by hand" : `measured, ± ${line.sigma === null ? "?" : line.sigma.toFixed(3)} mm`;
    box.append(make("div", {class: "rcg-lines-name", text: `${NAMES[line.side]}, ${line.edge === "outer" ? "cut edge" : "inner frame"}`}),
      make("div", {class: line.hand ? "rcg-lines-hand" : "", text: state}));
    if (width !== null) box.append(make("div", {text: `${PARTS[this.part]}; border ${width.toFixed(2)} mm`}));
    const buttons = make("div", {class: "rcg-lines-bar"});
    if (line.hand) buttons.append(make("button", {type: "button", text: "Reset to measured",
      onclick: () => this.reset(line)}));
    buttons.append(make("button", {type: "button", text: "Closer", title: "Zoom in on this line (key z)",
      onclick: () => this.closer(line)}));
    const points = (this.about.points || []).filter(each => `${each.side}_${each.edge}` === this.selected);
    for (const each of points) buttons.append(make("button", {type: "button", text: `Point ${each.station + 1}`,
      "data-cell": `point ${each.name}`, "aria-pressed": this.point === each.name, onclick: () => this.show(each.name)}));
    box.append(buttons);
    const point = points.find(each => each.name === this.point);
    if (point) box.append(...this.strip(point, line));
    return box;
  }

  strip(point, line) { // the colours across the side that a point was read from, and where the line lies in them
    const {profile, profile_mm: mm} = point;
    if (!mm.length) return [make("div", {class: "rcg-lines-help", text: "no colours were kept for this point"})];
    const [low, high] = [mm[0], mm[mm.length - 1]], place = value => 300 * (value - low) / (high - low || 1);
    const art = shape("svg", {class: "rcg-lines-strip", viewBox: "0 0 300 104", role: "img",
      "aria-label": `colours across the side at ${point.name.replaceAll("_", " ")}`});
    mm.forEach((value, at) => {
      const left = place(at ? (value + mm[at - 1]) / 2 : value), right = place(at + 1 < mm.length ? (value + mm[at + 1]) / 2 : value);
      art.append(shape("rect", {x: left, y: 0, width: Math.max(0.5, right - left + 0.3), height: 36, fill: `rgb(${profile[at]})`}));
    });
    const bright = profile.map(([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b);
    art.append(shape("polyline", {class: "rcg-lines-curve", points: mm.map((value, at) => `${place(value)},${84 - bright[at] / 255 * 44}`).join(" ")}));
    const along = STATIONS[point.station] * line.length;
    const outer = this.lines[`${line.side}_outer`];
    const at = place(line.edge === "outer" ? 0 : depthAt(line, along) - (outer ? depthAt(outer, along) : 0));
    const wide = Math.max(1, point.sigma === null ? 1 : place(low + point.sigma));
    art.append(shape("rect", {class: "rcg-lines-band", x: at - wide, y: 0, width: 2 * wide, height: 86}),
      shape("path", {class: "rcg-lines-at", d: `M${at} 0V86`}));
    for (let tick = Math.ceil(low); tick <= high; tick += high - low > 8 ? 2 : 1) {
      const text = shape("text", {x: Math.max(6, Math.min(294, place(tick))), y: 102, "text-anchor": "middle"});
      text.textContent = tick;
      art.append(shape("path", {class: "rcg-lines-tick", d: `M${place(tick)} 86v4`}), text);
    }
    const sigma = point.sigma === null ? "" : ` ± ${point.sigma.toFixed(3)}`;
    const words = `point ${point.station + 1}: ${point.mm.map(each => each.toFixed(2)).join(", ")} mm${sigma}; below, mm inwards from the cut edge and brightness`;
    return [art, make("div", {class: "rcg-lines-help", text: words})];
  }

  // what the hand does

  down(event) {
    if (event.button > 0) return;
    const data = event.target.dataset || {};
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    this.stage.setPointerCapture(event.pointerId);
    if (this.pointers.size > 1) { this.stopDrag(false); this.pinch = this.spread(); return; }
    const place = this.at(event);
    if (data.line && this.toMm) {
      const line = this.lines[data.line];
      this.drag = {line: data.line, part: Number(data.part), from: [event.clientX, event.clientY], last: place,
        before: [...line.ends], wasUnknown: line.unknown, moved: false};
      if (data.line !== this.selected) this.choose(data.line, null);
      this.part = this.drag.part;
      this.shown[data.line].group.focus({preventScroll: true});
      event.preventDefault();
    } else {
      this.pan = {from: [event.clientX, event.clientY], view: {...this.view}};
    }
    this.paint();
  }

  move(event) {
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, [event.clientX, event.clientY]);
    if (this.pinch && this.pointers.size > 1) { this.pinched(); return; }
    if (this.pan) {
      const {from, view} = this.pan;
      this.kept = null;
      this.look(view.x - (event.clientX - from[0]) / this.scale(), view.y - (event.clientY - from[1]) / this.scale(), view.w);
      return;
    }
    if (!this.drag) return;
    const {from} = this.drag;
    if (!this.drag.moved && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < CLICK_PX) return;
    this.drag.moved = true;
    const line = this.lines[this.drag.line], place = this.at(event);
    const [before, now] = [moved(this.toMm, this.drag.last), moved(this.toMm, place)];
    const step = inwards(line.side, [now[0] - before[0], now[1] - before[1]]) * (event.shiftKey ? 0.1 : 1);
    this.drag.last = place;
    this.shift(line, this.drag.part, step);
    this.paint();
    this.live(line);
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pointers.size < 2) this.pinch = null;
    const click = this.drag && !this.drag.moved;
    if (click) this.clicked(this.at(event));
    this.pan = null;
    this.stopDrag(event.type === "pointerup");
  }

  stopDrag(keep) {
    const drag = this.drag;
    this.drag = null;
    if (!drag || !drag.moved) return;
    const line = this.lines[drag.line];
    if (keep) this.send(line, true);
    else {
      Object.assign(line, {ends: drag.before, unknown: drag.wasUnknown});
      this.send(line, false);
    }
    this.paint();
  }

  clicked(place) {
    const line = this.lines[this.drag.line];
    const near = (this.about.points || []).filter(each => `${each.side}_${each.edge}` === line.name).map(each => {
      const [x, y] = this.place(line, STATIONS[each.station] * line.length);
      return {name: each.name, far: Math.hypot(x - place[0], y - place[1]) * this.scale()};
    }).sort((a, b) => a.far - b.far)[0];
    this.choose(line.name, near && near.far < NEAR_PX ? near.name : null);
  }

  spread() {
    const [a, b] = [...this.pointers.values()];
    return {far: Math.hypot(a[0] - b[0], a[1] - b[1]), middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]};
  }

  pinched() {
    const now = this.spread(), before = this.pinch;
    this.pinch = now;
    const {x, y, w} = this.view, scale = this.scale();
    this.look(x - (now.middle[0] - before.middle[0]) / scale, y - (now.middle[1] - before.middle[1]) / scale, w);
    this.zoom(now.far / Math.max(1, before.far), this.at({clientX: now.middle[0], clientY: now.middle[1]}));
  }

  shift(line, part, step) {
    line.unknown = false;
    this.pending = true; // the kernel has not said yet how sure this is
    if (part === 0) { line.ends = [line.ends[0] + step, line.ends[1] + step]; return; }
    const [first, second] = GRIPS.map(share => line.ends[0] + (line.ends[1] - line.ends[0]) * share);
    const [a, b] = part === 1 ? [first + step, second] : [first, second + step];
    const slope = (b - a) / (GRIPS[1] - GRIPS[0]);
    line.ends = [a - slope * GRIPS[0], b + slope * (1 - GRIPS[1])];
  }

  live(line) {
    if (this.timers.live) return;
    this.timers.live = setTimeout(() => { this.timers.live = null; if (this.drag) this.send(line, false); }, LIVE_MS);
  }

  send(line, done) {
    this.model.send({kind: "line", key: this.about.key, side: line.side, edge: line.edge, ends: this.ends(line), done});
  }

  reset(line) {
    this.model.send({kind: "reset", key: this.about.key, side: line.side, edge: line.edge});
  }

  key(event) {
    const line = this.lines[this.selected];
    const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
    const acts = {"+": () => this.zoom(1.6), "-": () => this.zoom(1 / 1.6), 0: () => this.fit("card")};
    if (line && event.target.dataset?.line) Object.assign(acts, {
      Enter: () => { this.part = (this.part + 1) % 3; this.paint(); },
      Delete: () => line.hand && this.reset(line),
      Escape: () => this.choose(null, null),
      z: () => this.closer(line),
    });
    if (way && line && event.target.dataset?.line) this.nudge(line, way, event.shiftKey ? LONG_STEP : STEP);
    else if (acts[event.key]) acts[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation(); // the notebook has shortcuts of its own
  }

  nudge(line, way, step) {
    const [a, b] = [this.place(line, line.length / 2), this.place(line, line.length / 2, depthAt(line, line.length / 2) + 1)];
    const far = Math.hypot(b[0] - a[0], b[1] - a[1]);
    const along = ((b[0] - a[0]) * way[0] + (b[1] - a[1]) * way[1]) / far;
    if (Math.abs(along) < 0.6) return; // across this line only
    this.shift(line, this.part, Math.sign(along) * step);
    this.paint();
    clearTimeout(this.timers.settled?.id);
    const id = setTimeout(() => { this.timers.settled = null; this.send(line, true); }, SETTLED_MS);
    this.timers.settled = {line: line.name, id};
  }

  close() {
    this.watched.disconnect();
    for (const each of this.urls) URL.revokeObjectURL(each);
  }
}

export default {
  render({model, el}) {
    const view = new Overlay(model, el);
    view.picture();
    const renew = () => view.renew(), picture = () => view.picture();
    const answer = (message, buffers) => view.answer(message, buffers);
    model.on("change:about", renew);
    model.on("change:picture", picture);
    model.on("msg:custom", answer);
    return () => {
      model.off("change:about", renew);
      model.off("change:picture", picture);
      model.off("msg:custom", answer);
      view.close();
    };
  },
};

// Relights a measured card: normals, colour, gloss and height as textures, a light that follows the pointer.
// createRelight(root, data, hooks) is all there is; the notebook's widget and the exported page call it alike.
// data: width, height (of the frames), shown ([w, h] of the textures), mm_per_px, height_mm ([low, high]),
// images {high, low, colour} (Blobs of PNG, PNG, JPEG), defects [{label, words, polygon, colour, confidence}].

const RELIGHT_MODES = [["lit", "Lit"], ["clay", "Relief without print"], ["height", "Height, shaded"],
  ["normals", "Normals"], ["albedo", "Print without light"]];

const RELIGHT_VERTEX = `#version 300 es
in vec2 corner;
uniform vec2 middle, reach;
out vec2 at;
void main() { at = middle + corner * vec2(1.0, -1.0) * reach; gl_Position = vec4(corner, 0.0, 1.0); }`;

// GGX (Walter et al. 2007) over Lambert; a light far away, the camera straight above.
const RELIGHT_FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D normals, colour, extra;
uniform vec3 light;
uniform float shine, relief;
uniform int mode;
uniform vec3 ground;
in vec2 at;
out vec4 result;
vec3 coded(vec3 c) { return mix(12.92 * c, 1.055 * pow(max(c, vec3(1e-6)), vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c)); }
vec3 ramp(float t) {
  vec3 low = vec3(0.05, 0.16, 0.42), mid = vec3(0.9), high = vec3(0.48, 0.02, 0.05);
  return t < 0.5 ? mix(low, mid, 2.0 * t) : mix(mid, high, 2.0 * t - 1.0);
}
void main() {
  if (any(lessThan(at, vec2(0.0))) || any(greaterThan(at, vec2(1.0)))) { result = vec4(ground, 1.0); return; }
  vec2 flatPart = texture(normals, at).rg;
  float up = sqrt(max(1.0 - dot(flatPart, flatPart), 0.0025));
  vec3 n = normalize(vec3(flatPart / up * relief, 1.0));
  vec3 print = texture(colour, at).rgb;
  vec2 more = texture(extra, at).rg;
  if (mode == 3) { result = vec4(n * 0.5 + 0.5, 1.0); return; }
  if (mode == 4) { result = vec4(coded(print), 1.0); return; }
  vec3 base = mode == 1 ? vec3(0.55) : mode == 2 ? ramp(more.g) : print;
  float lit = max(dot(n, light), 0.0);
  float exposure = 1.0 / max(light.z, 0.12);
  vec3 h = normalize(light + vec3(0.0, 0.0, 1.0));
  float rough = mix(0.42, 0.16, more.r), a2 = pow(rough, 4.0);
  float d = max(dot(n, h), 0.0), spread = d * d * (a2 - 1.0) + 1.0;
  float glint = a2 / (spread * spread) * lit * mix(0.25, 1.0, more.r) * 0.05;
  vec3 light_out = base * (0.05 + 0.95 * lit * exposure) + vec3(shine * glint);
  result = vec4(coded(clamp(light_out, 0.0, 1.0)), 1.0);
}`;

function createRelight(root, data, hooks = {}) {
  const make = (tag, name, parent, text) => {
    const made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    parent.append(made);
    return made;
  };
  root.classList.add("rcg-relight");
  root.replaceChildren();
  const bar = make("div", "rcg-relight-bar", root);
  const body = make("div", "rcg-relight-body", root);
  const stage = make("div", "rcg-relight-stage", body);
  const canvas = make("canvas", "", stage);
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const marks = document.createElementNS("http://www.w3.org/2000/svg", "g");
  svg.append(marks);
  stage.append(svg);
  const told = make("div", "rcg-relight-told", stage);
  told.setAttribute("role", "status");
  const list = make("div", "rcg-relight-list", body);
  const foot = make("div", "rcg-relight-foot", root);
  const [fullW, fullH] = [data.width, data.height];
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-label", "The card under a light that follows the pointer. Arrow keys move the light, plus and "
    + "minus zoom, Shift with arrow keys moves the card, 0 shows all of it, D shows or hides the defects");

  const state = {mode: 0, shine: 1, relief: 1, low: 0.6, light: [-0.5, 0.5], zoom: 1, middle: [0.5, 0.5],
    defects: true, sure: 0, selected: -1};
  const controls = {};
  let gl = null, program = null, textures = {}, decoded = null, asked = 0, gone = false, size = [1, 1];
  let coarse = 1, last = 0, slow = 0, rest = 0;  // a slow machine draws fewer pixels while things move, all at rest
  const api = {state, draws: 0, ready: null, draw: () => draw(), destroy, zoomTo, set, pixel};

  function control(name, text, tip) {
    const label = make("label", "", bar);
    make("span", "", label, text);
    label.title = tip;
    return label;
  }
  function slider(name, text, tip, low, high, step) {
    const input = make("input", "", control(name, text, tip));
    Object.assign(input, {type: "range", min: low, max: high, step, value: state[name]});
    input.setAttribute("aria-label", text);
    input.addEventListener("input", () => set(name, Number(input.value)));
    controls[name] = input;
  }
  function button(text, tip, act, parent = bar) {
    const made = make("button", "", parent, text);
    made.type = "button";
    made.title = tip;
    made.addEventListener("click", act);
    return made;
  }
  const select = make("select", "", control("mode", "Show", "What is shown"));
  select.setAttribute("aria-label", "Show");
  RELIGHT_MODES.forEach(([, words], at) => { make("option", "", select, words).value = at; });
  select.addEventListener("change", () => set("mode", Number(select.value)));
  controls.mode = select;
  slider("low", "Light height", "Low light rakes over the card and shows every scratch", 0.05, 2, 0.01);
  slider("relief", "Relief", "How many times as steep as measured", 0, 20, 0.1);
  slider("shine", "Gloss", "How strong the highlights are", 0, 4, 0.05);
  button("Raking light", "Low light, print off, relief times 6", () => {
    set("low", 0.15); set("relief", 6); set("mode", 1);
  });
  button("Reset", "Light, relief and view as at the beginning", () => {
    for (const [name, value] of [["low", 0.6], ["relief", 1], ["shine", 1], ["mode", 0], ["sure", 0]]) set(name, value);
    state.light = [-0.5, 0.5];
    fit();
  });
  const shows = make("input", "", control("defects", "Defects", "Outlines of the defects"));
  Object.assign(shows, {type: "checkbox", checked: true});
  shows.addEventListener("change", () => set("defects", shows.checked));
  controls.defects = shows;
  if (data.defects.length > 8) slider("sure", "Surer than", "Show only defects of at least this confidence", 0, 1, 0.01);

  function set(name, value) {
    state[name] = value;
    const input = controls[name];
    if (input) { if (input.type === "checkbox") input.checked = value; else input.value = value; }
    marks.style.display = state.defects ? "" : "none";
    if (name === "sure") sift();
    plan();
  }
  function sift() {
    const keep = data.defects.map(each => each.confidence >= state.sure), some = keep.filter(Boolean).length;
    for (const each of [...marks.children, ...list.querySelectorAll("button[data-at]")]) {
      each.style.display = keep[each.dataset.at] ? "" : "none";
    }
    const all = data.defects.length;
    head.textContent = !all ? (data.mm_per_px ? "No defects found" : "Defects were not looked for: the size of a pixel is not known") : some < all ? `Defects (${some} of ${all})` : `Defects (${all})`;
  }
  function plan() { if (!asked && !gone) asked = requestAnimationFrame(paced); }
  function paced(now) {
    const gap = now - last;
    last = now;
    if (gap < 250) slow = 0.7 * slow + 0.3 * gap;
    if (slow > 28 && coarse < 4) { coarse *= 2; slow = 16; }
    resize();
    draw();
    clearTimeout(rest);
    rest = setTimeout(() => { if (!gone && coarse > 1) { resize(1); draw(); } }, 200);
  }
  const full = () => {
    const fine = Math.min(2, window.devicePixelRatio || 1);
    return size.map(each => Math.max(1, Math.round(each * fine)));
  };
  function resize(by = coarse) {
    const [w, h] = full().map(each => Math.max(1, Math.round(each / by)));
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  }

  // The part of the picture that is seen: half its width and height as shares of the picture.
  function reach() {
    const whole = Math.max(fullW / size[0], fullH / size[1]) / state.zoom;
    return [0.5 * whole * size[0] / fullW, 0.5 * whole * size[1] / fullH];
  }
  function fit() { state.zoom = 1; state.middle = [0.5, 0.5]; state.selected = -1; mark(); plan(); }
  function zoomBy(factor, x = 0.5, y = 0.5) {
    const before = reach();
    state.zoom = Math.min(64, Math.max(0.8, state.zoom * factor));
    const after = reach();
    state.middle[0] += (2 * x - 1) * (before[0] - after[0]);
    state.middle[1] += (2 * y - 1) * (before[1] - after[1]);
    hold();
  }
  function hold() { state.middle = state.middle.map(each => Math.min(1, Math.max(0, each))); plan(); }
  function zoomTo(at) {
    const each = data.defects[at];
    if (!each) return;
    const xs = each.polygon.map(point => point[0]), ys = each.polygon.map(point => point[1]);
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    state.middle = [(left + right) / 2 / fullW, (top + bottom) / 2 / fullH];
    const wanted = Math.max((right - left) / size[0], (bottom - top) / size[1], 60 / size[0]) * 1.6;
    state.zoom = Math.min(64, Math.max(1, Math.max(fullW / size[0], fullH / size[1]) / wanted));
    state.selected = at;
    mark();
    plan();
  }
  function mark() {
    [...list.querySelectorAll("button[data-at]")].forEach(each => {
      each.setAttribute("aria-current", String(Number(each.dataset.at) === state.selected));
    });
    [...marks.children].forEach(each => each.classList.toggle("rcg-on", Number(each.dataset.at) === state.selected));
  }

  data.defects.forEach((each, at) => {
    const ring = document.createElementNS("http://www.w3.org/2000/svg", "polygon");
    ring.setAttribute("points", each.polygon.map(point => point.join(",")).join(" "));
    ring.setAttribute("stroke", each.colour);
    ring.setAttribute("vector-effect", "non-scaling-stroke");
    ring.dataset.at = at;
    marks.append(ring);
  });
  const head = make("div", "rcg-relight-head", list);
  data.defects.forEach((each, at) => {
    const line = button("", "Zoom to this place", () => { zoomTo(at); hooks.select && hooks.select(at); }, list);
    line.dataset.at = at;
    make("span", "rcg-relight-key", line).style.background = each.colour;
    make("b", "", line, `${at + 1} ${each.label}`);
    make("span", "rcg-relight-words", line, each.words);
  });
  if (data.defects.length) button("Show the whole card", "Key 0", fit, list).className = "rcg-relight-all";
  sift();
  const [shownW, shownH] = data.shown;
  let resolution = `${shownW} x ${shownH} px shown of ${fullW} x ${fullH} px measured`;
  const tellFoot = () => {
    const scale = data.mm_per_px ? `, ${+data.mm_per_px.toPrecision(4)} mm per pixel` : "";
    foot.textContent = `${resolution}${scale}. Move: light · wheel: zoom · drag: move the card · two fingers: both · `
      + "double click: all of it";
  };
  tellFoot();

  // Pointer, wheel and keys.
  const fingers = new Map();
  const place = event => {
    const box = stage.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height, box];
  };
  function aim(x, y, box) {
    const least = Math.min(box.width, box.height) / 2;
    state.light = [(x - 0.5) * box.width / least, (0.5 - y) * box.height / least];
    plan();
  }
  function shift(dx, dy) {
    const [rx, ry] = reach();
    state.middle = [state.middle[0] - 2 * rx * dx, state.middle[1] - 2 * ry * dy];
    hold();
  }
  stage.addEventListener("pointerdown", event => {
    stage.focus({preventScroll: true});
    stage.setPointerCapture(event.pointerId);
    const [x, y, box] = place(event);
    fingers.set(event.pointerId, [x, y]);
    if (event.pointerType !== "mouse" && fingers.size === 1) aim(x, y, box);
  });
  stage.addEventListener("pointermove", event => {
    const [x, y, box] = place(event), before = fingers.get(event.pointerId);
    if (!before) { aim(x, y, box); return; }
    if (fingers.size === 2) {
      const other = [...fingers.entries()].find(([id]) => id !== event.pointerId)[1];
      const apart = (a, b) => Math.hypot((a[0] - b[0]) * box.width, (a[1] - b[1]) * box.height);
      zoomBy(apart([x, y], other) / Math.max(apart(before, other), 1), (x + other[0]) / 2, (y + other[1]) / 2);
      shift((x - before[0]) / 2, (y - before[1]) / 2);
    } else if (event.pointerType === "mouse") shift(x - before[0], y - before[1]);
    else aim(x, y, box);
    fingers.set(event.pointerId, [x, y]);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    stage.addEventListener(name, event => fingers.delete(event.pointerId));
  }
  stage.addEventListener("wheel", event => {
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = place(event);
    zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
  }, {passive: false});
  stage.addEventListener("dblclick", fit);
  stage.addEventListener("keydown", event => {
    const ways = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]}, way = ways[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way && event.shiftKey) shift(-way[0] * 0.08, way[1] * 0.08);
    else if (way) { state.light = [state.light[0] + way[0] * 0.1, state.light[1] + way[1] * 0.1]; plan(); }
    else if (event.key === "+" || event.key === "=") zoomBy(1.25);
    else if (event.key === "-") zoomBy(0.8);
    else if (event.key === "0") fit();
    else if (event.key === "d" || event.key === "D") set("defects", !state.defects);
    else if (event.key >= "1" && event.key <= String(RELIGHT_MODES.length)) set("mode", Number(event.key) - 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  // Textures. Normals come as 16 bits in two pictures, so that a scratch of a fraction of a degree is no staircase.
  async function pixels(blob) {
    const bitmap = await createImageBitmap(blob, {colorSpaceConversion: "none", premultiplyAlpha: "none"});
    const flat = new OffscreenCanvas(bitmap.width, bitmap.height), pen = flat.getContext("2d", {willReadFrequently: true});
    pen.drawImage(bitmap, 0, 0);
    return pen.getImageData(0, 0, bitmap.width, bitmap.height);
  }
  async function decode(limit) {
    const [high, low, colour] = await Promise.all(["high", "low", "colour"].map(name => pixels(data.images[name])));
    const step = Math.ceil(Math.max(high.width, high.height) / limit);
    const w = Math.floor(high.width / step), h = Math.floor(high.height / step);
    const normals = new Float32Array(2 * w * h), extra = new Uint8Array(2 * w * h), print = new Uint8Array(4 * w * h);
    for (let y = 0, to = 0; y < h; y++) {
      for (let x = 0; x < w; x++, to++) {
        const from = 4 * (y * step * high.width + x * step);
        normals[2 * to] = (256 * high.data[from] + low.data[from]) / 32767.5 - 1;
        normals[2 * to + 1] = (256 * high.data[from + 1] + low.data[from + 1]) / 32767.5 - 1;
        extra[2 * to] = high.data[from + 2];
        extra[2 * to + 1] = low.data[from + 2];
        for (let c = 0; c < 4; c++) print[4 * to + c] = colour.data[from + c];
      }
    }
    return {w, h, normals, extra, print};
  }
  function texture(unit, name, kind, format, type, values) {
    const made = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, made);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texImage2D(gl.TEXTURE_2D, 0, kind, decoded.w, decoded.h, 0, format, type, values);
    const small = kind !== gl.RG16F || gl.getExtension("EXT_color_buffer_float") !== null;
    if (small) gl.generateMipmap(gl.TEXTURE_2D);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, small ? gl.LINEAR_MIPMAP_LINEAR : gl.LINEAR);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
    for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
    gl.uniform1i(gl.getUniformLocation(program, name), unit);
  }
  function shader(kind, text) {
    const made = gl.createShader(kind);
    gl.shaderSource(made, text);
    gl.compileShader(made);
    if (!gl.getShaderParameter(made, gl.COMPILE_STATUS) && !gl.isContextLost()) throw Error(gl.getShaderInfoLog(made));
    gl.attachShader(program, made);
  }
  function build() {
    program = gl.createProgram();
    shader(gl.VERTEX_SHADER, RELIGHT_VERTEX);
    shader(gl.FRAGMENT_SHADER, RELIGHT_FRAGMENT);
    gl.bindAttribLocation(program, 0, "corner");
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) throw Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    texture(0, "normals", gl.RG16F, gl.RG, gl.FLOAT, decoded.normals);
    texture(1, "colour", gl.SRGB8_ALPHA8, gl.RGBA, gl.UNSIGNED_BYTE, decoded.print);
    texture(2, "extra", gl.RG8, gl.RG, gl.UNSIGNED_BYTE, decoded.extra);
    textures = Object.fromEntries(["middle", "reach", "light", "shine", "relief", "mode", "ground"].map(
      name => [name, gl.getUniformLocation(program, name)]));
  }
  function ground() {
    const found = getComputedStyle(stage).backgroundColor.match(/[\d.]+/g);
    return found ? found.slice(0, 3).map(each => Number(each) / 255) : [0.1, 0.1, 0.1];
  }
  function draw() {
    asked = 0;
    if (gone) return;
    const [rx, ry] = reach(), scale = size[0] / (2 * rx * fullW);
    marks.setAttribute("transform", `translate(${size[0] / 2 - state.middle[0] * fullW * scale} `
      + `${size[1] / 2 - state.middle[1] * fullH * scale}) scale(${scale})`);
    if (!gl || !textures.middle || gl.isContextLost()) return;
    gl.viewport(0, 0, canvas.width, canvas.height);
    const [x, y] = state.light, length = Math.hypot(x, y, state.low);
    gl.uniform2f(textures.middle, ...state.middle);
    gl.uniform2f(textures.reach, rx, ry);
    gl.uniform3f(textures.light, x / length, y / length, state.low / length);
    gl.uniform1f(textures.shine, state.shine);
    gl.uniform1f(textures.relief, state.relief);
    gl.uniform1i(textures.mode, {lit: 0, clay: 1, height: 2, normals: 3, albedo: 4}[RELIGHT_MODES[state.mode][0]]);
    gl.uniform3f(textures.ground, ...ground());
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    api.draws += 1;
  }
  // The colour on the screen at a share of the stage's width and height, for tests.
  function pixel(x, y) {
    draw();
    const found = new Uint8Array(4);
    gl.readPixels(Math.floor(x * canvas.width), Math.floor((1 - y) * canvas.height), 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, found);
    return [...found];
  }
  function fall(words) {
    told.textContent = words;
    told.style.display = words ? "" : "none";
  }
  const watch = new ResizeObserver(() => {
    const box = stage.getBoundingClientRect();
    if (!box.width) return;
    size = [box.width, box.height];
    resize();
    svg.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
    plan();
  });
  stage.style.aspectRatio = `${fullW} / ${fullH}`;
  watch.observe(stage);
  canvas.addEventListener("webglcontextlost", event => {
    event.preventDefault();
    fall("The graphics card took its memory back; the picture returns by itself.");
  });
  canvas.addEventListener("webglcontextrestored", () => { build(); fall(""); plan(); });

  async function begin() {
    fall("Loading the surface");
    gl = canvas.getContext("webgl2", {antialias: false, alpha: false, powerPreference: "high-performance"});
    if (!gl) {
      const plain = make("img", "rcg-relight-plain", stage);
      plain.src = URL.createObjectURL(data.images.colour);
      plain.alt = "The card without relighting";
      fall("This browser offers no WebGL2, so the light cannot be moved. Fix: switch hardware acceleration on in its "
        + "settings, or use a current Chrome, Edge, Firefox or Safari.");
      return;
    }
    decoded = await decode(Math.min(4096, gl.getParameter(gl.MAX_TEXTURE_SIZE)));
    if (gone) return;
    resolution = `${decoded.w} x ${decoded.h} px shown of ${fullW} x ${fullH} px measured`;
    tellFoot();
    build();
    fall("");
    plan();
  }
  api.ready = begin().catch(error => fall(`The surface cannot be shown: ${error.message}. Fix: export it again.`));

  function destroy() {
    gone = true;
    watch.disconnect();
    cancelAnimationFrame(asked);
    clearTimeout(rest);
    if (gl) { const end = gl.getExtension("WEBGL_lose_context"); if (end) end.loseContext(); }
    root.replaceChildren();
  }
  root.relight = api;
  return api;
}

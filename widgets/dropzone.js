// Photos dropped or chosen go to the kernel in pieces: one message would be cut off at the server's limit of 10 MB.

const PIECE = 1 << 20;

function make(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") made.textContent = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

async function filesOf(entry) { // a dropped folder as the files in it
  if (entry.isFile) return [await new Promise((done, fail) => entry.file(done, fail))];
  const reader = entry.createReader(), found = [];
  for (;;) {
    const some = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!some.length) break;
    for (const each of some) found.push(...await filesOf(each));
  }
  return found;
}

class Zone {
  constructor(model, root) {
    this.model = model;
    this.waiting = new Map();
    this.number = 0;
    this.input = make("input", {type: "file", accept: "image/*,.heic,.heif,.avif,.tif,.tiff", tabindex: -1});
    if (model.get("many")) this.input.setAttribute("multiple", "");
    this.words = make("span", {text: model.get("words")});
    this.told = make("span", {class: "rcg-drop-told", role: "status"});
    this.label = make("button", {type: "button", class: "rcg-drop"}, this.words, this.told);
    root.replaceChildren(this.label, this.input);
    root.classList.add("rcg-drop-root");
    this.label.addEventListener("click", () => this.input.click());
    this.input.addEventListener("change", () => { this.take([...this.input.files]); this.input.value = ""; });
    for (const name of ["dragenter", "dragover", "dragleave", "drop"])
      this.label.addEventListener(name, event => this.dragged(event));
  }

  async dragged(event) {
    event.preventDefault();
    event.stopPropagation();
    this.label.classList.toggle("rcg-over", event.type === "dragenter" || event.type === "dragover");
    if (event.type !== "drop") return;
    const entries = [...event.dataTransfer.items].map(each => each.webkitGetAsEntry?.()).filter(Boolean);
    const files = entries.length ? (await Promise.all(entries.map(filesOf))).flat() : [...event.dataTransfer.files];
    this.take(files);
  }

  async take(files) {
    if (!files.length || this.busy) return;
    this.busy = true;
    const chosen = this.model.get("many") ? files : files.slice(0, 1);
    const batch = `${Date.now()}-${++this.number}`;
    try {
      for (const [at, file] of chosen.entries()) {
        const told = share => {
          this.told.textContent = `${at + 1} of ${chosen.length}: ${file.name}, ${Math.round(100 * share)} %`;
        };
        told(0);
        await this.upload(batch, at, file, told);
      }
      this.told.textContent = "";
      await this.ask({kind: "end", batch, total: chosen.length});
    } catch (error) {
      this.told.textContent = String(error.message || error);
    } finally {
      this.busy = false;
    }
  }

  async upload(batch, at, file, told) {
    const answer = await this.ask({kind: "begin", batch, at, name: file.name, size: file.size});
    if (!answer.wanted) return;
    for (let from = 0; from < file.size; from += PIECE) {
      const piece = await file.slice(from, from + PIECE).arrayBuffer();
      const said = await this.ask({kind: "piece", batch, at, from}, [piece]);
      if (!said.wanted) return;
      told(Math.min(1, (from + PIECE) / file.size));
    }
  }

  ask(message, buffers = []) { // one message and its answer
    const id = `${Math.random()}`;
    return new Promise((done, fail) => {
      const late = setTimeout(() => { this.waiting.delete(id); fail(new Error("the kernel does not answer: is it busy, or gone?")); }, 60000);
      this.waiting.set(id, answer => { clearTimeout(late); done(answer); });
      this.model.send({...message, id}, undefined, buffers);
    });
  }

  answer(message) {
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (waiting) waiting(message);
  }
}

export default {
  render({model, el}) {
    const zone = new Zone(model, el);
    const answer = message => zone.answer(message);
    model.on("msg:custom", answer);
    return () => model.off("msg:custom", answer);
  },
};

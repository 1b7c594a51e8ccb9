// One page of a table: a click on a head sorts, a click on a row opens what it stands for.

function make(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") made.textContent = value; else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function head(model, column) {
  const on = model.get("sort") === column.name, falling = model.get("falling");
  const button = make("button", {type: "button", "data-name": column.name,
    title: `Sort by ${column.title}`, text: column.title + (on ? (falling ? " ▾" : " ▴") : "")});
  button.addEventListener("click", () => model.send({kind: "sort", name: column.name}));
  return make("th", {scope: "col", class: column.number ? "rcg-number" : "",
    "aria-sort": on ? (falling ? "descending" : "ascending") : "none"}, button);
}

function line(model, row) {
  const cells = model.get("columns").map((column, at) => {
    const text = row.cells[at];
    const cell = make("td", {class: column.number ? "rcg-number" : ""});
    if (at) cell.textContent = text;
    else {
      const button = make("button", {type: "button", class: "rcg-open", text, "data-name": row.name,
        title: "Look at this one"});
      button.addEventListener("click", () => model.send({kind: "open", name: row.name}));
      cell.append(button);
    }
    return cell;
  });
  const lines = [make("tr", {class: row.bad ? "rcg-bad-row" : ""}, ...cells)];
  if (row.note) lines.push(make("tr", {class: "rcg-note-row"}, make("td", {colspan: cells.length, text: row.note})));
  return lines;
}

export default {
  render({model, el}) {
    el.classList.add("rcg-wide");
    const show = () => {
      const focus = document.activeElement?.dataset?.name, within = el.contains(document.activeElement);
      const columns = model.get("columns");
      const heads = make("tr", {}, ...columns.map(each => head(model, each)));
      const body = make("tbody", {}, ...model.get("rows").flatMap(each => line(model, each)));
      el.replaceChildren(...(columns.length ? [make("table", {class: "rcg-table rcg-sorted"}, make("thead", {}, heads), body)] : []));
      if (within && focus) [...el.querySelectorAll("button")].find(each => each.dataset.name === focus)?.focus({preventScroll: true});
    };
    for (const name of ["change:rows", "change:columns", "change:sort", "change:falling"]) model.on(name, show);
    show();
    return () => { for (const name of ["change:rows", "change:columns", "change:sort", "change:falling"]) model.off(name, show); };
  },
};

(() => {
  const table = document.querySelector("table.batch"), body = table.tBodies[0];
  const rows = [...body.rows], none = document.querySelector(".none-left");
  const buttons = [...document.querySelectorAll(".narrow [data-status]")], word = document.querySelector(".narrow input");
  const narrow = () => {
    const status = buttons.find(each => each.getAttribute("aria-pressed") === "true").dataset.status;
    const wanted = word.value.trim().toLowerCase();
    for (const row of rows) {
      const fits = (!status || row.dataset.status === status) && row.textContent.toLowerCase().includes(wanted);
      row.hidden = !fits;
    }
    none.hidden = rows.some(row => !row.hidden);
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
      narrow();
    });
  }
  word.addEventListener("input", narrow);
  const heads = [...table.tHead.rows[0].cells].slice(1);
  heads.forEach((head, at) => head.firstChild.addEventListener("click", () => {
    const way = head.getAttribute("aria-sort") === "descending" ? 1 : head.hasAttribute("aria-sort") ? -1 : at ? -1 : 1;
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
    const value = row => row.cells[at + 1].dataset.value ?? row.cells[at + 1].textContent;
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      return x !== "" && y !== "" && !isNaN(x) && !isNaN(y) ? x - y : x.localeCompare(y, undefined, {numeric: true});
    };
    body.append(...rows.slice().sort((a, b) => way * compare(a, b)));
  }));
})();

"use strict";
document.documentElement.classList.add("js");
(() => {
  const every = (selector, root = document) => [...root.querySelectorAll(selector)];
  const choose = (face, station) => {
    for (const each of every(`[data-face="${face}"][data-station]`)) {
      const on = each.dataset.station === station;
      each.classList.toggle("on", on);
      if (each.classList.contains("station")) each.setAttribute("aria-pressed", String(on));
    }
  };
  for (const each of every("[data-station]")) {
    if (each.classList.contains("detail")) continue;
    const pick = () => choose(each.dataset.face, each.dataset.station);
    each.addEventListener("click", pick);
    each.addEventListener("focus", pick);
    if (each.classList.contains("point")) {
      each.addEventListener("pointerenter", pick);
      each.addEventListener("keydown", event => {
        if (event.key === "Enter" || event.key === " ") { event.preventDefault(); pick(); }
      });
    }
  }
  for (const face of new Set(every(".station").map(each => each.dataset.face))) {
    choose(face, every(`.station[data-face="${face}"]`)[0].dataset.station);
  }
  for (const bar of every(".switches")) {
    const pictures = bar.nextElementSibling;
    for (const button of every("[data-show]", bar)) {
      button.addEventListener("click", () => {
        pictures.classList.toggle("show-straight", button.dataset.show === "straight");
        for (const other of every("[data-show]", bar)) other.setAttribute("aria-pressed", String(other === button));
      });
    }
    for (const box of every("[data-toggle]", bar)) {
      box.addEventListener("change", () => pictures.classList.toggle(`no-${box.dataset.toggle}`, !box.checked));
    }
  }
})();

// A page that the kernel makes opens in a tab of its own, or is saved: it stands outside of what Jupyter serves.

export default {
  render({model, el}) {
    let tab = null;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "lm-Widget jupyter-widgets jupyter-button widget-button";
    button.style.width = "auto";
    const show = () => {
      button.textContent = model.get("words");
      button.title = model.get("tip");
      button.disabled = !model.get("ready");
    };
    button.addEventListener("click", () => {
      tab = model.get("file") ? null : window.open("", "_blank"); // now, while the click allows it
      if (tab) tab.document.write("<title>…</title><p style='font-family: sans-serif'>The page is being made …</p>");
      model.send({kind: "open"});
    });
    const answer = (message, buffers) => {
      if (message.kind === "failed") { if (tab) tab.close(); return; }
      const url = URL.createObjectURL(new Blob([buffers[0]], {type: message.type}));
      if (tab && !tab.closed) tab.location.replace(url);
      else {
        const link = document.createElement("a");
        link.href = url;
        link.download = message.name;
        link.click();
      }
      tab = null;
      setTimeout(() => URL.revokeObjectURL(url), 600000);
    };
    for (const name of ["words", "tip", "ready"]) model.on(`change:${name}`, show);
    model.on("msg:custom", answer);
    show();
    el.replaceChildren(button);
    return () => {
      for (const name of ["words", "tip", "ready"]) model.off(`change:${name}`, show);
      model.off("msg:custom", answer);
    };
  },
};

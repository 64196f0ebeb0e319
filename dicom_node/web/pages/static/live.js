// Asks for the page's living part again when the node says that something happened; leaves it alone while somebody
// has selected rows, and while nobody looks.
(() => {
  const part = () => document.querySelector("[data-live]");
  const light = document.getElementById("live");
  const PAUSE_MS = 1500;
  let source = null;
  let due = 0;
  let last = 0;

  const chosen = () => document.querySelector("#bulk input[name=uid]:checked") !== null;

  function refresh() {
    due = 0;
    if (!part() || chosen()) return;
    last = Date.now();
    htmx.ajax("GET", location.href, { target: "#page", select: "#page", swap: "outerHTML" });
  }

  function changed() {
    if (!due) due = setTimeout(refresh, Math.max(0, last + PAUSE_MS - Date.now()));
  }

  function say(on) {
    light.className = on ? "live on" : "live off";
    light.textContent = on ? light.dataset.on : light.dataset.off;
  }

  function listen() {
    source = new EventSource("/live");
    source.addEventListener("open", () => say(true));
    source.addEventListener("changed", changed);
    source.addEventListener("error", () => {
      say(false);
      if (source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(() => document.hidden || source || listen(), 5000);
      }
    });
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden && source) {
      source.close();
      source = null;
    } else if (!document.hidden && !source && part()) {
      listen();
      changed();
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.id !== "all") return;
    for (const box of document.querySelectorAll("#bulk input[name=uid]")) box.checked = event.target.checked;
  });

  if (part()) {
    listen();
    // Ages grow although nothing happens.
    setInterval(() => document.hidden || changed(), 30000);
  }
})();

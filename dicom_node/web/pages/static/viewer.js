// The films of a job: window and level by drag, zoom, pan, outlines on and off; all by the keyboard, too.
(() => {
  const viewer = document.querySelector("[data-viewer]");
  if (!viewer) return;
  const stacks = [...viewer.querySelectorAll("[data-stack]")];
  const films = [...viewer.querySelectorAll("[data-film]")];
  const screens = [...viewer.querySelectorAll("[data-screen]")];
  const overlays = [...viewer.querySelectorAll("[data-overlay]")];
  const AS_IT_WAS = { scale: 1, x: 0, y: 0, contrast: 1, brightness: 1, inverted: false };
  const view = { ...AS_IT_WAS };

  const within = (value, low, high) => Math.min(high, Math.max(low, value));

  function draw() {
    for (const stack of stacks) {
      stack.style.transform = `translate(${view.x}px, ${view.y}px) scale(${view.scale})`;
    }
    for (const film of films) {
      film.style.filter =
        `brightness(${view.brightness}) contrast(${view.contrast})` + (view.inverted ? " invert(1)" : "");
    }
    viewer.dataset.scale = view.scale.toFixed(2);
    viewer.dataset.window = `${view.brightness.toFixed(2)} ${view.contrast.toFixed(2)}`;
  }

  function zoom(factor) {
    const scale = within(view.scale * factor, 1, 12);
    view.x *= scale / view.scale;
    view.y *= scale / view.scale;
    view.scale = scale;
    if (scale === 1) view.x = view.y = 0;
    draw();
  }

  function pan(x, y) {
    view.x += x;
    view.y += y;
    draw();
  }

  function toggle(name) {
    const box = viewer.querySelector(`[data-toggle=${name}]`);
    if (!box) return;
    box.checked = !box.checked;
    show(name, box.checked);
  }

  function show(name, on) {
    for (const one of overlays) if (one.dataset.overlay === name) one.hidden = !on;
  }

  const actions = {
    in: () => zoom(1.25),
    out: () => zoom(0.8),
    invert: () => { view.inverted = !view.inverted; draw(); },
    reset: () => { Object.assign(view, AS_IT_WAS); draw(); },
  };
  const keys = {
    "+": actions.in, "=": actions.in, "-": actions.out, 0: actions.reset, i: actions.invert,
    o: () => toggle("opacities"), l: () => toggle("lungs"),
    ArrowLeft: () => pan(40, 0), ArrowRight: () => pan(-40, 0),
    ArrowUp: () => pan(0, 40), ArrowDown: () => pan(0, -40),
    "[": () => { view.contrast = within(view.contrast * 0.9, 0.2, 8); draw(); },
    "]": () => { view.contrast = within(view.contrast * 1.1, 0.2, 8); draw(); },
  };

  for (const screen of screens) {
    screen.addEventListener("keydown", (event) => {
      const act = keys[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
    screen.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    }, { passive: false });
    screen.addEventListener("pointerdown", (event) => {
      screen.setPointerCapture(event.pointerId);
      screen.focus({ preventScroll: true });
    });
    screen.addEventListener("pointermove", (event) => {
      if (!screen.hasPointerCapture(event.pointerId)) return;
      if (event.shiftKey || event.buttons === 4) {
        pan(event.movementX, event.movementY);
        return;
      }
      view.contrast = within(view.contrast * (1 + event.movementX / 250), 0.2, 8);
      view.brightness = within(view.brightness * (1 - event.movementY / 250), 0.1, 5);
      draw();
    });
  }
  for (const film of films) {
    film.draggable = false;
    const gone = () => {
      film.closest("[data-stack]").hidden = true;
      film.closest("[data-screen]").querySelector(".gone").hidden = false;
    };
    film.addEventListener("error", gone);
    if (film.complete && film.naturalWidth === 0) gone();
  }
  for (const one of overlays) {
    one.draggable = false;
    one.addEventListener("error", () => one.remove());
  }
  for (const box of viewer.querySelectorAll("[data-toggle]")) {
    box.addEventListener("change", () => show(box.dataset.toggle, box.checked));
    show(box.dataset.toggle, box.checked);
  }
  const slider = viewer.querySelector("[data-opacity]");
  if (slider) {
    const strengthen = () => { for (const one of overlays) one.style.opacity = slider.value / 100; };
    slider.addEventListener("input", strengthen);
    strengthen();
  }
  for (const button of viewer.querySelectorAll("[data-do]")) {
    button.addEventListener("click", actions[button.dataset.do]);
  }
})();

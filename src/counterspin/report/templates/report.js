"use strict";
(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const specs = read("charts");
  const themes = read("chart-themes");
  const views = new Map();
  const figures = [...document.querySelectorAll("figure[data-chart]")];
  const theme = () => root.dataset.theme ?? (system.matches ? "dark" : "light");

  // A legend of four columns does not fit a phone.
  const columns = (figure) => (figure.clientWidth < 560 ? 2 : 4);

  // Small multiples have a fixed width each: what the container leaves beside axes and gaps.
  const AXES = 96;
  function fitted(spec, width) {
    if (!spec.facet) return spec;
    const columns = Math.min(spec.columns, width < 300 ? 1 : width < 700 ? 2 : 3);
    return { ...spec, columns, spec: { ...spec.spec, width: Math.floor((width - AXES) / columns) } };
  }

  async function draw(figure) {
    const key = figure.dataset.chart;
    const target = figure.querySelector(".live");
    const config = themes[theme()];
    figure.dataset.columns = columns(figure);
    // The plot fills its container, which must have a width while it is measured.
    figure.classList.add("drawn");
    try {
      const result = await vegaEmbed(target, fitted(specs[key], target.clientWidth), {
        ast: true, // Vega's interpreter: the page's policy forbids eval
        renderer: "svg",
        config: { ...config, legend: { ...config.legend, columns: columns(figure) } },
        tooltip: { theme: theme() },
        actions: { export: true, source: false, compiled: false, editor: false },
        scaleFactor: { svg: 1, png: 3 },
        downloadFileName: `counterspin-${key}`,
      });
      views.get(key)?.finalize();
      views.set(key, result);
      target.querySelector("summary").setAttribute("aria-label", "Save this figure as SVG or PNG");
    } catch (error) {
      figure.classList.remove("drawn"); // the drawing made ahead of time stays
      console.error(error);
    }
  }

  async function drawAll() {
    for (const figure of figures) await draw(figure);
    root.dataset.charts = theme();
  }
  let drawing = drawAll();
  const redraw = () => (drawing = drawing.then(drawAll));

  const button = document.getElementById("theme");
  const label = () => (button.textContent = theme() === "dark" ? "Light theme" : "Dark theme");
  button.hidden = false;
  label();
  button.addEventListener("click", () => {
    root.dataset.theme = theme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("counterspin-theme", root.dataset.theme);
    } catch {
      // The choice then lasts as long as the page.
    }
    label();
    redraw();
  });
  system.addEventListener("change", () => {
    label();
    redraw();
  });

  addEventListener("resize", () => {
    if (figures.some((figure) => figure.dataset.columns !== String(columns(figure)))) redraw();
  });

  // Paper cannot be clicked: print what is folded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details.numbers:not([open])")];
    for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => {
    for (const part of folded) part.open = false;
  });
})();

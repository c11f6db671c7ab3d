// A crosshair and a read-out for the charts that the server drew, by pointer and by arrow keys.
(() => {
  "use strict";

  const NS = "http://www.w3.org/2000/svg";
  const drawn = new WeakSet();

  function start(figure) {
    if (drawn.has(figure)) return;
    drawn.add(figure);
    const svg = figure.querySelector(".plot svg");
    const source = figure.querySelector("script[type='application/json']");
    if (!svg || !source) return;
    const { plot, xs, ys } = JSON.parse(source.textContent);
    const rows = figure.querySelector("tbody").rows; // newest first
    const heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent);
    if (!xs.length) return;

    const cross = document.createElementNS(NS, "line");
    cross.setAttribute("class", "cross");
    cross.setAttribute("y1", plot.top);
    cross.setAttribute("y2", plot.bottom);
    const dots = ys.map((_, i) => {
      const dot = document.createElementNS(NS, "circle");
      dot.setAttribute("r", 3);
      dot.setAttribute("class", `dot ${svg.querySelectorAll(".line")[i]?.classList[1] ?? ""}`);
      return dot;
    });
    const tip = document.createElement("p");
    tip.className = "tip";
    tip.hidden = true;
    const said = document.createElement("p"); // what the keys reach is spoken; what the pointer reaches is not
    said.className = "visually-hidden";
    said.setAttribute("role", "status");
    figure.querySelector(".plot").append(tip, said);
    svg.tabIndex = 0;

    let at = -1;
    function show(index, aloud) {
      at = Math.max(0, Math.min(xs.length - 1, index));
      const cells = [...rows[xs.length - 1 - at].cells].map((cell) => cell.textContent);
      const text = [cells[0], ...cells.slice(1).map((cell, i) => `${heads[i + 1]} ${cell}`)].join(" · ");
      cross.setAttribute("x1", xs[at]);
      cross.setAttribute("x2", xs[at]);
      dots.forEach((dot, i) => {
        const y = ys[i][at];
        dot.setAttribute("visibility", y === null ? "hidden" : "visible");
        dot.setAttribute("cx", xs[at]);
        dot.setAttribute("cy", y ?? 0);
      });
      if (!cross.isConnected) svg.append(cross, ...dots);
      tip.textContent = text;
      tip.hidden = false;
      const room = figure.clientWidth;
      const half = tip.offsetWidth / 2;
      const x = (xs[at] / svg.viewBox.baseVal.width) * room;
      tip.style.left = `${Math.max(half, Math.min(room - half, x))}px`;
      if (aloud) said.textContent = text;
    }
    function hide() {
      at = -1;
      tip.hidden = true;
      cross.remove();
      dots.forEach((dot) => dot.remove());
    }

    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      let low = 0, high = xs.length - 1;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (xs[middle] < x) low = middle; else high = middle;
      }
      show(x - xs[low] < xs[high] - x ? low : high, false);
    });
    svg.addEventListener("pointerleave", () => { if (document.activeElement !== svg) hide(); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.round(xs.length / 10));
      const to = {
        ArrowRight: at + 1, ArrowLeft: at < 0 ? xs.length - 1 : at - 1, Home: 0, End: xs.length - 1,
        PageDown: at + page, PageUp: at - page,
      }[event.key];
      if (event.key === "Escape") hide();
      if (to === undefined) return;
      event.preventDefault();
      show(to, true);
    });
  }

  const startAll = (within) => within.querySelectorAll("[data-chart]").forEach(start);
  startAll(document);
  document.addEventListener("ui:added", (event) => startAll(event.target));
})();

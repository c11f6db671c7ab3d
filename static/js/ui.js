// Comfort for pages that work without it. The only file that names htmx events.
(() => {
  "use strict";

  const words = JSON.parse(document.getElementById("ui-words")?.textContent ?? "{}");
  const region = () => document.getElementById("toasts");

  // ---- Toasts -------------------------------------------------------------------------------------------------------
  function arm(toast, level) {
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.setAttribute("aria-label", words.close ?? "Close");
    close.textContent = "×";
    close.addEventListener("click", () => toast.remove());
    toast.append(close);
    if (level === "bad") return;
    let timer = setTimeout(() => toast.remove(), 8000);
    const hold = () => clearTimeout(timer);
    const resume = () => { hold(); timer = setTimeout(() => toast.remove(), 4000); };
    toast.addEventListener("pointerenter", hold);
    toast.addEventListener("focusin", hold);
    toast.addEventListener("pointerleave", resume);
    toast.addEventListener("focusout", resume);
  }

  function toast(text, level = "ok", links = []) {
    if (!text || !region()) return;
    const box = document.createElement("div");
    box.className = `toast ${["ok", "warn", "bad"].includes(level) ? level : "ok"}`;
    const line = document.createElement("p");
    line.textContent = text;
    for (const [label, href] of links) {
      const link = document.createElement("a");
      link.href = href;
      link.textContent = label;
      line.append(" ", link);
    }
    box.append(line);
    arm(box, level);
    region().append(box);
    while (region().childElementCount > 4) region().firstElementChild.remove();
  }

  for (const drawn of document.querySelectorAll("[data-toast]")) {
    arm(drawn, drawn.classList.contains("bad") ? "bad" : "ok");
  }
  document.addEventListener("toast", (event) => toast(event.detail?.text, event.detail?.level));

  // ---- Theme: the cookie lets the server draw the next page in the same one -------------------------------------------
  const root = document.documentElement;
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-switch]")) return;
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    const secure = location.protocol === "https:" ? "; secure" : "";
    document.cookie = `theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax${secure}`;
  });

  // ---- A form is sent once ------------------------------------------------------------------------------------------
  const pressed = new Map();

  function release(form) {
    const button = pressed.get(form);
    pressed.delete(form);
    if (!button) return;
    button.disabled = false;
    delete button.dataset.busy;
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    const byHtmx = form.matches("[hx-post], [hx-get], [hx-put], [hx-patch], [hx-delete]");
    if (form.method === "dialog" || form.method === "get" || form.target || (event.defaultPrevented && !byHtmx)) return;
    if (pressed.has(form)) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    const button = event.submitter ?? form.querySelector("[type=submit]");
    pressed.set(form, button);
    setTimeout(() => { // after the browser has read the form: a disabled button sends no value
      if (!button || !pressed.has(form)) return;
      button.disabled = true;
      button.dataset.busy = "";
    });
    setTimeout(() => release(form), 10000); // an answer that is a download leaves the page standing
  });
  addEventListener("pageshow", () => [...pressed.keys()].forEach(release));

  // ---- So many boxes may be ticked, no more -------------------------------------------------------------------------
  function limitBoxes() {
    for (const group of document.querySelectorAll("[data-most]")) {
      const boxes = [...group.querySelectorAll("[type=checkbox]")];
      const isFull = boxes.filter((box) => box.checked).length >= Number(group.dataset.most);
      for (const box of boxes) box.disabled = isFull && !box.checked;
    }
  }
  document.addEventListener("change", limitBoxes);
  addEventListener("pageshow", limitBoxes);

  // ---- Shortcuts ----------------------------------------------------------------------------------------------------
  let afterG = 0;
  const go = (selector) => document.querySelector(selector)?.click();
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      region()?.replaceChildren();
      return;
    }
    if (document.body.dataset.shortcuts === "off" || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, select, textarea, [contenteditable], dialog[open], :popover-open")) return;
    if (Date.now() - afterG < 1200) {
      afterG = 0;
      if (/^[a-z]$/.test(event.key)) go(`[data-go="${event.key}"]`);
      return;
    }
    if (event.key === "g") afterG = Date.now();
    else if (event.key === "n") go("[data-new]");
    else if (event.key === "?") document.getElementById("shortcuts")?.showPopover?.();
    else if (event.key === "/") {
      const search = document.getElementById("search");
      if (!search) return;
      event.preventDefault();
      search.focus();
      search.select();
    }
  });

  // ---- Time zone: offered from the browser, where the host has not chosen one -------------------------------------------
  function guessZone(within) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const field of within.querySelectorAll("[name=timezone][data-timezone-guess]")) {
      if (field.value) continue;
      if (field.tagName !== "SELECT" || [...field.options].some((option) => option.value === zone)) field.value = zone;
    }
  }
  guessZone(document);

  // ---- Copying: a field that is chosen whole, and a button where the browser may write the clipboard --------------------
  document.addEventListener("focusin", (event) => {
    if (event.target.matches("input[data-select]")) event.target.select();
  });
  if (document.activeElement?.matches("input[data-select]")) document.activeElement.select();
  for (const button of navigator.clipboard ? document.querySelectorAll("[data-copy]") : []) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).value);
      button.textContent = button.dataset.copied;
    });
  }

  // ---- Passkeys: allauth reports a failure to the document and shows nothing --------------------------------------------
  document.addEventListener("allauth.error", (event) => {
    const error = event.detail?.exception;
    const why = error?.name === "SecurityError" ? words.passkeyHost : error?.message ?? "";
    toast(`${words.passkey} ${why}`, "bad");
  });

  // ---- Without a connection: one page that says so; nothing else is kept ------------------------------------------------
  if (document.body.dataset.worker) {
    addEventListener("load", () => navigator.serviceWorker?.register(document.body.dataset.worker).catch(() => {}));
  }

  // ---- htmx ---------------------------------------------------------------------------------------------------------
  if (window.Idiomorph) { // a refreshed section keeps what is being typed and what is folded open
    Idiomorph.defaults.ignoreActiveValue = true;
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) =>
      !(name === "open" && node.matches("details, dialog"));
    // what a page loads apart stays as it was loaded while the section around it is refreshed
    Idiomorph.defaults.callbacks.beforeNodeMorphed = (node) => !(node.dataset && "apart" in node.dataset);
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt.matches("[data-poll]") && document.hidden) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) document.querySelectorAll("[data-poll]").forEach((part) => part.dispatchEvent(new Event("wake")));
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt.closest("form");
    if (form) release(form);
    for (const waiting of pressed.keys()) if (!waiting.isConnected) pressed.delete(waiting);
  });

  // What was typed outlives the session: kept in this tab, for the same account and page, and back after the sign-in
  const place = (form) => `kept:${form.dataset.keep}:${location.pathname}${location.search}`;
  function keepTyped() {
    for (const form of document.querySelectorAll("form[data-keep]")) {
      const told = [...new FormData(form)].filter(([, value]) => typeof value === "string");
      try { sessionStorage.setItem(place(form), JSON.stringify(told)); } catch { /* nothing may be kept */ }
    }
  }
  function giveBack(form) {
    let told = null;
    try {
      told = JSON.parse(sessionStorage.getItem(place(form)));
      sessionStorage.removeItem(place(form));
    } catch { /* nothing was kept */ }
    if (!Array.isArray(told)) return;
    for (const field of form.elements) {
      const values = told.filter(([name]) => name === field.name).map(([, value]) => value);
      if (field.type === "checkbox" || field.type === "radio") field.checked = values.includes(field.value);
      else if (field.matches("input:not([type=hidden]), select, textarea") && values.length) field.value = values[0];
    }
    toast(words.kept);
    form.querySelector("input:not([type=hidden])")?.dispatchEvent(new Event("change", { bubbles: true }));
  }
  addEventListener("load", () => document.querySelectorAll("form[data-keep]").forEach(giveBack)); // htmx listens by then

  const loginPath = document.body.dataset.login;
  const signIn = () => `${loginPath}?next=${encodeURIComponent(location.pathname + location.search)}`;
  document.addEventListener("htmx:beforeSwap", (event) => { // a session that ended: never a sign-in page inside a page
    const landed = event.detail.xhr.responseURL;
    if (loginPath && landed && new URL(landed).pathname === loginPath && location.pathname !== loginPath) {
      event.detail.shouldSwap = false;
      keepTyped();
      location.assign(signIn());
    }
  });

  document.addEventListener("htmx:responseError", (event) => {
    const { xhr, elt } = event.detail;
    if (elt.matches("[data-poll]") && xhr.status >= 500) return; // the next round asks again
    const links = [];
    let text = words.failed;
    if (xhr.status === 401 || xhr.status === 403) {
      keepTyped();
      text = words.forbidden;
      links.push([words.reload, location.href]);
      if (loginPath) links.push([words.signIn, signIn()]);
    } else if (xhr.status === 404 || xhr.status === 410) text = words.gone;
    else if (xhr.status === 413) text = words.tooLarge;
    else if (xhr.status === 429) text = words.tooMany;
    else {
      const id = xhr.getResponseHeader("X-Request-ID");
      if (id) text = `${text} ${words.errorId} ${id}`;
    }
    toast(text, "bad", links);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      if (!event.detail.elt.matches("[data-poll]")) toast(words.offline, "bad");
    });
  }

  // ---- An answer that is being written: a stream that cannot be opened is left after a few tries ------------------------
  const tries = new WeakMap();
  document.addEventListener("htmx:sseOpen", (event) => tries.delete(event.target));
  document.addEventListener("htmx:sseError", (event) => {
    const { error, source } = event.detail;
    const part = event.target;
    if (error?.type !== "error" || source?.readyState !== EventSource.CLOSED) return; // the browser itself comes back
    tries.set(part, (tries.get(part) ?? 0) + 1);
    if (tries.get(part) < 6) return;
    part.removeAttribute("sse-connect"); // the link in the part shows the answer
    part.removeAttribute("aria-busy");
    part.dataset.lost = "";
  });

  // ---- Focus: to the errors of a form, else to what the swap brought, never lost ------------------------------------------
  let hadFocus = false;
  document.addEventListener("htmx:beforeSwap", (event) => {
    hadFocus = event.detail.target.contains(document.activeElement) && document.activeElement !== document.body;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    const part = event.detail.elt;
    guessZone(part);
    (part.parentElement ?? document.body).dispatchEvent(new Event("ui:added", { bubbles: true })); // for chart.js
    const summary = part.matches("[data-summary]") ? part : part.querySelector("[data-summary]");
    const wanted = summary ?? part.querySelector("[autofocus], [data-focus]");
    if (wanted) {
      wanted.focus();
    } else if (hadFocus && document.activeElement === document.body && !part.matches("[data-poll]")) {
      if (!part.hasAttribute("tabindex")) part.tabIndex = -1;
      part.focus({ preventScroll: true });
    }
    hadFocus = false;
  });
})();

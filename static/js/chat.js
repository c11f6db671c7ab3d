// Comfort for the advisor's pages, which work without it: Enter sends, a draft stays, the newest message is in view.
(() => {
  "use strict";

  const talk = document.querySelector(".talk");
  if (!talk) return;
  const log = document.getElementById("log");
  const box = () => document.getElementById("composer");
  const field = () => document.getElementById("ask-text");
  const FROM = 7000; // characters from which on they are counted

  // ---- A draft is kept in this browser, for this account and conversation ------------------------------------------------
  function keep(name, text) {
    try {
      if (text.trim()) localStorage.setItem(name, text);
      else localStorage.removeItem(name);
    } catch { /* private windows may keep nothing */ }
  }
  function kept(name) {
    try {
      return localStorage.getItem(name) ?? "";
    } catch {
      return "";
    }
  }
  const name = (form) => `draft:${form.dataset.draft}`;
  const asked = () => [...talk.querySelectorAll(".question .plain")].at(-1)?.textContent.trim() ?? "";

  function arrive() {
    const form = box();
    const text = field();
    if (!form?.dataset.draft || !text || form.dataset.arrived) return;
    form.dataset.arrived = "";
    const last = asked();
    for (const key of [name(form), ...(form.dataset.before ?? "").split(" ").map((one) => `draft:${one}`)]) {
      if ("sent" in form.dataset ? key === name(form) : last && kept(key).trim() === last) keep(key, "");
    }
    if (!text.value && kept(name(form))) text.value = kept(name(form));
    if ("sent" in form.dataset) text.focus({ preventScroll: true });
    count();
  }

  // ---- Characters near the limit -----------------------------------------------------------------------------------------
  function count() {
    const text = field();
    const place = document.getElementById("composer-count");
    if (!text || !place) return;
    const length = [...text.value.trim()].length; // as the server counts: characters, without the space around
    const most = Number(text.dataset.most);
    place.textContent = length < FROM ? "" : `${length.toLocaleString()} / ${most.toLocaleString()}`;
    place.classList.toggle("is-bad", length > most);
  }

  document.addEventListener("input", (event) => {
    if (event.target.id !== "ask-text") return;
    keep(name(box()), event.target.value);
    count();
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "ask-text" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const button = box().querySelector("button[type=submit]");
    if (button && !button.disabled && event.target.value.trim()) box().requestSubmit(button);
  });

  // ---- The end stays in view while an answer is written, unless the reader scrolled away ------------------------------------
  let follows = true;
  const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
  const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight });
  addEventListener("scroll", () => { follows = atEnd(); }, { passive: true });

  // Without a session the line beside the button would take the reader away from the words that say so.
  function still() {
    const foot = document.getElementById("composer-foot");
    if (!foot || "still" in foot.dataset) return;
    const copy = foot.cloneNode(true); // htmx knows nothing of it
    copy.dataset.still = "";
    foot.replaceWith(copy);
  }

  let wasBusy = Boolean(log?.querySelector("[aria-busy=true]"));
  if (log) {
    new MutationObserver(() => {
      const isBusy = Boolean(log.querySelector("[aria-busy=true]"));
      if (log.querySelector("[data-signed-out]")) still();
      else if (wasBusy && !isBusy) document.getElementById("composer-foot")?.dispatchEvent(new Event("ended"));
      if (follows && (isBusy || wasBusy)) toEnd();
      wasBusy = isBusy;
    }).observe(log, { childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["aria-busy"] });
  }
  new MutationObserver(() => { arrive(); count(); }).observe(talk, { childList: true });
  arrive();
  if (log && !new URLSearchParams(location.search).has("before")) {
    const place = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    if (place && !place.matches(".turn:last-child *")) place.scrollIntoView();
    else toEnd();
  }

  // ---- The list is folded on a phone, open beside the conversation ---------------------------------------------------------
  const fold = document.querySelector(".threads .fold");
  const wide = matchMedia("(min-width: 1001px)");
  const unfold = () => { if (fold && wide.matches) fold.open = true; };
  wide.addEventListener("change", unfold);
  unfold();
})();

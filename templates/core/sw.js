{% load static %}// Shows one page while there is no connection. No page of anybody is kept.
const PAGE = "{% url 'core:offline' %}";
const FILES = ["{% static 'css/app.css' %}", "{% static 'vendor/inter/inter-latin-wght-normal.woff2' %}", "{% static 'icons.svg' %}", "{% static 'favicon.svg' %}"];
const CACHE = `offline ${FILES.join(" ")}`; // the names carry hashes: new files, new cache

addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) => cache.addAll([new Request(PAGE, { cache: "reload" }), ...FILES])).then(() => skipWaiting()),
  );
});

addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys().then((names) => Promise.all(names.filter((name) => name !== CACHE).map((name) => caches.delete(name)))),
  );
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(() => caches.match(PAGE)));
  } else if (FILES.includes(new URL(request.url).pathname)) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  }
});

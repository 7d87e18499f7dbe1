// Keeps a page fresh while it is looked at: when the indexer tells of news, the page's content is fetched again. Everything works
// without this script.
"use strict";
(() => {
  const PAUSE_MILLIS = 3000;
  const main = document.getElementById("main");
  const names = document.currentScript.dataset.events.split(" ");
  if (!main || !window.EventSource || new URLSearchParams(location.search).has("cursor")) return;
  let timer = null;
  let missed = false;
  const isInUse = () =>
    document.hidden ||
    main.querySelector("details[open]") ||
    (main !== document.activeElement && main.contains(document.activeElement)) ||
    !document.getSelection().isCollapsed;
  const renew = async () => {
    timer = null;
    // What somebody reads, follows or marks does not change under their hands.
    if (isInUse()) {
      missed = true;
      return;
    }
    missed = false;
    const response = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("main");
    if (fresh && !isInUse()) main.replaceChildren(...fresh.childNodes);
  };
  const plan = () => {
    timer ??= setTimeout(() => renew().catch(() => {}), PAUSE_MILLIS);
  };
  document.addEventListener("visibilitychange", () => {
    if (missed && !document.hidden) plan();
  });
  const stream = new EventSource("/v1/stream");
  for (const name of names) stream.addEventListener(name, plan);
  addEventListener("pagehide", () => stream.close());
})();

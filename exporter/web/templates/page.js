// Fetches the same page again, and changes only what differs: focus, selection, scroll position and opened
// details stay. Works on plain server-made HTML; without it the page is the same, only still.
"use strict";

const every = Number(document.body.dataset.refresh) * 1000;
const form = document.getElementById("filter");
const status = document.getElementById("status");
const news = document.getElementById("news");
const clock = { offset: Number(document.body.dataset.now) - Date.now() / 1000, shown: Number(document.body.dataset.now) };
let timer = 0;
let running = null;

function keyed(nodes) {
  const map = new Map();
  for (const node of nodes) if (isKeyed(node)) map.set(node.dataset.key, node);
  return map;
}

function patch(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return void old.replaceWith(fresh);
  if (old.nodeType !== Node.ELEMENT_NODE) return void (old.data = fresh.data);
  for (const { name } of [...old.attributes])
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  children(old, fresh);
}

// What has a key is matched by it, the rest by its place. An element that is moved loses the focus, so whatever
// goes is taken out first, and nothing moves unless the order changed.
function children(old, fresh) {
  const known = keyed(old.children);
  const wanted = [...fresh.childNodes];
  const staying = keyed(wanted);
  for (const [key, node] of known) if (!staying.has(key)) node.remove();
  let at = old.firstChild;
  for (const node of wanted) {
    const same = node.dataset && known.get(node.dataset.key);
    if (same) while (at !== same && at && !isKeyed(at)) at = removed(at);
    if (same && same === at) {
      at = at.nextSibling;
      patch(same, node);
    } else if (same) {
      old.insertBefore(same, at);
      patch(same, node);
    } else if (at && !isKeyed(at) && !isKeyed(node)) {
      const next = at.nextSibling;
      patch(at, node);
      at = next;
    } else {
      old.insertBefore(node, at);
    }
  }
  while (at) at = removed(at);
}

function isKeyed(node) {
  return Boolean(node.dataset && node.dataset.key);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function span(seconds) {
  const rest = Math.max(0, Math.floor(seconds));
  if (rest >= 86400) return join(rest, 86400, "d", 3600, "h");
  if (rest >= 3600) return join(rest, 3600, "h", 60, "min");
  if (rest >= 60) return `${Math.floor(rest / 60)} min`;
  return `${rest} s`;
}

function join(rest, size, unit, below, lower) {
  const more = Math.floor((rest % size) / below);
  return `${Math.floor(rest / size)} ${unit}` + (more ? ` ${more} ${lower}` : "");
}

function tick() {
  if (document.hidden) return;
  const now = Date.now() / 1000 + clock.offset;
  for (const time of document.querySelectorAll("time[data-at]")) {
    const at = Number(time.dataset.at);
    let text = at < now ? `${span(now - at)} ago` : `in ${span(at - now)}`;
    if (Math.abs(at - now) < 1) text = "now";
    if (time.dataset.due && at <= now) text = "due";
    if (time.firstChild.data !== text) time.firstChild.data = text;
  }
}

function utc(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ") + " UTC";
}

function lost() {
  if (!document.body.classList.contains("lost")) news.textContent = "connection lost";
  document.body.classList.add("lost");
  status.textContent = `connection lost, data from ${utc(clock.shown).slice(11)}`;
}

function show(fresh) {
  if (document.body.classList.contains("lost")) news.textContent = "connected again";
  document.body.classList.remove("lost");
  clock.shown = Number(fresh.body.dataset.now);
  clock.offset = clock.shown - Date.now() / 1000;
  document.title = fresh.title;
  status.textContent = `as of ${utc(clock.shown)}`;
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = fresh.getElementById(part.id);
    if (newer) patch(part, newer);
  }
  tick();
}

async function refresh() {
  clearTimeout(timer);
  if (running) running.abort();
  const mine = (running = new AbortController());
  const deadline = setTimeout(() => mine.abort(), 10000);
  try {
    const answer = await fetch(location.href, { signal: mine.signal, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (running === mine) show(new DOMParser().parseFromString(text, "text/html"));
  } catch (error) {
    if (running === mine) lost();
  } finally {
    clearTimeout(deadline);
    if (running === mine) {
      running = null;
      if (!document.hidden) timer = setTimeout(refresh, every);
    }
  }
}

function apply() {
  const said = [...new FormData(form)].filter(([name, value]) => value && !(name === "sort" && value === "state"));
  const query = new URLSearchParams(said).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
  refresh();
}

if (every) {
  timer = setTimeout(refresh, every);
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) refresh();
  });
}

if (form && every) {
  let typing = 0;
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(apply, 200);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(typing);
    apply();
  });
}

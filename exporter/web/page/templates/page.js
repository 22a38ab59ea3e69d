// Fetches the same page again, and changes only what differs: focus, selection, scroll position and opened
// details stay. Works on plain server-made HTML; without it the page is the same, only still.
"use strict";

const every = Number(document.body.dataset.refresh) * 1000;
const form = document.getElementById("filter");
const status = document.getElementById("status");
const news = document.getElementById("news");
const clock = { offset: Number(document.body.dataset.now) - Date.now() / 1000, shown: Number(document.body.dataset.now) };
const hiddenEvery = 60000;
const tag = { of: "", text: "" };
let timer = 0;
let running = null;
const texts = JSON.parse(document.body.dataset.texts || "{}");
document.documentElement.classList.add("scripted");

function say(text, values = {}) {
  return (texts[text] || text).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

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
  if (rest >= 60) return `${Math.floor(rest / 60)} ${say("min")}`;
  return `${rest} ${say("s")}`;
}

function join(rest, size, unit, below, lower) {
  const more = Math.floor((rest % size) / below);
  return `${Math.floor(rest / size)} ${say(unit)}` + (more ? ` ${more} ${say(lower)}` : "");
}

function tick() {
  if (document.hidden) return;
  const now = Date.now() / 1000 + clock.offset;
  for (const time of document.querySelectorAll("time[data-at]")) {
    const at = Number(time.dataset.at);
    let text = at < now ? say("{span} ago", { span: span(now - at) }) : say("in {span}", { span: span(at - now) });
    if (Math.abs(at - now) < 1) text = say("now");
    if (time.dataset.due && at <= now) text = say("due");
    if (time.dataset.form === "for") text = span(now - at);
    if (time.dataset.form === "clock") {
      time.dataset.said = time.dataset.said || time.firstChild.data;
      text = local.on ? local.text(at, now) : time.dataset.said;
    }
    if (time.firstChild.data !== text) time.firstChild.data = text;
  }
}

// The reader's own clock: what the server wrote stays beside it, to go back to.
const local = {
  on: stored("clock") === "local",
  text(at, now) {
    const [there, today] = [new Date(at * 1000), new Date(now * 1000)];
    const time = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    const place = document.documentElement.lang === "zh" ? "zh-CN" : "en-GB";
    if (there.toDateString() === today.toDateString()) return there.toLocaleTimeString(place, time);
    return there.toLocaleString(place, { day: "2-digit", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  },
};

// What the reader chose stays in the browser, where it keeps anything.
function stored(name, value) {
  try {
    if (value !== undefined) localStorage.setItem(name, value);
    return localStorage.getItem(name);
  } catch {
    return value || null;
  }
}

const favourites = new Set((stored("favourites") || "").split("\n").filter(Boolean));
const longestAddress = 6000;

function stars() {
  for (const star of document.querySelectorAll("button.star"))
    star.setAttribute("aria-pressed", String(favourites.has(encodeURIComponent(star.dataset.star))));
  const all = document.getElementById("starred");
  if (!all || all.hasAttribute("aria-current")) return;
  const address = new URL(all.dataset.none, document.baseURI);
  for (const name of favourites)
    if (address.href.length + name.length < longestAddress) address.searchParams.append("job", decodeURIComponent(name));
  all.href = address.search;
  all.parentElement.hidden = !favourites.size;
}

function utc(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ") + " UTC";
}

function lost() {
  if (!document.body.classList.contains("lost")) news.textContent = say("connection lost");
  document.body.classList.add("lost");
  status.textContent = say("connection lost, data from {time}", { time: utc(clock.shown).slice(11) });
}

function answered() {
  if (document.body.classList.contains("lost")) news.textContent = say("connected again");
  document.body.classList.remove("lost");
  status.textContent = `${say("as of")} ${utc(clock.shown)}`;
}

function show(fresh) {
  clock.shown = Number(fresh.body.dataset.now);
  clock.offset = clock.shown - Date.now() / 1000;
  if (document.title !== fresh.title) document.title = fresh.title;
  const icon = fresh.getElementById("icon").getAttribute("href");
  if (document.getElementById("icon").getAttribute("href") !== icon) document.getElementById("icon").setAttribute("href", icon);
  answered();
  for (const part of document.querySelectorAll("[data-live]")) {
    const newer = fresh.getElementById(part.id);
    if (newer) patch(part, newer);
    else part.replaceChildren(gone());
  }
  stars();
  tick();
  notify(clock.shown);
}

// What failed or became blind since the page before is shown by the browser, if the reader wants it.
const bell = document.getElementById("notify");
const notified = { until: clock.shown, on: Boolean(bell) && window.isSecureContext && "Notification" in window };

function notify(until) {
  const since = notified.until;
  notified.until = until;
  if (!notified.on || stored("notify") !== "on" || Notification.permission !== "granted") return;
  const fresh = [...document.querySelectorAll("#changes li")].filter(
    (line) => Number(line.querySelector("time").dataset.at) > since && line.querySelector(".is-failed, .is-stale, .is-unanswered"),
  );
  const lines = fresh.slice(0, 5).map((line) => line.textContent.replace(/\s+/g, " ").trim());
  try {
    if (lines.length) new Notification(document.title, { body: lines.join("\n"), tag: "jobs" }).onclick = () => window.focus();
  } catch {
    // a browser that has them for service workers only
  }
}

if (notified.on) {
  const press = (on) => {
    stored("notify", on ? "on" : "");
    bell.setAttribute("aria-pressed", String(on));
  };
  bell.hidden = false;
  press(stored("notify") === "on" && Notification.permission === "granted");
  bell.addEventListener("click", async () => {
    const wanted = bell.getAttribute("aria-pressed") !== "true";
    press(wanted && (await Notification.requestPermission()) === "granted");
    if (wanted && Notification.permission !== "granted") news.textContent = say("the browser allows no notifications");
  });
}

function gone() {
  const text = document.createElement("p");
  text.className = "empty";
  text.textContent = say("This job is not registered any more.");
  return text;
}

// All readers ask at the same moments, by the exporter's clock, so that one page is made for all of them.
function pause() {
  if (document.hidden) return hiddenEvery;
  const passed = (Date.now() + clock.offset * 1000) % every;
  return every - passed + (passed > every - 1000 ? every : 0);
}

function same(answer) {
  clock.shown = Date.parse(answer.headers.get("Date")) / 1000 || clock.shown;
  answered();
}

async function refresh() {
  clearTimeout(timer);
  if (running) running.abort();
  const mine = (running = new AbortController());
  const deadline = setTimeout(() => mine.abort(), 10000);
  try {
    const address = new URL(location.href);
    address.searchParams.set("part", "rows");
    address.hash = "";
    const headers = tag.of === address.href ? { "If-None-Match": tag.text } : {};
    const answer = await fetch(address, { signal: mine.signal, cache: "no-store", headers });
    if (!answer.ok && answer.status !== 404 && answer.status !== 304) throw new Error(String(answer.status));
    const text = await answer.text();
    if (running === mine && answer.status === 304) same(answer);
    else if (running === mine) {
      show(new DOMParser().parseFromString(text, "text/html"));
      tag.of = address.href;
      tag.text = answer.headers.get("ETag") || "";
    }
  } catch (error) {
    if (running === mine) lost();
  } finally {
    clearTimeout(deadline);
    if (running === mine) {
      running = null;
      timer = setTimeout(refresh, pause());
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
  timer = setTimeout(refresh, pause());
  setInterval(tick, 1000);
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(refresh, hiddenEvery);
    else refresh();
  });
}

const button = document.getElementById("local");
if (button) {
  const press = () => {
    button.setAttribute("aria-pressed", String(local.on));
    tick();
  };
  button.addEventListener("click", () => {
    local.on = !local.on;
    stored("clock", local.on ? "local" : "");
    press();
  });
  press();
}

stars();
document.addEventListener("click", (event) => {
  const star = event.target.closest("button.star");
  if (!star) return;
  const name = encodeURIComponent(star.dataset.star);
  if (!favourites.delete(name)) favourites.add(name);
  stored("favourites", [...favourites].join("\n"));
  stars();
});

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("button.copy");
  if (!copy) return;
  let text = copy.dataset.copy;
  const path = /^(curl ')([^']*)'$/.exec(text); // where this page is, other tools find it too
  if (path) text = `${path[1]}${new URL(path[2], location.href).href.replaceAll("'", "%27")}'`;
  try {
    await navigator.clipboard.writeText(text);
    news.textContent = say("copied");
  } catch {
    // without TLS there is no clipboard: what is to be copied is selected
    const code = copy.previousElementSibling;
    if (code) getSelection().selectAllChildren(code);
    news.textContent = say("selected; copy it by Ctrl+C");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.nodeName)) return;
  if (event.key === "/" && form) {
    event.preventDefault();
    form.elements.q.focus();
  }
  if (event.key !== "j" && event.key !== "k") return;
  const links = [...document.querySelectorAll("#rows .c-job a")];
  const at = links.indexOf(document.activeElement.closest("tr") && document.activeElement.closest("tr").querySelector(".c-job a"));
  const next = links[event.key === "j" ? at + 1 : at < 0 ? links.length - 1 : at - 1];
  if (next) next.focus();
});

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

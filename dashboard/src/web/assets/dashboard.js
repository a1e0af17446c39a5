// What a page does once it is there: it stays true, speaks the reader's time, and obeys the keyboard. Works without, too:
// every page is a whole document, and every action a form.
"use strict";

const base = document.body.dataset.base;
const main = document.getElementById("main");
const live = document.getElementById("live");
const chosen = new Set();

// --- the reader's time ---

function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.getAttribute("datetime"));
    if (isNaN(at)) continue;
    const far = Math.abs(Date.now() - at) > 20 * 3600e3;
    const text = at.toLocaleString("en-GB", { ...(far && { year: "numeric", month: "short", day: "numeric" }), hour: "2-digit", minute: "2-digit", second: "2-digit" });
    time.title = at.toISOString().replace("T", " ").replace("Z", " UTC");
    time.dataset.utc = time.textContent;
    time.textContent = text;
    time.dataset.local = "";
  }
}

// --- staying true ---

// Makes `now` like `wanted`, touching only what differs: what is selected, focused, open or typed stays.
function morph(now, wanted) {
  if (now.nodeType !== wanted.nodeType || now.nodeName !== wanted.nodeName) return now.replaceWith(wanted);
  if (now.nodeType === Node.TEXT_NODE) {
    if (now.data !== wanted.data) now.data = wanted.data;
    return;
  }
  if (now.nodeType !== Node.ELEMENT_NODE) return;
  if (now.hasAttribute("data-keep")) return;
  if (now.nodeName === "TIME" && now.getAttribute("datetime") === wanted.getAttribute("datetime") && now.dataset.local !== undefined) return;
  for (const { name, value } of [...wanted.attributes]) if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  for (const { name } of [...now.attributes]) {
    const ours = name === "open" || name === "data-local" || name === "data-utc" || (name === "class" && now.classList.contains("at"));
    if (!ours && !wanted.hasAttribute(name)) now.removeAttribute(name);
  }
  if (now.nodeName === "TEXTAREA" || now.nodeName === "SELECT" || now.nodeName === "INPUT") return;
  children(now, wanted);
}

function children(now, wanted) {
  const known = new Map([...now.children].filter((child) => child.id).map((child) => [child.id, child]));
  let at = now.firstChild;
  for (const child of [...wanted.childNodes]) {
    const same = child.id && known.get(child.id);
    if (same) {
      if (same === at) at = at.nextSibling;
      else now.insertBefore(same, at);
      morph(same, child);
    } else if (at && !at.id && !child.id && at.nodeName === child.nodeName) {
      const next = at.nextSibling;
      morph(at, child);
      at = next;
    } else {
      now.insertBefore(child, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function show(content) {
  const template = document.createElement("template");
  template.innerHTML = content;
  const wanted = document.createElement("main");
  wanted.append(template.content);
  const row = main.querySelector("tr.at");
  children(main, wanted);
  if (row && row.isConnected) row.classList.add("at");
  for (const box of main.querySelectorAll("input[type=checkbox][name=id]")) box.checked = chosen.has(box.value);
  localise(main);
  counted();
}

function state(name, word) {
  if (!live) return;
  live.dataset.state = name;
  live.querySelector(".word").textContent = word;
}

let source = null;
function follow() {
  if (!main || !main.dataset.live || main.querySelector("[data-still]")) return state("off", "still");
  // The address says which; the browser asks for a stream of it.
  source = new EventSource(main.dataset.live);
  source.addEventListener("open", () => state("on", "live"));
  source.addEventListener("main", (event) => {
    state("on", "live");
    show(event.data);
  });
  source.addEventListener("trouble", (event) => state("lost", event.data));
  source.addEventListener("error", () => state("lost", "no connection; trying again"));
}
function hold() {
  if (source) {
    source.close();
    source = null;
    state("held", "held; press . to go on");
  } else follow();
}
// A page that nobody sees costs nothing.
document.addEventListener("visibilitychange", () => {
  if (document.hidden && source) {
    source.close();
    source = null;
  } else if (!document.hidden && !source && live?.dataset.state !== "held") follow();
});

// --- choosing rows ---

function counted() {
  for (const place of document.querySelectorAll("[data-chosen]")) place.textContent = chosen.size;
  for (const bar of document.querySelectorAll("[data-with-chosen]")) bar.hidden = chosen.size === 0;
}
document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.matches("input[type=checkbox][name=id]")) {
    if (box.checked) chosen.add(box.value);
    else chosen.delete(box.value);
  } else if (box.matches("input[type=checkbox][data-all]")) {
    for (const one of main.querySelectorAll("input[type=checkbox][name=id]")) {
      one.checked = box.checked;
      if (box.checked) chosen.add(one.value);
      else chosen.delete(one.value);
    }
  } else if (box.matches("select[data-go]")) {
    return box.form.requestSubmit();
  }
  counted();
});
// A form that acts on the chosen carries their ids in a field of its own.
document.addEventListener("submit", (event) => {
  const field = event.target.querySelector("input[data-ids]");
  if (field) field.value = JSON.stringify([...chosen]);
});

// --- the keyboard ---

const places = { o: "/", e: "/events", j: "/jobs", q: "/queues", d: "/dead", w: "/workers", s: "/schedules", t: "/topics", g: "/sagas", r: "/routes", a: "/audit" };
let going = false;
function step(by) {
  const rows = [...main.querySelectorAll("table.rows tbody tr")];
  if (rows.length === 0) return;
  const at = rows.findIndex((row) => row.classList.contains("at"));
  const next = rows[Math.max(0, Math.min(rows.length - 1, at < 0 ? 0 : at + by))];
  rows[at]?.classList.remove("at");
  next.classList.add("at");
  next.scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog[open]")) return;
  if (going) {
    going = false;
    if (places[event.key] !== undefined) location.href = base + places[event.key];
    return;
  }
  const row = main.querySelector("tr.at");
  switch (event.key) {
    case "/": document.querySelector(".find input")?.focus(); break;
    case "j": step(1); break;
    case "k": step(-1); break;
    case "Enter":
      if (!row || event.target.closest("a, button")) return;
      row.querySelector("a")?.click();
      break;
    case "x": row?.querySelector("input[type=checkbox]")?.click(); break;
    case "g": going = true; setTimeout(() => (going = false), 1500); break;
    case ".": hold(); break;
    case "?": document.getElementById("keys")?.showModal(); break;
    default: return;
  }
  event.preventDefault();
});

// --- light and dark ---

const theme = localStorage.getItem("millgate-theme");
if (theme) document.documentElement.dataset.theme = theme;
document.getElementById("theme")?.addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("millgate-theme", document.documentElement.dataset.theme);
});

localise(document);
counted();
follow();

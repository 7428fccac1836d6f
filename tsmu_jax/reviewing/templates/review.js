"use strict";

const queue = JSON.parse(document.getElementById("data").textContent);
const all = queue.candidates;
const KEY = "tsmu-review/" + queue.inventory + "/" + queue.digest;
const $ = (id) => document.getElementById(id);
let state = {name: "", at: 0, events: [], saved: 0};
let keeps = true;

// What this browser keeps: the name, the place, and every decision and undoing in turn.
function load() {
  try {
    const held = JSON.parse(localStorage.getItem(KEY));
    if (held && Array.isArray(held.events)) state = held;
  } catch { keeps = false; }
  if (!(state.at >= 0 && state.at < all.length)) state.at = 0;
}

function keep() {
  try { localStorage.setItem(KEY, JSON.stringify(state)); } catch { keeps = false; }
}

function tell(words, bad = false) {
  $("told").textContent = words;
  $("told").classList.toggle("bad", bad);
}

function verdicts() {
  const found = new Map();
  for (const one of state.events) {
    if (one.verdict === "undone") found.delete(one.landslide);
    else found.set(one.landslide, one.verdict);
  }
  return found;
}

function element(name, attributes = {}, text = "") {
  const made = name === "svg" || name === "path" ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function draw(one) {
  const stack = $("stack");
  stack.replaceChildren(element("img", {class: "post", src: one.post, alt: "After the event", draggable: "false"}));
  if (one.pre) stack.append(element("img", {class: "pre", src: one.pre, alt: "Before the event", draggable: "false"}));
  const svg = element("svg", {viewBox: `0 0 ${one.width} ${one.height}`, preserveAspectRatio: "none", "aria-hidden": "true"});
  for (const kind of ["under-line", "line"]) svg.append(element("path", {class: kind, d: one.path}));
  svg.toggleAttribute("hidden", $("outline").getAttribute("aria-pressed") === "false");
  stack.append(svg);
  stack.style.aspectRatio = `${one.width} / ${one.height}`;
  stack.style.width = `min(100%, var(--tall) * ${one.width / one.height})`;
  $("sliding").hidden = $("flick").hidden = !one.pre;
  slide();
}

function slide() {
  $("stack").style.setProperty("--split", $("slider").value + "%");
  $("slider").setAttribute("aria-valuetext", $("slider").value + " % before the event");
}

function counts() {
  const found = verdicts(), numbers = {accepted: 0, unsure: 0, rejected: 0};
  for (const verdict of found.values()) numbers[verdict] += 1;
  $("progress").max = all.length;
  $("progress").value = found.size;
  $("counts").textContent = `${found.size} of ${all.length} decided: ${numbers.accepted} accepted, ${numbers.unsure} unsure, ${numbers.rejected} rejected`;
  $("save").disabled = !state.events.length;
  const unsaved = state.events.length - state.saved;
  $("save").textContent = unsaved > 0 ? `Save (${unsaved})` : state.saved ? "Saved" : "Save";
  $("undo").disabled = !last();
  return found;
}

function show() {
  const one = all[state.at], found = counts();
  $("name").value = state.name;
  $("which").textContent = `Candidate ${state.at + 1} of ${all.length}`;
  const verdict = found.get(one.landslide);
  $("verdict").textContent = verdict ? "You: " + verdict : one.seen === "unreviewed" ? "" : "So far: " + one.seen;
  $("verdict").className = "verdict " + (verdict || "");
  document.querySelectorAll("button.verdict").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict)));
  $("facts").replaceChildren(...one.facts.map(([name, words]) => {
    const row = element("div");
    row.append(element("dt", {}, name), element("dd", {}, words));
    return row;
  }));
  $("previous").disabled = state.at === 0;
  $("next").disabled = state.at === all.length - 1;
  draw(one);
}

function go(to) {
  if (to < 0 || to >= all.length) return;
  state.at = to;
  $("reason").value = "";
  $("slider").value = 50;
  keep();
  show();
}

function write(landslide, verdict, seen, reason) {
  const event = {landslide, verdict, seen, reviewer: state.name, decided_at: new Date().toISOString()};
  if (reason) event.reason = reason;
  state.events.push(event);
}

function decide(verdict) {
  if (!state.name) {
    tell("Say who you are first.", true);
    $("name").focus();
    return;
  }
  const one = all[state.at];
  write(one.landslide, verdict, one.seen, $("reason").value.trim());
  const found = verdicts();
  let to = state.at;
  for (let step = 1; step <= all.length; step++) {
    const at = (state.at + step) % all.length;
    if (!found.has(all[at].landslide)) { to = at; break; }
  }
  const done = found.size === all.length;
  tell(`Candidate ${state.at + 1}: ${verdict}.` + (done ? " That was the last one: save your decisions." : ""));
  go(to);
}

// The reviewer's last decision that stands: nobody takes back what another has said.
function last() {
  const undone = new Map();
  for (let index = state.events.length - 1; index >= 0; index--) {
    const one = state.events[index];
    if (one.reviewer !== state.name) continue;
    if (one.verdict === "undone") undone.set(one.landslide, true);
    else if (!undone.has(one.landslide)) return one;
  }
  return null;
}

function undo() {
  const one = last();
  if (!one) return;
  write(one.landslide, "undone", one.seen, "");
  tell("Taken back: " + one.verdict + ".");
  go(Math.max(0, all.findIndex((each) => each.landslide === one.landslide)));
}

function save() {
  const content = {format: queue.format, schema: queue.schema, inventory: queue.inventory, queue: queue.digest, decisions: state.events};
  const address = URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], {type: "application/json"}));
  const link = element("a", {href: address, download: `decisions_${queue.digest}.json`});
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
  state.saved = state.events.length;
  keep();
  counts();
  tell(`${state.events.length} entries saved as decisions_${queue.digest}.json.`);
}

function flick() {
  $("slider").value = Number($("slider").value) > 50 ? 0 : 100;
  slide();
}

function outline() {
  const shown = $("outline").getAttribute("aria-pressed") === "false";
  $("outline").setAttribute("aria-pressed", String(shown));
  $("stack").querySelector("svg").toggleAttribute("hidden", !shown);
}

const KEYS = {
  a: () => decide("accepted"), r: () => decide("rejected"), u: () => decide("unsure"), z: undo, b: flick, o: outline,
  n: () => go(state.at + 1), p: () => go(state.at - 1), ArrowRight: () => go(state.at + 1), ArrowLeft: () => go(state.at - 1),
};

// A finger on the picture moves the line, too.
function drag(event) {
  if (!event.buttons || $("sliding").hidden) return;
  const box = $("stack").getBoundingClientRect();
  $("slider").value = Math.round(100 * (event.clientX - box.left) / box.width);
  slide();
}

addEventListener("keydown", (event) => {
  const writes = event.target.matches("input:not([type=range]), textarea");
  const slides = event.target.matches("input[type=range]") && event.key.startsWith("Arrow");
  const does = Object.hasOwn(KEYS, event.key) ? KEYS[event.key] : null;
  if (!does || writes || slides || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  does();
});
document.querySelectorAll("button.verdict").forEach((button) => button.addEventListener("click", () => decide(button.dataset.verdict)));
for (const [id, does] of Object.entries({undo, save, flick, outline, next: KEYS.n, previous: KEYS.p})) $(id).addEventListener("click", does);
$("slider").addEventListener("input", slide);
for (const kind of ["pointerdown", "pointermove"]) $("stack").addEventListener(kind, drag);
$("name").addEventListener("input", () => { state.name = $("name").value.trim(); keep(); });
$("name").addEventListener("keydown", (event) => { if (event.key === "Enter") $("which").focus(); });
$("name").addEventListener("change", () => { $("name").value = state.name; counts(); });
addEventListener("storage", (event) => { if (event.key === KEY) { load(); show(); } });  // the same page in another tab

load();
show();
keep();
if (!keeps) tell("This browser keeps nothing for pages on a disk: save your decisions before you close it.", true);
else if (state.events.length) tell("Going on where you were.");

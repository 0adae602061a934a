"use strict";
// Points are pixels of the stored image, in flat lists x, y, x, y, ...
const data = JSON.parse(document.getElementById("data").textContent);
const STORE = `agn_d2 landmark report ${data.id}`;
const CHUNK = 80;
const byId = (id) => document.getElementById(id);

// --- What a person says of the images: name -> {edit: {wall, nipple, line}, ok, contourWrong} ---

let marks = {};
let storable = true;
try {
  marks = JSON.parse(localStorage.getItem(STORE) || "{}");
} catch (error) {
  storable = false;
}

function keep(image, changes) {
  marks[image.name] = { ...marks[image.name], ...changes };
  try {
    localStorage.setItem(STORE, JSON.stringify(marks));
  } catch (error) {
    storable = false;
  }
  if (!storable) say("This browser cannot keep your marks: save them before you leave.");
}

const mark = (image) => marks[image.name] || {};
// A correction made here wins over the one that came with the page.
const edit = (image) => mark(image).edit || image.given || {};
const isCorrected = (image) => Object.keys(edit(image)).length > 0;
const hasMovedWall = (image) => (edit(image).wall || image.wall) !== image.wall;

function missingParts(image) {
  if (!hasMovedWall(image)) return [];
  const needed = image.view === "MLO" ? ["nipple", "line"] : ["nipple"];
  return needed.filter((part) => !edit(image)[part]);
}

function landmarks(image) {
  const now = { wall: image.wall, nipple: image.nipple, line: image.line, ...edit(image) };
  if (hasMovedWall(image) && image.view === "CC" && !edit(image).line) {
    const xs = image.contour.filter((_, k) => k % 2 === 0);
    const ys = image.contour.filter((_, k) => k % 2 === 1);
    const x = now.wall === "left" ? Math.min(...xs) : Math.max(...xs);
    now.line = [x, Math.min(...ys), x, Math.max(...ys)];
  }
  return now;
}

// The nodes were placed by the landmarks that the page was made with.
const hasOldNodes = (image) => JSON.stringify(edit(image)) !== JSON.stringify(image.given || {});

// --- Drawing ---

function overlay(image, first) {
  const now = landmarks(image);
  const [x1, y1, x2, y2] = now.line;
  const nodes = hasOldNodes(image) ? [] : pairs(image.nodes);
  const dots = nodes.map(([x, y]) => `M${x} ${y}h.01`).join("");
  const skin = pairs(image.contour).map(([x, y]) => `${x} ${y}`).join("L");
  const size = image.h / 90;
  return `<svg viewBox="0 0 ${image.w} ${image.h}" preserveAspectRatio="none">
    <path class="contour" d="M${skin}"/><path class="pectoral" d="M${x1} ${y1}L${x2} ${y2}"/>
    <path class="nodes" d="${dots}"/>
    <circle class="nipple" cx="${now.nipple[0]}" cy="${now.nipple[1]}" r="${size}"/>
    ${first ? `<circle class="first" cx="${first[0]}" cy="${first[1]}" r="${size / 2}"/>` : ""}</svg>`;
}

function pairs(flat) {
  const points = [];
  for (let k = 0; k < flat.length; k += 2) points.push([flat[k], flat[k + 1]]);
  return points;
}

function show(element, image, first) {
  const picture = element.querySelector(".picture");
  picture.style.setProperty("--ratio", image.w / image.h);
  picture.classList.toggle("missing", Boolean(image.problem));
  const img = picture.querySelector("img");
  if (!image.problem && img.getAttribute("src") !== image.src) img.src = image.src;
  picture.querySelector(".overlay").innerHTML = overlay(image, first);
  element.querySelector(".name").textContent = image.name;
  const note = element.querySelector(".note");
  note.replaceChildren(`${image.view} `);
  if (image.problem) add(note, "bad", image.problem);
  const fine = (text) => text === "ok" || text.endsWith(": by hand");
  for (const text of image.notes) add(note, fine(text) ? "" : "bad", text);
  if (mark(image).ok) add(note, "mark", "✓ looked at");
  if (isCorrected(image)) add(note, "mark", "✎ corrected");
  if (mark(image).contourWrong) add(note, "bad", "contour marked wrong");
  if (missingParts(image).length) add(note, "bad", "correction not complete");
}

function add(parent, kind, text) {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  parent.append(parent.childNodes.length > 1 ? "; " : "", span);
}

function bars(element, image, labeled) {
  element.replaceChildren();
  if (!image.confidence) {
    element.textContent = "confidence: not judged";
    return;
  }
  image.confidence.forEach((value, k) => {
    const label = `${data.parts[k].replace("_", " ")} ${value.toFixed(2)}`;
    const bar = document.createElement("i");
    bar.style.setProperty("--share", `${100 * value}%`);
    bar.style.setProperty("--color", value < 0.5 ? "#ff6b4a" : value < 0.8 ? "#ffc95c" : "#4be36a");
    bar.title = label;
    if (labeled) element.append(label);
    if (labeled) bar.style.flex = "none";
    element.append(bar);
  });
}

// --- The list: filter, sort, cards a chunk at a time ---

const filter = { view: "", note: "" };
const cards = new Map();
let listed = [];

function refresh() {
  const text = byId("search").value.trim().toLowerCase();
  const wanted = byId("marks").value;
  listed = data.images.filter(
    (image) =>
      (!filter.view || image.view === filter.view) &&
      (!filter.note || image.notes.includes(filter.note)) &&
      image.name.toLowerCase().includes(text) &&
      hasMark(image, wanted)
  );
  listed.sort(order(byId("sort").value));
  cards.clear();
  byId("cards").replaceChildren();
  extend();
  watchEnd();
  tell();
}

function hasMark(image, wanted) {
  if (wanted === "open") return !mark(image).ok && !isCorrected(image);
  if (wanted === "ok") return Boolean(mark(image).ok);
  if (wanted === "corrected") return isCorrected(image);
  return wanted !== "contour" || Boolean(mark(image).contourWrong);
}

function order(by) {
  const name = (a, b) => (a.name < b.name ? -1 : 1);
  if (by === "name") return name;
  const value = (image) => {
    if (by === "unusual") return -image.unusual;
    if (image.problem) return -2;
    if (!image.confidence) return -1;
    return by === "lowest" ? Math.min(...image.confidence) : image.confidence[by];
  };
  // Where confidence does not tell, what is unlike the other images comes first.
  return (a, b) => value(a) - value(b) || b.unusual - a.unusual || name(a, b);
}

function extend(least = 0) {
  const end = Math.min(listed.length, Math.max(cards.size + CHUNK, least));
  for (const image of listed.slice(cards.size, end)) {
    const card = byId("card").content.firstElementChild.cloneNode(true);
    show(card, image);
    bars(card.querySelector(".bars"), image, false);
    card.addEventListener("click", () => open(image));
    cards.set(image, card);
    byId("cards").append(card);
    paint(image);
  }
}

// An observer speaks of changes only; observed anew, it tells how things stand.
function watchEnd() {
  end.unobserve(byId("more"));
  end.observe(byId("more"));
}

function paint(image) {
  const card = cards.get(image);
  if (!card) return;
  show(card, image);
  card.classList.toggle("ok", Boolean(mark(image).ok));
  card.classList.toggle("corrected", isCorrected(image));
}

function tell() {
  const looked = data.images.filter((image) => mark(image).ok).length;
  const corrected = data.images.filter(isCorrected).length;
  byId("count").textContent =
    `${listed.length} of ${data.images.length} shown, ${looked} looked at, ${corrected} corrected`;
}

const say = (text) => (byId("message").textContent = text);

// --- The large view ---

const big = byId("big");
const stage = big.querySelector(".stage");
const picture = stage.querySelector(".picture");
let at = 0;
let placing = ""; // "n": the next click is the nipple; "p": the next two are the pectoral line
let first = null; // the first of these two
let pointer = [0, 0];

function open(image) {
  at = listed.indexOf(image);
  big.showModal();
  big.focus(); // not the first button: space and enter would press it
  turn(0);
}

function turn(step) {
  at = Math.min(listed.length - 1, Math.max(0, at + step));
  placing = "";
  first = null;
  zoom(false);
  draw();
}

function zoom(on) {
  picture.style.transform = on ? "scale(3)" : "";
  stage.classList.toggle("zoomed", on);
}

function draw() {
  const image = listed[at];
  show(big, image, first);
  bars(big.querySelector(".bars"), image, true);
  big.querySelector(".place").textContent = `${at + 1} of ${listed.length}`;
  stage.classList.toggle("placing", placing !== "");
  for (const button of big.querySelectorAll(".keys button")) {
    const key = button.dataset.key;
    const on = { o: mark(image).ok, c: mark(image).contourWrong, w: hasMovedWall(image) };
    const shown = { b: "bright", l: "bare", z: "zoomed" }[key];
    const active = on[key] || stage.classList.contains(shown) || (placing && key === placing);
    button.classList.toggle("on", Boolean(active));
  }
  big.querySelector("aside .hint").textContent = hint(image);
  paint(image);
}

function hint(image) {
  if (placing === "n") return "Click the nipple.";
  if (placing === "p" && image.view === "CC")
    return "Click two points of the chest wall; in a CC view the line is made vertical.";
  if (placing === "p") return `Click the ${first ? "second" : "first"} point of the pectoral line.`;
  const names = { nipple: "the nipple (n)", line: "the pectoral line (p)" };
  const missing = missingParts(image).map((part) => names[part]);
  if (missing.length) return `With the chest wall moved, set ${missing.join(" and ")} too.`;
  const nodes = hasOldNodes(image) ? " The nodes are placed anew when the corrections are read." : "";
  return `Chest wall ${landmarks(image).wall}.${nodes}`;
}

function change(image, part, value) {
  const next = { ...edit(image), [part]: value };
  if (value === undefined) delete next[part];
  keep(image, { edit: next });
}

function place(x, y) {
  const image = listed[at];
  const point = [x, y].map((value, k) => {
    const inside = Math.min([image.w, image.h][k], Math.max(0, value));
    return Math.round(100 * inside) / 100;
  });
  if (placing === "n") {
    change(image, "nipple", point);
    placing = "";
  } else if (placing === "p" && !first) {
    first = point;
  } else if (placing === "p") {
    let [upper, lower] = first[1] <= point[1] ? [first, point] : [point, first];
    if (image.view === "CC") {
      const middle = Math.round(50 * (upper[0] + lower[0])) / 100;
      [upper, lower] = [[middle, upper[1]], [middle, lower[1]]];
    }
    if (upper[0] !== lower[0] || upper[1] !== lower[1]) {
      change(image, "line", [...upper, ...lower]);
      placing = "";
    }
    first = null;
  }
  draw();
  tell();
}

const actions = {
  n: () => (placing = placing === "n" ? "" : "n"),
  p: () => ((placing = placing === "p" ? "" : "p"), (first = null)),
  w: (image) => {
    const other = image.wall === "left" ? "right" : "left";
    change(image, "wall", hasMovedWall(image) ? undefined : other);
  },
  r: (image) => ((placing = ""), (first = null), keep(image, { edit: {} })),
  c: (image) => keep(image, { contourWrong: !mark(image).contourWrong }),
  o: (image) => {
    keep(image, { ok: !mark(image).ok });
    paint(image);
    if (mark(image).ok) turn(1);
  },
  b: () => stage.classList.toggle("bright"),
  l: () => stage.classList.toggle("bare"),
  z: () => {
    const box = picture.getBoundingClientRect();
    const [x, y] = pointer;
    picture.style.transformOrigin = `${x - box.left}px ${y - box.top}px`;
    zoom(!picture.style.transform);
  },
  ArrowLeft: () => turn(-1),
  ArrowRight: () => turn(1),
  Escape: () => big.close(),
};

function act(key) {
  if (!actions[key]) return false;
  actions[key](listed[at]);
  if (big.open) draw();
  tell();
  return true;
}

stage.addEventListener("pointermove", (event) => (pointer = [event.clientX, event.clientY]));
stage.addEventListener("click", (event) => {
  if (!placing) return;
  const box = picture.getBoundingClientRect();
  const image = listed[at];
  place(
    ((event.clientX - box.left) / box.width) * image.w,
    ((event.clientY - box.top) / box.height) * image.h
  );
});
for (const button of big.querySelectorAll(".keys button")) {
  button.addEventListener("click", () => {
    button.blur(); // so that space and enter do not press it again
    act(button.dataset.key);
  });
}
document.addEventListener("keydown", (event) => {
  if (!big.open || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (act(key)) event.preventDefault();
});
big.addEventListener("close", () => {
  extend(at + 1);
  cards.get(listed[at]).scrollIntoView({ block: "nearest" });
});

// --- Files to save ---

const cell = (value) => {
  const text = value === undefined || value === null ? "" : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const csv = (rows) => rows.map((row) => row.map(cell).join(",") + "\r\n").join("");

function correctionsCsv() {
  const rows = [];
  const incomplete = [];
  for (const image of data.images.filter(isCorrected)) {
    if (missingParts(image).length) incomplete.push(image.name);
    else {
      const { wall, nipple = ["", ""], line = ["", "", "", ""] } = edit(image);
      rows.push([image.name, wall, ...nipple, ...line, image.w, image.h]);
    }
  }
  return { text: csv([data.columns, ...rows]), count: rows.length, incomplete };
}

function reviewCsv() {
  const looked = data.images.filter((i) => mark(i).ok || isCorrected(i) || mark(i).contourWrong);
  const rows = looked.map((image) => {
    const rest = mark(image).ok ? "ok" : "";
    const said = (part) => (edit(image)[part] ? "corrected" : rest);
    const contour = mark(image).contourWrong ? "wrong" : rest;
    const status = image.notes.join("; ");
    const wall = hasMovedWall(image) ? "corrected" : rest;
    return [image.name, image.view, status, wall, said("nipple"), said("line"), contour];
  });
  const columns = ["file_name", "view", "status", "chest_wall", "nipple", "pectoral_line", "contour"];
  return { text: csv([columns, ...rows]), count: rows.length };
}

function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

byId("save-corrections").addEventListener("click", () => {
  const { text, count, incomplete } = correctionsCsv();
  save("corrections.csv", text);
  const left = incomplete.length
    ? `; left out, as the chest wall was moved without the nipple or the line: ${incomplete.join(", ")}`
    : "";
  say(`corrections.csv: ${count} images${left}`);
});
byId("save-review").addEventListener("click", () => {
  const { text, count } = reviewCsv();
  save("review.csv", text);
  say(`review.csv: ${count} images`);
});

// --- Start ---

for (const [id, key] of [["views", "view"], ["notes", "note"]]) {
  byId(id).addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    filter[key] = button.dataset[key];
    for (const other of byId(id).children) other.classList.toggle("on", other === button);
    refresh();
  });
}
for (const id of ["marks", "sort", "search"]) byId(id).addEventListener("input", refresh);
const end = new IntersectionObserver(
  (entries) => {
    if (!entries[0].isIntersecting || cards.size === listed.length) return;
    extend();
    watchEnd();
  },
  { rootMargin: "1200px" }
);
refresh();

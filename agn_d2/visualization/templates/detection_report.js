"use strict";
// Boxes are x, y, w, h in pixels of the stored image. A detection is [x, y, w, h, score, fate].
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const byKey = (key) => document.querySelector(`.keys button[data-key="${key}"]`);
const FATES = ["false", "hit", "neither"];
const [FALSE, HIT] = [0, 1];
const STEPS = 500;

let model = 0;
let threshold = data.thresholds[0] ?? 0.5;
let filter = "";
let listed = [];
let current = null; // the case that is shown
let zoomed = null; // the view that is enlarged
const hidden = { truth: false, predictions: false };

// --- What a threshold makes of an image ---

const misses = (image) =>
  image.truth.filter((_, k) => {
    const score = image.found[model][k];
    return score === null || score < threshold;
  }).length;
const shownBoxes = (image) => image.boxes[model].filter((box) => box[4] >= threshold);
const falseOnes = (image) => shownBoxes(image).filter((box) => box[5] === FALSE).length;
const sum = (images, count) => images.reduce((total, image) => total + count(image), 0);

// --- The list of cases ---

function refresh() {
  const text = byId("search").value.trim().toLowerCase();
  const counts = { miss: 0, false: 0 };
  listed = [];
  for (const one of data.cases) {
    const missed = sum(one.images, misses);
    const wrong = sum(one.images, falseOnes);
    if (missed) counts.miss += 1;
    if (wrong) counts.false += 1;
    if (filter === "miss" && !missed) continue;
    if (filter === "false" && !wrong) continue;
    const names = [one.id, ...one.images.map((image) => image.name)];
    if (!names.some((name) => String(name).toLowerCase().includes(text))) continue;
    listed.push({ one, missed, wrong });
  }
  for (const button of byId("filters").children) {
    button.classList.toggle("on", button.dataset.filter === filter);
    const small = button.querySelector("small");
    if (small) small.textContent = counts[button.dataset.filter];
  }
  byId("list").replaceChildren(...listed.map(row));
  if (!listed.length) byId("list").innerHTML = "<p>no such case</p>";
  if (!listed.some((entry) => entry.one === current)) current = listed.length ? listed[0].one : null;
  tell();
  draw();
}

function row({ one, missed, wrong }) {
  const button = document.createElement("button");
  button.append(one.id);
  const marks = document.createElement("i");
  if (missed) marks.append(mark("miss", `−${missed}`, `${missed} missed`));
  if (wrong) marks.append(" ", mark("fp", `+${wrong}`, `${wrong} false positives`));
  button.append(marks);
  button.addEventListener("click", () => {
    current = one;
    button.blur();
    unzoom();
    draw();
  });
  return button;
}

function mark(kind, text, title) {
  const element = document.createElement("i");
  element.className = kind;
  element.textContent = text;
  element.title = title;
  return element;
}

function tell() {
  const images = data.cases.flatMap((one) => one.images);
  const lesions = sum(images, (image) => image.truth.length);
  const found = lesions - sum(images, misses);
  const wrong = sum(images, falseOnes);
  const percent = (share) => (Number.isFinite(share) ? (100 * share).toFixed(1) : "–");
  byId("numbers").textContent =
    `recall ${percent(found / lesions)} %, precision ${percent(found / (found + wrong))} %, ` +
    `${(wrong / images.length).toFixed(2)} FPPI, ${listed.length} of ${data.cases.length} cases`;
}

// --- A case ---

function draw() {
  const rows = [...byId("list").querySelectorAll("button")];
  rows.forEach((button, k) => button.classList.toggle("on", listed[k].one === current));
  const at = listed.findIndex((entry) => entry.one === current);
  if (at >= 0) rows[at].scrollIntoView({ block: "nearest" });
  byId("name").textContent = current ? `${current.id}   (${at + 1} of ${listed.length})` : "";
  byId("hanging").replaceChildren();
  if (!current) return;
  for (const slot of data.slots) {
    byId("hanging").append(view(slot, current.images.find((image) => image.slot === slot)));
  }
  for (const image of current.images.filter((image) => !image.slot)) {
    byId("hanging").append(view("", image));
  }
  const maps = current.images.some((image) => image.attention[model]);
  document.body.classList.toggle("has-attention", maps);
}

function view(slot, image) {
  const element = document.createElement("div");
  element.className = `view ${slot.slice(0, 1)}`;
  const label = document.createElement("span");
  label.textContent = slot;
  element.append(label);
  if (!image) {
    element.classList.add("empty");
    element.append("no such view");
    return element;
  }
  label.textContent += ` ${image.name}${image.mirror ? " (mirrored)" : ""}`;
  const picture = document.createElement("div");
  picture.className = "picture";
  picture.classList.toggle("mirror", image.mirror);
  picture.classList.toggle("missing", Boolean(image.problem));
  picture.style.setProperty("--ratio", image.w / image.h);
  picture.innerHTML = '<img alt=""><div class="overlay"></div>';
  if (!image.problem) picture.querySelector("img").src = image.src;
  if (image.attention[model]) {
    const map = document.createElement("img");
    map.className = "attention";
    map.alt = "";
    map.src = image.attention[model];
    picture.querySelector("img").after(map);
  }
  picture.querySelector(".overlay").innerHTML = overlay(image);
  element.append(picture);
  return element;
}

function overlay(image) {
  // Boxes are mirrored here, so that the scores stay readable.
  const left = (box) => (image.mirror ? image.w - box[0] - box[2] : box[0]);
  const rect = (box, kind) =>
    `<rect class="${kind}" x="${left(box)}" y="${box[1]}" width="${box[2]}" height="${box[3]}"/>`;
  const parts = [];
  if (!hidden.truth) {
    parts.push(...image.ignored.map((box) => rect(box, "region")));
    image.truth.forEach((box, k) => {
      const score = image.found[model][k];
      parts.push(rect(box, score === null || score < threshold ? "missed" : "truth"));
    });
  }
  const size = image.h / 34;
  if (!hidden.predictions) {
    // The surest last, on top.
    for (const box of shownBoxes(image).reverse()) {
      const kind = FATES[box[5]];
      const y = Math.max(size, box[1] - size / 4);
      parts.push(rect(box, kind));
      parts.push(
        `<text class="${kind}" x="${left(box)}" y="${y}" style="font-size:${size}px;` +
          `stroke-width:${size / 4}px">${box[4].toFixed(2)}</text>`
      );
    }
  }
  return `<svg viewBox="0 0 ${image.w} ${image.h}" preserveAspectRatio="none">${parts.join("")}</svg>`;
}

// --- Controls ---

function setModel(number) {
  if (number >= data.models.length) return;
  model = number;
  for (const button of byId("models").children) {
    button.classList.toggle("on", Number(button.dataset.model) === model);
  }
  refresh();
}

function setThreshold(value) {
  const [low, high] = data.span;
  threshold = Math.min(high, Math.max(low, value));
  byId("shown").textContent = threshold.toFixed(3);
  byId("score").value = threshold;
  refresh();
}

function turn(step) {
  const at = listed.findIndex((entry) => entry.one === current) + step;
  if (!listed[at]) return;
  current = listed[at].one;
  unzoom();
  draw();
}

function unzoom() {
  zoomed = null;
}

let pointer = null;
byId("hanging").addEventListener("pointermove", (event) => (pointer = event));

function zoom() {
  const target = pointer && pointer.target.closest(".view:not(.empty)");
  const picture = target && target.isConnected ? target.querySelector(".picture") : null;
  if (zoomed) {
    zoomed.style.transform = "";
    unzoom();
  } else if (picture) {
    const box = picture.getBoundingClientRect();
    picture.style.transformOrigin = `${pointer.clientX - box.left}px ${pointer.clientY - box.top}px`;
    picture.style.transform = "scale(3)";
    zoomed = picture;
  }
}

const step = () => (data.span[1] - data.span[0]) / 50;
const toggleFilter = (name) => ((filter = filter === name ? "" : name), refresh());
const actions = {
  ArrowLeft: () => turn(-1),
  ArrowRight: () => turn(1),
  ArrowUp: () => setThreshold(threshold + step()),
  ArrowDown: () => setThreshold(threshold - step()),
  m: () => toggleFilter("miss"),
  f: () => toggleFilter("false"),
  t: () => ((hidden.truth = !hidden.truth), draw()),
  p: () => ((hidden.predictions = !hidden.predictions), draw()),
  a: () => byId("case").classList.toggle("with-attention"),
  b: () => byId("case").classList.toggle("bright"),
  z: zoom,
};

function act(key) {
  if (/^[1-9]$/.test(key)) {
    setModel(Number(key) - 1);
    return true;
  }
  if (!actions[key]) return false;
  actions[key]();
  const on = {
    t: !hidden.truth,
    p: !hidden.predictions,
    a: byId("case").classList.contains("with-attention"),
    b: byId("case").classList.contains("bright"),
    z: Boolean(zoomed),
  };
  for (const button of document.querySelectorAll(".keys button")) {
    button.classList.toggle("on", Boolean(on[button.dataset.key]));
  }
  return true;
}

for (const button of document.querySelectorAll(".keys button")) {
  button.addEventListener("click", () => {
    button.blur();
    act(button.dataset.key);
  });
}
byId("models").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) setModel(Number(button.dataset.model));
  if (button) button.blur();
});
byId("filters").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  filter = button.dataset.filter;
  button.blur();
  refresh();
});
byId("search").addEventListener("input", refresh);
const slider = byId("score");
[slider.min, slider.max] = data.span;
slider.step = (data.span[1] - data.span[0]) / STEPS;
slider.addEventListener("input", () => setThreshold(Number(slider.value)));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target === byId("search")) {
    if (event.key === "Escape") byId("search").blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (act(key)) event.preventDefault();
});

// --- Start ---

// The cases fill the window below the bar, whose height depends on the width.
const bar = document.querySelector("nav");
new ResizeObserver(() =>
  document.body.style.setProperty("--nav", `${bar.offsetHeight}px`)
).observe(bar);

setModel(0);
setThreshold(threshold);
for (const key of ["t", "p"]) byKey(key).classList.add("on");

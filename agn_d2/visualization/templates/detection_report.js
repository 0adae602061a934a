// Boxes are x, y, w, h in pixels of the stored image. A detection is [x, y, w, h, score, fate], and
// has one entry more where it is explained (detection_changes.js).
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
let current = null; // the entry of the list that is shown: a case, or a detection of it
let selected = null; // the detection whose reading is shown: { image, box }
let hovered = null; // likewise, while the pointer is on it
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
  const { kinds, limits } = changedVerdicts(data.cases, model, threshold);
  const counts = { miss: 0, false: 0 };
  for (const [kind, entries] of Object.entries(kinds)) counts[kind] = entries.length;
  listed = [];
  for (const one of data.cases) {
    const missed = sum(one.images, misses);
    const wrong = sum(one.images, falseOnes);
    if (missed) counts.miss += 1;
    if (wrong) counts.false += 1;
    if (filter === "miss" && !missed) continue;
    if (filter === "false" && !wrong) continue;
    listed.push({ one, missed, wrong });
  }
  listed = (kinds[filter] ?? listed).filter(({ one }) =>
    [one.id, ...one.images.map((image) => image.name)].some((name) =>
      String(name).toLowerCase().includes(text)
    )
  );
  for (const button of document.querySelectorAll("button[data-filter]")) {
    button.classList.toggle("on", button.dataset.filter === filter);
    const small = button.querySelector("small");
    if (small) small.textContent = counts[button.dataset.filter];
  }
  byId("list").replaceChildren(...listed.map(row));
  if (!listed.length) byId("list").innerHTML = "<p>no such case</p>";
  const same = listed.find((entry) => isSame(entry, current));
  if (same) current = same;
  else select(listed.find((entry) => entry.one === current?.one) ?? listed[0] ?? null);
  tell();
  tellLimits(limits);
  draw();
}

const isSame = (a, b) =>
  a.one === b?.one && a.image === b.image && a.box?.[EXPLAINED] === b.box?.[EXPLAINED];

function select(entry) {
  if (entry?.box || entry?.one !== current?.one) selected = entry?.box ? entry : null;
  current = entry;
}

function row(entry) {
  const { one, image, missed, wrong } = entry;
  const button = document.createElement("button");
  button.append(image ? `${one.id} ${image.slot || image.name}` : one.id);
  const marks = document.createElement("i");
  if (image) {
    marks.append(scores(explanation(entry)));
  }
  if (missed) marks.append(mark("miss", `−${missed}`, `${missed} missed`));
  if (wrong) marks.append(" ", mark("fp", `+${wrong}`, `${wrong} false positives`));
  button.append(marks);
  button.addEventListener("click", () => {
    button.blur();
    show(entry);
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
  const share = (value) => (Number.isFinite(value) ? (100 * value).toFixed(1) : "–");
  byId("numbers").textContent =
    `recall ${share(found / lesions)} %, precision ${share(found / (found + wrong))} %, ` +
    `${(wrong / images.length).toFixed(2)} FPPI, ` +
    (listed[0]?.box ? `${listed.length} detections` : `${listed.length} of ${data.cases.length} cases`);
}

function tellLimits(limits) {
  if (!byId("limits")) return;
  byId("limits").textContent = limits
    ? `≥ ${limits.before.toFixed(2)} → ≥ ${limits.after.toFixed(2)}`
    : "not explained";
}

// --- A case ---

const views = new Map(); // element -> image

function draw() {
  const rows = [...byId("list").querySelectorAll("button")];
  const at = listed.indexOf(current);
  rows.forEach((button, k) => button.classList.toggle("on", k === at));
  if (at >= 0) reveal(rows[at], byId("list"));
  byId("name").textContent = current ? `${current.one.id}   (${at + 1} of ${listed.length})` : "";
  byId("hanging").replaceChildren();
  views.clear();
  hovered = null;
  const images = current ? current.one.images : [];
  if (current) {
    for (const slot of data.slots) {
      byId("hanging").append(view(slot, images.find((image) => image.slot === slot)));
    }
  }
  for (const image of images.filter((image) => !image.slot)) byId("hanging").append(view("", image));
  const maps = images.some((image) => image.attention[model]);
  document.body.classList.toggle("has-attention", maps);
  drawBoxes();
}

// Scrolls the list alone: scrollIntoView would move the page too.
function reveal(row, list) {
  const [a, b] = [row.getBoundingClientRect(), list.getBoundingClientRect()];
  list.scrollTop += Math.min(0, a.top - b.top) || Math.max(0, a.bottom - b.bottom);
}

// Boxes of all views, and what the detection in focus read in them.
function drawBoxes() {
  const focus = hidden.predictions ? null : hovered ?? selected;
  for (const [element, image] of views) {
    element.querySelector(".overlay").innerHTML = overlay(image, focus);
    const evidence = evidenceIn(focus, image);
    element.querySelector(".evidence").textContent = evidence ? describeEvidence(evidence) : "";
  }
  if (byId("reading")) {
    byId("reading").textContent = current ? describe(focus, current.one.images) : "";
  }
  drawLinks();
}

// Lines from the detection in focus to what it read; not while a view is enlarged.
function drawLinks() {
  const rings = zoomed ? [] : [...document.querySelectorAll("rect.attended")];
  const from = document.querySelector("rect.focus")?.getBoundingClientRect();
  const { left, top } = byId("links").getBoundingClientRect();
  const links = rings.map((ring) =>
    linkBetween(from, ring.getBoundingClientRect(), Number(ring.dataset.weight))
  );
  byId("links").innerHTML = `<g transform="translate(${-left} ${-top})">${links.join("")}</g>`;
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
  const evidence = document.createElement("span");
  evidence.className = "evidence";
  element.append(picture, evidence);
  views.set(element, image);
  return element;
}

function overlay(image, focus) {
  // Boxes are mirrored here, so that the scores stay readable.
  const left = (box) => (image.mirror ? image.w - box[0] - box[2] : box[0]);
  const rect = (box, kind, more = "") =>
    `<rect class="${kind}" x="${left(box)}" y="${box[1]}" width="${box[2]}" height="${box[3]}"` +
    `${more}/>`;
  const parts = [];
  if (!hidden.truth) {
    parts.push(...image.ignored.map((box) => rect(box, "region")));
    image.truth.forEach((box, k) => {
      const score = image.found[model][k];
      parts.push(rect(box, score === null || score < threshold ? "missed" : "truth"));
    });
  }
  const size = image.h / 34;
  // What would leave the picture at its right ends there: a neighbor would cover it.
  const label = (box, kind, y, text) => {
    const fits = left(box) + 0.6 * size * text.length < image.w;
    const place = fits ? `x="${left(box)}"` : `x="${image.w}" text-anchor="end"`;
    const style = `font-size:${size}px;stroke-width:${size / 4}px`;
    return `<text class="${kind}" ${place} y="${y}" style="${style}">${text}</text>`;
  };
  const above = (box) => Math.max(size, box[1] - size / 4);
  if (!hidden.predictions) {
    // The surest last, on top.
    for (const box of shownBoxes(image).reverse()) {
      const kind = FATES[box[5]];
      parts.push(rect(box, kind));
      if (box !== focus?.box) parts.push(label(box, kind, above(box), box[4].toFixed(2)));
    }
  }
  if (focus?.image === image) {
    const kind = `focus ${FATES[focus.box[5]]}`;
    parts.push(rect(focus.box, kind));
    parts.push(label(focus.box, kind, above(focus.box), scores(explanation(focus))));
  }
  const evidence = evidenceIn(focus, image);
  // The weightiest last, on top.
  for (const [x, y, w, h, , weight] of evidence ? attended(evidence).reverse() : []) {
    const ring = [x - size / 4, y - size / 4, w + size / 2, h + size / 2];
    const style = ` data-weight="${weight}" style="stroke-opacity:${0.4 + 0.6 * weight}"`;
    parts.push(rect(ring, "attended", style));
    const below = Math.min(image.h - size / 4, ring[1] + ring[3] + size);
    parts.push(label(ring, "attended", below, percent(weight)));
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
  selected = selected && inModel(selected, model);
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
  const entry = listed[listed.indexOf(current) + step];
  if (entry) show(entry);
}

function show(entry) {
  select(entry);
  unzoom();
  draw();
}

function unzoom() {
  zoomed = null;
}

let pointer = null;
byId("hanging").addEventListener("pointermove", (event) => {
  pointer = event;
  point(detectionAt(event));
});
byId("hanging").addEventListener("pointerleave", () => point(null));
byId("hanging").addEventListener("click", (event) => {
  selected = detectionAt(event);
  drawBoxes();
});

function point(detection) {
  if (detection?.box === hovered?.box) return;
  hovered = detection;
  drawBoxes();
}

// The explained detection below the pointer.
function detectionAt(event) {
  const element = event.target.closest(".view:not(.empty)");
  const image = views.get(element);
  if (!image || hidden.predictions) return null;
  const place = element.querySelector(".overlay").getBoundingClientRect();
  const x = ((event.clientX - place.left) / place.width) * image.w;
  const y = ((event.clientY - place.top) / place.height) * image.h;
  const boxes = selected?.image === image ? [selected.box, ...shownBoxes(image)] : shownBoxes(image);
  return boxAt(image, boxes, image.mirror ? image.w - x : x, y);
}

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
  drawLinks();
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
for (const button of document.querySelectorAll("button[data-filter]")) {
  button.addEventListener("click", () => {
    filter = button.dataset.filter;
    button.blur();
    refresh();
  });
}
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
new ResizeObserver(drawLinks).observe(byId("hanging"));

setModel(0);
setThreshold(threshold);
for (const key of ["t", "p"]) byKey(key).classList.add("on");

"use strict";
// What the other views changed. A detection that is explained has the position of its explanation
// in image.explained as the last entry: { before, after, missing, read }; read has for each partner
// view { kind, image, change, share, boxes, others, none }, a box is x, y, w, h, score, weight.
const EXPLAINED = 6;
const LEAST_WEIGHT = 0.01; // of an attention, to be drawn

const explanation = ({ image, box }) => image.explained[box[EXPLAINED]];
const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);
const percent = (share) => `${(100 * share).toFixed(0)}\u00a0%`;
const scores = ({ before, after }) => `${before.toFixed(2)} → ${after.toFixed(2)}`;

// Verdicts that the other views changed: kind -> detections by falling change of the score. The
// scores before and after are no common scale: the model's scores are held against the threshold,
// the others against one that lets as many false positives pass, in the middle of those that do.
function changedVerdicts(cases, model, threshold) {
  const kinds = { "up, right": [], "up, wrong": [], "down, right": [], "down, wrong": [] };
  const side = data.explained[model];
  if (!side) return { kinds, limits: null };
  const entries = cases.flatMap((one) =>
    one.images.flatMap((image) =>
      image.boxes[model]
        // What counts as nothing is neither right nor wrong.
        .filter((box) => box[EXPLAINED] !== undefined && [FALSE, HIT].includes(box[5]))
        .map((box) => ({ one, image, box }))
    )
  );
  const limits = { [side]: threshold };
  const other = side === "after" ? "before" : "after";
  const wrong = entries.filter((entry) => entry.box[5] === FALSE).map(explanation);
  const passing = wrong.filter((known) => known[side] >= threshold).length;
  const byScore = wrong.map((known) => known[other]).sort((a, b) => b - a);
  const bounds = [data.span[1], ...byScore, data.span[0]];
  limits[other] = (bounds[passing] + bounds[passing + 1]) / 2;
  for (const entry of entries) {
    const { before, after } = explanation(entry);
    const up = after >= limits.after;
    if (up === before >= limits.before) continue;
    const right = up === (entry.box[5] === HIT);
    kinds[`${up ? "up" : "down"}, ${right ? "right" : "wrong"}`].push(entry);
  }
  const change = (entry) => Math.abs(explanation(entry).after - explanation(entry).before);
  for (const kind of Object.values(kinds)) kind.sort((a, b) => change(b) - change(a));
  return { kinds, limits };
}

// The same detection as another model has it.
function inModel(entry, model) {
  const box = entry.image.boxes[model].find((other) => other[EXPLAINED] === entry.box[EXPLAINED]);
  return box ? { ...entry, box } : null;
}

// The smallest explained box below a point of a picture.
function boxAt(image, boxes, x, y) {
  const inside = boxes.filter(
    (box) =>
      box[EXPLAINED] !== undefined &&
      x >= box[0] && x <= box[0] + box[2] && y >= box[1] && y <= box[1] + box[3]
  );
  inside.sort((a, b) => a[2] * a[3] - b[2] * b[3]);
  return inside.length ? { image, box: inside[0] } : null;
}

const evidenceIn = (focus, image) =>
  focus ? explanation(focus).read.find((one) => one.image === image.id) : undefined;

const attended = (evidence) => evidence.boxes.filter((box) => box[5] >= LEAST_WEIGHT);

// A sentence on a detection, and one for each partner view.
function describe(focus, images) {
  if (!focus) return "Point at a detection to see what it read in the other views; click to keep it.";
  const known = explanation(focus);
  const parts = known.read.map((one) => {
    const partner = images.find((image) => image.id === one.image);
    const elsewhere = one.file ? `${one.file}, not examined` : `image ${one.image} of another case`;
    const where = partner ? partner.slot || partner.name : elsewhere;
    return `${one.kind} view (${where}) ${signed(one.change)}`;
  });
  if (known.missing) parts.push(`for the view that is missing ${signed(known.missing)}`);
  const what = parts.length ? `logit: ${parts.join(", ")}` : "it read no other view";
  return `${focus.image.slot || focus.image.name}: ${scores(known)}; ${what}`;
}

function describeEvidence(evidence) {
  const named = attended(evidence);
  const parts = named.map((box) => `${percent(box[5])} on ${box[4].toFixed(2)}`);
  const others = 1 - evidence.none - named.reduce((total, box) => total + box[5], 0);
  if (others >= LEAST_WEIGHT) parts.push(`others ${percent(others)}`);
  parts.push(`no counterpart ${percent(evidence.none)}`);
  const share = Number((100 * evidence.share).toPrecision(2)); // often far below 1 %
  const what = `logit ${signed(evidence.change)}, share ${share}\u00a0%`;
  return `${evidence.kind} view: ${what}; attention: ${parts.join(", ")}`;
}

// A line between the edges of two rectangles of the page, as SVG; the weight is its strength.
function linkBetween(from, to, weight) {
  const middle = (r) => [(r.left + r.right) / 2, (r.top + r.bottom) / 2];
  const [[x0, y0], [x1, y1]] = [middle(from), middle(to)];
  const share = (r) => Math.min(r.width / 2 / Math.abs(x1 - x0), r.height / 2 / Math.abs(y1 - y0));
  const [start, end] = [share(from), 1 - share(to)];
  if (!(start < end)) return "";
  const at = (t) => [x0 + t * (x1 - x0), y0 + t * (y1 - y0)].map((value) => value.toFixed(1));
  const [[xs, ys], [xe, ye]] = [at(start), at(end)];
  return (
    `<line x1="${xs}" y1="${ys}" x2="${xe}" y2="${ye}" ` +
    `style="opacity:${0.3 + 0.7 * weight};stroke-width:${1 + 2 * weight}px"/>`
  );
}

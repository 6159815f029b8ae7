// What a timeline's lane shows: bands of what is recorded, the ridge of motion, ticks of objects. No DOM.

const JOIN_S = 1;

/** Spans in order, those that touch made one. */
export function merge(spans, join_s = JOIN_S) {
  const merged = [];
  for (const span of [...spans].sort((a, b) => a.start_at_s - b.start_at_s)) {
    const last = merged.at(-1);
    if (last && span.start_at_s - last.end_at_s <= join_s) {
      last.end_at_s = Math.max(last.end_at_s, span.end_at_s);
    } else {
      merged.push({ start_at_s: span.start_at_s, end_at_s: span.end_at_s });
    }
  }
  return merged;
}

/** How many objects there were in each of `count` equal parts of [start_s, end_s), on average. */
export function ridge(events, start_s, end_s, count) {
  const parts = new Float32Array(count);
  const part_s = (end_s - start_s) / count;
  if (!(part_s > 0)) return parts;
  for (const event of events) {
    const from = Math.max(0, Math.floor((event.start_at_s - start_s) / part_s));
    const to = Math.min(count - 1, Math.floor((event.end_at_s - start_s) / part_s));
    for (let n = from; n <= to; n += 1) {
      const begin_s = start_s + n * part_s;
      const covered_s = Math.min(event.end_at_s, begin_s + part_s) - Math.max(event.start_at_s, begin_s);
      parts[n] += Math.max(0, covered_s) / part_s;
    }
  }
  return parts;
}

/** The mean of each part and its neighbours: a ridge, not a comb. */
export function smooth(parts) {
  const smoothed = new Float32Array(parts.length);
  for (let n = 0; n < parts.length; n += 1) {
    const before = parts[Math.max(0, n - 1)];
    const after = parts[Math.min(parts.length - 1, n + 1)];
    smoothed[n] = 0.25 * before + 0.5 * parts[n] + 0.25 * after;
  }
  return smoothed;
}

const TINTED = ["motion", "car", "person", "dog", "cat", "bicycle", "truck", "bird"];

/** A label's tint, 0..7: always the same for the same word; the common ones are apart. */
export function tint(label) {
  if (TINTED.includes(label)) return TINTED.indexOf(label);
  let hash = 7;
  for (const letter of label) hash = (hash * 31 + letter.codePointAt(0)) % 9973;
  return 1 + (hash % 7);
}

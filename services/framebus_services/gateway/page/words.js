// Numbers and times as people read them. No DOM.

const UNITS_S = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]];

/** A length of time with as much as matters: 0.04 s, 12.3 s, 1 min 15 s, 2 h 1 min. */
export function lasting(duration_s) {
  if (!Number.isFinite(duration_s)) return "–";
  if (duration_s < 0.095) return `${duration_s.toFixed(2)} s`;
  if (duration_s < 59.95) return `${duration_s.toFixed(1)} s`;
  const whole = Math.round(duration_s);
  for (const [unit_s, unit, small_s, small] of UNITS_S) {
    if (whole >= unit_s) {
      const rest = Math.floor((whole % unit_s) / small_s);
      return rest ? `${Math.floor(whole / unit_s)} ${unit} ${rest} ${small}` : `${Math.floor(whole / unit_s)} ${unit}`;
    }
  }
  return `${whole} s`;
}

/** A length of time in whole units, for where there is little room: 40 s, 1 min 15 s. */
export function brief(duration_s) {
  return duration_s < 59.5 ? `${Math.round(duration_s)} s` : lasting(duration_s);
}

/** A length of time in its largest unit, for a sentence: 4 s, 3 min, 2 h, 9 days. */
export function roughly(duration_s) {
  const whole = Math.max(0, Math.round(duration_s));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 2 * 86400) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86400)} days`;
}

/** 812 bytes, 69 KB, 2.8 MB, 214 GB. */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  let value = bytes;
  for (const unit of ["KB", "MB", "GB", "TB"]) {
    value /= 1000;
    if (value < 999.5 || unit === "TB") return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${unit}`;
  }
  return "";
}

/** A number with its noun: 1 camera, 2 processes. */
export function counted(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

const formats = new Map();

function format(zone, name, options) {
  const key = `${zone}/${name}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat("en-GB", { ...options, hourCycle: "h23", timeZone: zone || undefined }));
  }
  return formats.get(key);
}

const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit" };

/** 14:02:11 in the configured zone. */
export function clock(at_s, zone = "") {
  return format(zone, "clock", CLOCK).format(at_s * 1000);
}

/** 14:02 */
export function minute(at_s, zone = "") {
  return format(zone, "minute", { hour: "2-digit", minute: "2-digit" }).format(at_s * 1000);
}

/** Sat 21 Nov */
export function day(at_s, zone = "") {
  return format(zone, "day", { weekday: "short", day: "numeric", month: "short" }).format(at_s * 1000).replace(",", "");
}

/** 14:02:11 today, else with the day. */
export function moment(at_s, now_s, zone = "") {
  const told = clock(at_s, zone);
  return day(at_s, zone) === day(now_s, zone) ? told : `${day(at_s, zone)} ${told}`;
}

/** How far the zone is ahead of UTC at that moment, in seconds. */
export function zoneOffset(at_s, zone = "") {
  const whole_s = Math.floor(at_s);
  if (!zone) return -60 * new Date(whole_s * 1000).getTimezoneOffset();
  const options = { year: "numeric", month: "2-digit", day: "2-digit", ...CLOCK };
  const parts = {};
  for (const { type, value } of format(zone, "all", options).formatToParts(whole_s * 1000)) parts[type] = Number(value);
  return Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second) / 1000 - whole_s;
}

/** A camera's or service's name for people: front_door -> front door. */
export function spoken(name) {
  return name.replaceAll("_", " ");
}

/** A sentence begins with a capital letter, unless with a name as of a file or process: capture@front, my_camera.py. */
export function sentence(text) {
  return text && !/^\S*[@._/]\S/.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}

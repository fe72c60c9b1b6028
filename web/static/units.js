// Numbers as the server writes them (pages/format.go).
const si = ["", " k", " M", " G", " T", " P"];
const iec = [" ", " Ki", " Mi", " Gi", " Ti", " Pi"];

export function format(v, unit) {
  if (v == null || Number.isNaN(v)) return "–";
  if (unit === "B" || unit === "B/s") return scaled(v, 1024, 1024, iec) + unit;
  if (unit === "%") return `${digits(v)} %`;
  if (unit === "s") return Math.abs(v) >= 120 ? span(v) : `${digits(v)} s`;
  const s = scaled(v, 1000, 10000, si);
  return unit ? `${s} ${unit}` : s;
}

function scaled(v, base, limit, prefixes) {
  let i = 0;
  for (; Math.abs(v) >= limit && i < prefixes.length - 1; i++) {
    v /= base;
    limit = base;
  }
  return digits(v) + prefixes[i];
}

function digits(v) {
  const a = Math.abs(v);
  if (Number.isInteger(v)) return String(v);
  if (a < 0.01) return v.toPrecision(3);
  return v.toFixed(a < 10 ? 2 : a < 100 ? 1 : 0);
}

function span(s) {
  if (s < 3600) return `${Math.floor(s / 60)} m`;
  if (s < 86400) return `${(s / 3600).toFixed(1)} h`;
  return `${(s / 86400).toFixed(1)} d`;
}

const two = (n) => String(n).padStart(2, "0");

// clock writes seconds since the epoch in UTC.
export function clock(t) {
  const d = new Date(t * 1000);
  return `${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

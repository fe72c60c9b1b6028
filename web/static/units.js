// Numbers as the server writes them (chart.Format).

export function format(v, unit) {
  if (v == null || Number.isNaN(v)) return "–";
  if (unit === "ms") return format(v / 1000, "s");
  const [factor, text] = prefix(Math.abs(v), unit);
  return digits(v / factor) + text;
}

function prefix(a, unit) {
  switch (unit) {
    case "%": return [1, " %"];
    case "s": return seconds(a);
    case "B": case "B/s": return power(a, 1024, "KMGTPE", (p) => ` ${p && `${p}i`}${unit}`);
    default: return power(a, 1000, "kMGTPE", (p) => p + unit);
  }
}

function power(a, base, letters, text) {
  let factor = 1, letter = "";
  for (const l of letters) {
    if (a < factor * base) break;
    factor *= base;
    letter = l;
  }
  return [factor, text(letter)];
}

function seconds(a) {
  if (a === 0) return [1, " s"];
  if (a < 1e-3) return [1e-6, " µs"];
  if (a < 1) return [1e-3, " ms"];
  if (a < 120) return [1, " s"];
  if (a < 2 * 3600) return [60, " min"];
  if (a < 2 * 86400) return [3600, " h"];
  return [86400, " d"];
}

function digits(v) {
  const a = Math.abs(v);
  if (a >= 1e6 || (a !== 0 && a < 1e-3)) return v.toPrecision(3);
  const s = v.toFixed(a >= 100 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : 3);
  return s.includes(".") ? s.replace(/\.?0+$/, "") : s;
}

const two = (n) => String(n).padStart(2, "0");

// clock writes seconds since the epoch in UTC.
export function clock(t) {
  const d = new Date(t * 1000);
  return `${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
}

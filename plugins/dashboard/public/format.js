// Words and times as people read them.

const LABELS = {
  in_progress: "In progress", on_hold: "On hold", submitted: "New",
};

/** "in_progress" -> "In progress" */
export function label(code) {
  if (!code) return "";
  return LABELS[code] ?? code.charAt(0).toUpperCase() + code.slice(1).replaceAll("_", " ");
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exact = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

/** "5 min. ago" */
export function ago(iso) {
  const seconds = (new Date(iso) - Date.now()) / 1000;
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return "just now";
}

export const at = (iso) => (iso ? exact.format(new Date(iso)) : "");

/** The place of a report or work order in a few words. */
export function place(location) {
  if (location?.description) return location.description;
  if (location?.latitude !== undefined) {
    return `${location.latitude.toFixed(5)}, ${location.longitude.toFixed(5)}`;
  }
  return "";
}
